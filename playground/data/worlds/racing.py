"""CarRacing from Gymnasium as a source of data: named colours, exact captions, a driver that mostly keeps the road.

Only the simulation is Gymnasium's; ``racing_picture`` draws it, square, without the bar of instruments, and only the
frames that are kept.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.worlds import EPISODE_OPTION, StepBatch, check_world, episode_lengths
from playground.data.worlds.racing_captions import COLOURS, JITTER, colour_pairs, racing_captions, racing_paraphrases
from playground.data.worlds.racing_driver import ACTIONS, CONTROLS, Driver

SIZES = (64, 128, 256)
SPLIT_TRACKS = {"train": (0, 100_000), "val": (100_000, 110_000), "test": (110_000, 120_000)}
# The simulator runs at 50 steps a second; an action is held for three of them.
REPEAT = 3
EPISODE_FRAMES = (300, 501)
# Steps with some gas before the first frame: the car drops onto the road and begins to roll.
WARM_UP = 25
# A car that is off the road for so long will not come back.
LOST_FRAMES = 30


@COLLECTORS.register("racing")
class RacingCollector:
    """Drives CarRacing (MIT code, no assets) with a new track and new colours in every episode.

    The reward is that of the simulator. An episode ends (terminated) after a lap or when the car leaves the simulator's
    field (reward -100), and is cut (truncated) after 300 to 500 frames (or ``episode_frames``, the only option) or when
    the car is lost.
    """

    version = 2
    fps = 50 / REPEAT
    streams_per_rollout = 1
    licence = "CarRacing of Gymnasium: MIT (Farama Foundation, OpenAI); drawn by this project's own code, no assets"

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check size, split and options without starting the simulator.

        Raises:
            PlaygroundError: a size that is not drawn, an unknown split or option.
        """
        check_world("racing", size, split, options, sizes=SIZES, splits=SPLIT_TRACKS, known_options=(EPISODE_OPTION,))
        self._lengths, self.options = episode_lengths(options, EPISODE_FRAMES)
        self._size = size
        self._seeds = SPLIT_TRACKS[split]
        self.seed_range = list(self._seeds)
        self.action_names = list(ACTIONS)
        self.captions = racing_captions()
        self.paraphrases = racing_paraphrases()

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Drive ``streams`` cars side by side; yields ``frames`` batches of uint8 (S, size, size, 3) and steps.

        Raises:
            PlaygroundError: the simulator is not installed.
        """
        environment = _environment_class()
        players = [
            _Player(environment, self._seeds, self._lengths, seed, first_stream + index) for index in range(streams)
        ]
        frames_SHWC = np.empty((streams, self._size, self._size, 3), np.uint8)
        actions_S, rewards_S = np.zeros(streams, np.int64), np.zeros(streams, np.float32)
        captions_S = np.zeros(streams, np.int32)
        try:
            for _ in range(frames):
                terminated_S, truncated_S = np.zeros(streams, bool), np.zeros(streams, bool)
                for row, player in enumerate(players):
                    player.draw(frames_SHWC[row])
                    captions_S[row] = player.caption
                    actions_S[row], rewards_S[row], terminated_S[row], truncated_S[row] = player.step()
                yield StepBatch(
                    frames_SHWC, actions_S.copy(), rewards_S.copy(), terminated_S, truncated_S, captions_S.copy()
                )
        finally:
            for player in players:
                player.close()


def _environment_class() -> Any:
    """The simulator without its own drawing, which takes most of its time."""
    try:
        # The library behind it greets on stdout when it is imported.
        with contextlib.redirect_stdout(io.StringIO()):
            from gymnasium.envs.box2d.car_racing import CarRacing
    except Exception as error:
        raise PlaygroundError(
            f"collecting from racing needs the package gymnasium with box2d ({error}); "
            'install it with: pip install "gymnasium[box2d]"'
        ) from error

    class UndrawnCarRacing(CarRacing):  # type: ignore[misc]
        def _render(self, mode: str) -> None:
            return None

    return UndrawnCarRacing


class _Player:
    """One stream: a simulator of its own, its driver and its episodes, all from (seed, stream)."""

    _driver: Driver
    _frame: int
    _lost: int

    def __init__(
        self, environment: Any, seed_range: tuple[int, int], lengths: tuple[int, int], seed: int, stream: int
    ) -> None:
        self._rng = np.random.default_rng([seed, 9, stream, seed_range[0]])
        self._env, self._seed_range, self._lengths = environment(continuous=True), seed_range, lengths
        self._pairs = colour_pairs()
        self._start()

    def close(self) -> None:
        self._env.close()

    @property
    def caption(self) -> int:
        """Colours, and whether any wheel is on the road now."""
        return 2 * self._pair + int(not self._on_road())

    def draw(self, out_HWC: np.ndarray) -> None:
        """Draw the car from above."""
        self._picture.draw(self._env.car, out_HWC)

    def step(self) -> tuple[int, float, bool, bool]:
        """Choose an action and hold it; returns it with reward, terminated and truncated."""
        action = self._driver.act(self._env.car, self._on_road())
        reward, terminated = self._hold(CONTROLS[action], REPEAT)
        self._frame += 1
        self._lost = 0 if self._on_road() else self._lost + 1
        truncated = not terminated and (self._frame >= self._length or self._lost >= LOST_FRAMES)
        if terminated or truncated:
            self._start()
        return action, reward, terminated, truncated

    def _hold(self, control: tuple[float, float, float], steps: int) -> tuple[float, bool]:
        reward = 0.0
        for _ in range(steps):
            _, gained, terminated, _, _ = self._env.step(np.array(control))
            reward += float(gained)
            if terminated:
                return reward, True
        return reward, False

    def _on_road(self) -> bool:
        return any(len(wheel.tiles) > 0 for wheel in self._env.car.wheels)

    def _start(self) -> None:
        from playground.data.worlds.racing_picture import RacingPicture

        rng, env = self._rng, self._env
        self._pair = int(rng.integers(len(self._pairs)))
        road, grass = (
            np.array(COLOURS[name]) + rng.integers(-JITTER, JITTER + 1, 3) for name in self._pairs[self._pair]
        )
        env.road_color, env.bg_color, env.grass_color = road.astype(float), grass, grass
        env.reset(seed=int(rng.integers(*self._seed_range)))
        self._length = int(rng.integers(*self._lengths))
        self._frame = self._lost = 0
        self._driver = Driver(rng, np.array([(x, y) for _, _, x, y in env.track]))
        self._picture = RacingPicture(env.road_poly, grass)
        self._hold((0.0, 0.35, 0.0), WARM_UP)
