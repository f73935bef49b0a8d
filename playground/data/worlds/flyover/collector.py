"""Flyover as a source of training data: streams of flights with exact captions and changes of time and weather."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.worlds import EPISODE_OPTION, StepBatch, check_world, episode_lengths
from playground.data.worlds.flyover.atmosphere import TIMES, WEATHERS, air_vector
from playground.data.worlds.flyover.biomes import BIOMES
from playground.data.worlds.flyover.captions import all_captions, all_paraphrases, caption_id
from playground.data.worlds.flyover.flight import ACTIONS, CLEARANCE, Flight, Pilot

SIZES = (64, 128, 256)
# Small pictures are drawn larger and averaged.
SMALLEST_DRAWN = 128
SPLIT_WORLDS = {"train": (0, 1_000_000), "val": (1_000_000, 1_100_000), "test": (1_100_000, 1_200_000)}
EPISODE_FRAMES = (300, 601)
EPISODES_PER_WORLD = 3
TIME_SHARES, WEATHER_SHARES = (0.4, 0.3, 0.3), (0.4, 0.2, 0.2, 0.2)
EVENT_SHARES = (0.35, 0.45, 0.2)
# Least frames before an event, after it, and between two.
EVENT_FIRST, EVENT_LAST, EVENT_GAP = 60, 40, 90
CHANGE_FRAMES = 14
# Frames that one stream draws before the next has its turn, so that the maps of its world stay in the cache.
TURN_FRAMES = 32


@COLLECTORS.register("flyover")
class FlyoverCollector:
    """Flies over landscapes of ten biomes by day, dusk and night, in clear air, fog, rain and snow.

    Pictures, worlds and words are made here, so nobody else's assets are in them. An episode lasts 300 to 600 frames
    (or ``episode_frames``, the only option); in about two of three the time of day or the weather changes on the way.
    There are no rewards.
    """

    version = 2
    fps = 15.0
    streams_per_rollout = 1
    licence = "flyover: drawn by this project's own code, Apache-2.0; no assets of others"

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check size, split and options.

        Raises:
            PlaygroundError: a size that is not drawn, an unknown split or option.
        """
        check_world("flyover", size, split, options, sizes=SIZES, splits=SPLIT_WORLDS, known_options=(EPISODE_OPTION,))
        self._lengths, self.options = episode_lengths(options, EPISODE_FRAMES)
        self._size = size
        self._seeds = SPLIT_WORLDS[split]
        self.seed_range = list(self._seeds)
        self.action_names = list(ACTIONS)
        self.captions = all_captions()
        self.paraphrases = all_paraphrases()

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Fly ``streams`` planes side by side; yields ``frames`` batches of uint8 (S, size, size, 3) and steps.

        Raises:
            PlaygroundError: Numba is not installed.
        """
        try:
            from playground.data.worlds.flyover.stage import Stage
        except ImportError as error:
            raise PlaygroundError(
                f"collecting from flyover needs the package numba ({error}); install it with: pip install numba"
            ) from error
        stage = Stage(max(self._size, SMALLEST_DRAWN))
        players = [_Player(stage, self._seeds, self._lengths, seed, first_stream + index) for index in range(streams)]
        shape = (TURN_FRAMES, streams)
        frames_TSHWC = np.empty((*shape, self._size, self._size, 3), np.uint8)
        for start in range(0, frames, TURN_FRAMES):
            actions_TS, captions_TS = np.zeros(shape, np.int64), np.zeros(shape, np.int32)
            truncated_TS = np.zeros(shape, bool)
            turn = range(min(TURN_FRAMES, frames - start))
            for row, player in enumerate(players):
                for t in turn:
                    captions_TS[t, row] = player.caption
                    player.draw(frames_TSHWC[t, row])
                    actions_TS[t, row], truncated_TS[t, row] = player.step()
            for t in turn:
                nothing_S = np.zeros(streams, np.float32)
                never_S = np.zeros(streams, bool)
                yield StepBatch(frames_TSHWC[t], actions_TS[t], nothing_S, never_S, truncated_TS[t], captions_TS[t])


class _Player:
    """One stream: worlds, episodes and events one after the other, all from (seed, stream)."""

    _place: Any
    _flight: Flight
    _before: np.ndarray
    _changing: bool
    _changed_at: int

    def __init__(
        self, stage: Any, seed_range: tuple[int, int], lengths: tuple[int, int], seed: int, stream: int
    ) -> None:
        self._stage, self._seed_range, self._lengths = stage, seed_range, lengths
        # The split counts too: with the same seed, its biomes, weather and events must not be those of another.
        self._rng = np.random.default_rng([seed, 5, stream, seed_range[0]])
        self._episode = 0
        self._start()

    @property
    def caption(self) -> int:
        """What is true at the next frame; a change counts from its first frame on."""
        return caption_id(self._biome, self._time, self._weather)

    def draw(self, out_HWC: np.ndarray) -> None:
        """Draw the view from the plane."""
        self._begin_change()
        blend = 0.0
        if self._changing:
            t = min((self._flight.clock - self._changed_at + 1) / CHANGE_FRAMES, 1.0)
            blend = t * t * (3 - 2 * t)
        camera = self._flight.camera()
        self._stage.draw(self._place, camera, self._before, blend, out_HWC)
        self._before = camera
        if self._changing and blend >= 1:
            self._place.settle()
            self._changing = False

    def step(self) -> tuple[int, bool]:
        """Press a key and fly on; returns the action and whether the episode ends here."""
        height = self._place.height
        action = self._pilot.act(self._flight, self._flight.altitude - self._flight.ground(height))
        self._flight.step(action, height)
        ends = self._flight.clock >= self._length
        if ends:
            self._start()
        else:
            self._begin_caption()
        return ACTIONS.index(action), ends

    def _start(self) -> None:
        rng = self._rng
        if self._episode % EPISODES_PER_WORLD == 0:
            self._biome = int(rng.integers(len(BIOMES)))
            self._world = self._stage.world(self._biome, int(rng.integers(*self._seed_range)))
        self._episode += 1
        self._time = int(rng.choice(len(TIMES), p=TIME_SHARES))
        self._weather = int(rng.choice(len(WEATHERS), p=WEATHER_SHARES))
        self._cover = float(rng.uniform(0.2, 0.55))
        self._length = int(rng.integers(*self._lengths))
        self._events = self._draw_events()
        self._changing = False
        self._place = self._stage.place(self._world, air_vector(self._biome, self._time, self._weather, self._cover))
        size = len(self._place.height)
        x, y, yaw = rng.random() * size, rng.random() * size, rng.random() * 2 * np.pi
        self._flight = Flight(x, y, 0.0, yaw, float(rng.uniform(0.9, 2.4)))
        self._flight.altitude = self._flight.ground(self._place.height) + CLEARANCE + float(rng.uniform(2, 45))
        self._pilot = Pilot(rng)
        self._before = self._flight.camera()

    def _draw_events(self) -> list[int]:
        if self._length <= EVENT_FIRST + EVENT_LAST:
            return []
        count = int(self._rng.choice(len(EVENT_SHARES), p=EVENT_SHARES))
        times = sorted(int(t) for t in self._rng.integers(EVENT_FIRST, self._length - EVENT_LAST, count))
        if count == 2 and times[1] - times[0] < EVENT_GAP:
            times = times[:1]
        return times

    def _begin_caption(self) -> None:
        """At the frame of an event, choose what changes."""
        if not self._events or self._flight.clock < self._events[0]:
            return
        self._events.pop(0)
        if self._rng.random() < 0.45:
            self._time = (self._time + 1) % len(TIMES)
        else:
            self._weather = int(self._weather + self._rng.integers(1, len(WEATHERS))) % len(WEATHERS)
        self._changed_at, self._changing, self._announced = self._flight.clock, True, False

    def _begin_change(self) -> None:
        if self._changing and not self._announced:
            self._place.change(air_vector(self._biome, self._time, self._weather, self._cover))
            self._announced = True
