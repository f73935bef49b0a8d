"""Doom as a source of data: ViZDoom walks the maps of Freedoom, steered by the depth of the view.

Every stream runs a game of its own. An episode is a stay at a random place of a random map of the split.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.worlds import EPISODE_OPTION, StepBatch, check_world, episode_lengths
from playground.data.worlds.doom_captions import (
    GAMES,
    MAZE,
    caption_id,
    cover_caption_id,
    doom_captions,
    doom_paraphrases,
    split_maps,
)
from playground.data.worlds.doom_game import TICS, VIEWS, DoomGame, Thing
from playground.data.worlds.doom_walker import NAMES, Walker

SCENARIOS = ("explore", "take-cover")
SPLIT_SEEDS = {"train": (0, 1_000_000), "val": (1_000_000, 1_100_000), "test": (1_100_000, 1_200_000)}
EPISODE_FRAMES = (250, 501)
# So many frames of each stream are played in turn before they are handed out.
TURN_FRAMES = 16
# So many places may end their episode before its first frame.
STARTS = 20
# A walker that came no farther than STUCK_UNITS in STUCK_FRAMES is caught somewhere: the episode is cut. Its place is
# looked up every LOOK_FRAMES only.
STUCK_FRAMES, STUCK_UNITS, LOOK_FRAMES = 80, 48.0, 8


@COLLECTORS.register("doom")
class DoomCollector:
    """Walks through Freedoom with ViZDoom. Val and test have maps of their own, and other seeds.

    The reward is 1 for each enemy shot and 0.1 for each item in ``explore``, and 1 a tic in ``take-cover``. An
    episode ends (terminated) at the exit of a map or with the player's death, and is cut (truncated) after 250 to 500
    frames or when the walker is stuck.

    Options:
        scenario: ``"explore"`` (default) or ``"take-cover"``, the hall of fireballs of the World Models study. It is
            one map, so there the splits differ in their seeds only.
        episode_frames: cuts episodes after so many frames.
    """

    version = 3
    fps = 35 / TICS
    streams_per_rollout = 2
    licence = "ViZDoom (MIT, engine GPL-2.0) with pictures of Freedoom: BSD-3-Clause, contributors of Freedoom"

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check size, split and options without starting the game.

        Raises:
            PlaygroundError: a size that is not drawn, an unknown split or option.
        """
        check_world(
            "doom",
            size,
            split,
            options,
            sizes=tuple(VIEWS),
            splits=SPLIT_SEEDS,
            known_options=("scenario", EPISODE_OPTION),
        )
        self._scenario = str(options.get("scenario", "explore"))
        if self._scenario not in SCENARIOS:
            raise PlaygroundError(f"option 'scenario' must be explore or take-cover, got {self._scenario!r}")
        self._size, self._maps = size, split_maps(split)
        self._lengths, cut = episode_lengths(options, EPISODE_FRAMES)
        self.options: dict[str, Any] = {"scenario": self._scenario, **cut}
        self._seeds = SPLIT_SEEDS[split]
        self.seed_range = list(self._seeds)
        self.action_names = list(NAMES)
        self.captions = doom_captions()
        self.paraphrases = doom_paraphrases()

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Play ``streams`` games side by side; yields ``frames`` batches of uint8 (S, size, size, 3) and steps.

        Raises:
            PlaygroundError: ViZDoom is not installed or does not start.
        """
        with contextlib.ExitStack() as stack:
            players = []
            for index in range(streams):
                players.append(self._open(seed, first_stream + index))
                stack.callback(players[-1].close)
            pool = stack.enter_context(ThreadPoolExecutor(streams))
            frames_STHWC = np.empty((streams, TURN_FRAMES, self._size, self._size, 3), np.uint8)
            for start in range(0, frames, TURN_FRAMES):
                count = min(TURN_FRAMES, frames - start)
                rows = list(pool.map(_Player.play, players, frames_STHWC[:, :count]))
                for t in range(count):
                    actions, rewards, terminated, truncated, captions = zip(*(row[t] for row in rows), strict=True)
                    yield StepBatch(
                        frames_STHWC[:, t],
                        np.array(actions, np.int64),
                        np.array(rewards, np.float32),
                        np.array(terminated),
                        np.array(truncated),
                        np.array(captions, np.int32),
                    )

    def _open(self, seed: int, stream: int) -> _Player:
        rng = np.random.default_rng([seed, 13, stream, self._seeds[0]])
        # Neighbouring streams play different game files, so that a small dataset holds both.
        wad = list(GAMES)[(seed + stream + 1) % len(GAMES)]
        if self._scenario == "take-cover":
            return _CoverPlayer(rng, "freedoom2.wad", "take_cover.wad", [MAZE], self._seeds, self._lengths, self._size)
        scenario = "my_way_home.wad" if MAZE in self._maps[wad] else None
        return _Player(rng, wad, scenario, self._maps[wad], self._seeds, self._lengths, self._size)


class _Player:
    """One stream: a game of its own, its walker and its episodes, all from one generator."""

    def __init__(
        self,
        rng: np.random.Generator,
        wad: str,
        scenario: str | None,
        maps: list[str],
        seeds: tuple[int, int],
        lengths: tuple[int, int],
        size: int,
    ) -> None:
        try:
            from playground.data.worlds.doom_picture import FrameMaker
        except ImportError as error:
            raise PlaygroundError(
                f"collecting from doom needs the package numba ({error}); install it with: pip install numba"
            ) from error
        self._rng, self._maps, self._seeds, self._lengths, self._view = rng, maps, seeds, lengths, VIEWS[size]
        self._game = DoomGame(wad, scenario, int(rng.integers(*seeds)), self._view)
        self._maker = FrameMaker(self._game.palette, self._view.side, self._view.margin, size)
        self._walker = Walker(rng)
        self._ended = True

    def close(self) -> None:
        self._game.close()

    def play(self, frames_THWC: np.ndarray) -> list[tuple[int, float, bool, bool, int]]:
        """Fill frames, and take the step at each: action, reward, terminated, truncated, caption id."""
        return [self.step(frame_HWC) for frame_HWC in frames_THWC]

    def step(self, frame_HWC: np.ndarray) -> tuple[int, float, bool, bool, int]:
        """Write one frame and take a step at it: action, reward, terminated, truncated, caption id."""
        if self._ended:
            self._start()
        screen, depth, things = self._game.view()
        caption = self._caption(self._maker.draw(screen, frame_HWC), things)
        action = NAMES.index(self._choose(depth, things))
        reward, terminated = self._game.act(action)
        self._left -= 1
        truncated = not terminated and (self._left <= 0 or self._stuck())
        self._ended = terminated or truncated
        return action, reward, terminated, truncated, caption

    def _start(self) -> None:
        for _ in range(STARTS):
            self._map = self._maps[int(self._rng.integers(len(self._maps)))]
            if self._game.start(self._map, int(self._rng.integers(*self._seeds)), self._rng, self._anywhere()):
                break
        else:
            raise PlaygroundError(f"{STARTS} games of doom in a row ended before their first frame; use another --seed")
        self._walker.reset()
        self._left = int(self._rng.integers(*self._lengths))
        self._mark, self._since = self._game.position(), 0

    def _stuck(self) -> bool:
        self._since += 1
        if self._since % LOOK_FRAMES:
            return False
        place = self._game.position()
        if np.hypot(place[0] - self._mark[0], place[1] - self._mark[1]) > STUCK_UNITS:
            self._mark, self._since = place, 0
        return self._since >= STUCK_FRAMES

    def _anywhere(self) -> bool:
        return True

    def _choose(self, depth_HW: np.ndarray, things: list[Thing]) -> str:
        enemies = [thing for thing in things if thing.kind == "Monster"]
        target = max(enemies, key=lambda thing: thing.height, default=None)
        return self._walker.explore(depth_HW, None if target is None else target.place)

    def _caption(self, brightness: float, things: list[Thing]) -> int:
        return caption_id(self._map, brightness, [(thing.name, thing.kind, thing.height) for thing in things])


class _CoverPlayer(_Player):
    """A player of Take Cover: mortal, at the start of the hall."""

    def _anywhere(self) -> bool:
        return False

    def _stuck(self) -> bool:
        return False

    def _choose(self, depth_HW: np.ndarray, things: list[Thing]) -> str:
        return self._walker.dodge()

    def _caption(self, brightness: float, things: list[Thing]) -> int:
        return cover_caption_id([(thing.name, thing.kind, thing.height) for thing in things])
