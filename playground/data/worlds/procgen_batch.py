"""What CoinRun and the other Procgen games share: options, splits by level, batched play and large pictures."""

from __future__ import annotations

import contextlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.worlds import StepBatch, check_world, option_bool
from playground.data.worlds.procgen_state import StateReader
from playground.data.worlds.procgen_tracking import CaptionTrack

SPLIT_LEVELS = {"train": (0, 10000), "val": (10000, 11000), "test": (11000, 12000)}
SIZES = (64, 128, 256)
NATIVE_SIZE, RENDER_SIZE = 64, 512
STREAMS = 16


class BatchPolicy(Protocol):
    """Draws the actions of S streams."""

    def act(self, frames_SHWC: np.ndarray) -> np.ndarray:
        """Return int (S,) actions for the 64 px frames in view."""
        ...


class ProcgenBatch(ABC):
    """Plays one Procgen game in many levels side by side; a collector names the game and gives a policy.

    Attributes:
        time_limit: an episode that ends without a reward after a multiple of so many frames ran out of time.
    """

    streams_per_rollout = STREAMS
    time_limit: int
    options: dict[str, Any]
    _source: str
    _game: str
    # What tells the random numbers of a split from those of the others with the same seed.
    _split_seeds: tuple[int, ...] = ()

    def __init__(self, size: int, split: str, options: dict[str, Any], defaults: dict[str, Any]) -> None:
        """Check size, split and options without starting the simulator.

        Raises:
            PlaygroundError: a size that is not drawn, an unknown split or option.
        """
        defaults = {**defaults, "difficulty": "hard", "backgrounds": True, "restrict_themes": False}
        # Drawing is the slow part of large frames only.
        defaults["threads"] = 0 if size == NATIVE_SIZE else min(os.cpu_count() or 1, STREAMS)
        check_world(self._source, size, split, options, sizes=SIZES, splits=SPLIT_LEVELS, known_options=defaults)
        chosen = {**defaults, **options}
        if chosen["difficulty"] not in ("easy", "hard"):
            raise PlaygroundError(f"option 'difficulty' must be easy or hard, got {chosen['difficulty']!r}")
        threads = str(chosen.pop("threads"))
        if not threads.isdecimal() or int(threads) > 64:
            raise PlaygroundError(f"option 'threads' must be 0..64, got {threads!r}")
        self._threads = int(threads)
        self._size = size
        for name in ("backgrounds", "restrict_themes"):
            chosen[name] = option_bool(name, chosen[name])
        self.options = chosen
        self.seed_range = list(SPLIT_LEVELS[split])

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Play ``streams`` levels side by side; yields ``frames`` batches of uint8 (S, size, size, 3) and steps.

        Raises:
            PlaygroundError: the simulator is not installed.
        """
        # The simulator seeds its levels in the order of the batch: a rollout that begins inside a group of
        # STREAMS plays the ones before it too, so that a stream is the same in every grouping.
        skip = first_stream % STREAMS
        env = self._open(seed, first_stream - skip, skip + streams)
        policy = self._policy(seed, first_stream, streams, frames)
        age_S = np.zeros(streams, np.int64)
        all_actions = np.full(skip + streams, 4, np.int32)
        waiting: list[StepBatch] = []
        with contextlib.closing(env), ThreadPoolExecutor(max(1, self._threads)) as pool:
            _, observation, _ = env.observe()
            track = self._track(StateReader(env), skip, streams)
            for t in range(frames):
                # The simulator reuses its buffers, and the batch is read after the next act().
                small_SHWC = observation["rgb"][skip:].copy()
                frames_SHWC = small_SHWC if self._size == NATIVE_SIZE else self._render(env, pool, skip)
                actions_S = policy.act(small_SHWC)
                all_actions[skip:] = actions_S
                env.act(all_actions)
                rewards, observation, first = env.observe()
                rewards_S, first_S = rewards[skip:].copy(), first[skip:].copy()
                age_S += 1
                out_of_time_S = first_S & (age_S % self.time_limit == 0) & (rewards_S <= 0)
                age_S[first_S] = 0
                unknown_S = np.full(streams, -1, np.int32)
                waiting.append(
                    StepBatch(frames_SHWC, actions_S, rewards_S, first_S & ~out_of_time_S, out_of_time_S, unknown_S)
                )
                captions_FS = track.step(first_S, t == frames - 1)
                if captions_FS is not None:
                    for batch, captions_S in zip(waiting, captions_FS, strict=True):
                        yield replace(batch, captions_S=captions_S)
                    waiting.clear()

    @abstractmethod
    def _track(self, reader: StateReader, skip: int, streams: int) -> CaptionTrack:
        """What tells the captions of the streams behind the first ``skip``."""

    @abstractmethod
    def _policy(self, seed: int, first_stream: int, streams: int, frames: int) -> BatchPolicy:
        """What chooses the actions of a rollout."""

    def _open(self, seed: int, first_stream: int, streams: int) -> Any:
        try:
            # The package imports an old library that prints a notice on stderr; it is of no use to the person.
            with contextlib.redirect_stderr(io.StringIO()):
                from procgen import ProcgenGym3Env
        except ImportError as error:
            raise PlaygroundError(
                f"collecting from {self._source} needs the package procgen-mirror ({error}); "
                "install it with: pip install procgen-mirror"
            ) from error
        return ProcgenGym3Env(
            num=streams,
            env_name=self._game,
            distribution_mode=self.options["difficulty"],
            use_backgrounds=self.options["backgrounds"],
            restrict_themes=self.options["restrict_themes"],
            start_level=self.seed_range[0],
            num_levels=self.seed_range[1] - self.seed_range[0],
            num_threads=self._threads,
            rand_seed=int(np.random.SeedSequence([seed, first_stream, *self._split_seeds]).generate_state(1)[0] >> 1),
            render_mode=None if self._size == NATIVE_SIZE else "rgb_array",
        )

    def _render(self, env: Any, pool: ThreadPoolExecutor, skip: int) -> np.ndarray:
        # get_info() would draw every large picture a second time; observe() has just put them into these buffers.
        pictures = env._info["rgb"][skip:]
        small_SHWC = np.empty((len(pictures), self._size, self._size, 3), np.uint8)
        list(pool.map(_shrink, pictures, small_SHWC))
        return small_SHWC


def _shrink(picture_HWC: np.ndarray, out_HWC: np.ndarray) -> None:
    """Average blocks of pixels, rounded to the nearest; sums of up to 256 pixels fit into 16 bits."""
    size = len(out_HWC)
    factor = len(picture_HWC) // size
    rows = picture_HWC.reshape(size, factor, -1)
    sums = rows[:, 0].astype(np.uint16)
    for row in range(1, factor):
        sums += rows[:, row]
    columns = sums.reshape(size * size, factor, 3)
    # One colour at a time, because the last axis is too short to be worked through quickly.
    for colour in range(3):
        total = columns[:, 0, colour] + (factor * factor) // 2
        for column in range(1, factor):
            total += columns[:, column, colour]
        total //= factor * factor
        out_HWC[..., colour] = total.reshape(size, size)
