"""What CoinRun and the other Procgen games share: options, splits by level, batched play and large pictures."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from PIL import Image

from playground.core.errors import PlaygroundError, suggest
from playground.data.worlds import StepBatch, option_bool

SPLIT_LEVELS = {"train": (0, 10000), "val": (10000, 11000), "test": (11000, 12000)}
NATIVE_SIZE, RENDER_SIZE = 64, 512
STREAMS = 16


class BatchPolicy(Protocol):
    """Draws the actions of S streams."""

    def act(self, frames_SHWC: np.ndarray) -> np.ndarray:
        """Return int (S,) actions for the 64 px frames in view."""
        ...


class ProcgenBatch:
    """Plays one Procgen game in many levels side by side; a collector names the game and gives a policy.

    Attributes:
        time_limit: an episode that ends without a reward after a multiple of so many frames ran out of time.
    """

    streams_per_rollout = STREAMS
    time_limit: int
    options: dict[str, Any]
    _source: str
    _game: str
    _caption: int
    # What tells the random numbers of a split from those of the others with the same seed.
    _split_seeds: tuple[int, ...] = ()

    def __init__(self, size: int, split: str, options: dict[str, Any], defaults: dict[str, Any]) -> None:
        """Check size, split and options without starting the simulator.

        Raises:
            PlaygroundError: a size that does not divide 512, an unknown split or option.
        """
        if size != NATIVE_SIZE and (size < 8 or RENDER_SIZE % size):
            raise PlaygroundError(f"{self._source} frames of {size} px are not available; use --size 64, 128 or 256")
        if split not in SPLIT_LEVELS:
            known = ", ".join(SPLIT_LEVELS)
            raise PlaygroundError(
                f"{self._source} has no split {split!r}.{suggest(split, SPLIT_LEVELS)} Known: {known}."
            )
        defaults = {**defaults, "difficulty": "hard", "backgrounds": True, "restrict_themes": False}
        # Drawing is the slow part of large frames only.
        defaults["threads"] = 0 if size == NATIVE_SIZE else min(os.cpu_count() or 1, STREAMS)
        for name in options:
            if name not in defaults:
                known = ", ".join(defaults)
                raise PlaygroundError(
                    f"{self._source} has no option {name!r}.{suggest(name, defaults)} Known: {known}."
                )
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
        with contextlib.closing(env), ThreadPoolExecutor(max(1, self._threads)) as pool:
            _, observation, _ = env.observe()
            for _ in range(frames):
                # The simulator reuses its buffers, and the batch is read after the next act().
                small_SHWC = observation["rgb"][skip:].copy()
                frames_SHWC = small_SHWC if self._size == NATIVE_SIZE else self._render(env, pool, skip)
                actions_S = policy.act(small_SHWC)
                all_actions[skip:] = actions_S
                env.act(all_actions)
                rewards, observation, first = env.observe()
                rewards_S, first_S = rewards[skip:].copy(), first[skip:]
                age_S += 1
                out_of_time_S = first_S & (age_S % self.time_limit == 0) & (rewards_S <= 0)
                age_S[first_S] = 0
                captions_S = np.full(streams, self._caption, np.int32)
                yield StepBatch(frames_SHWC, actions_S, rewards_S, first_S & ~out_of_time_S, out_of_time_S, captions_S)

    def _policy(self, seed: int, first_stream: int, streams: int, frames: int) -> BatchPolicy:
        raise NotImplementedError

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
        factor = RENDER_SIZE // self._size
        pictures = [info["rgb"] for info in env.get_info()[skip:]]
        return np.stack(list(pool.map(lambda picture: np.asarray(Image.fromarray(picture).reduce(factor)), pictures)))
