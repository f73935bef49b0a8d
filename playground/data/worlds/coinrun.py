"""CoinRun from Procgen: endless platform levels, the world of the Genie case study.

The play is a mixture made for learning what each key does: mostly running right with jumps, a good share of left,
right, jumping and standing still, and some uniform noise. Frames where nothing moves teach little, so a player that
is stuck jumps or draws again.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from playground.core.errors import PlaygroundError, suggest
from playground.core.registry import COLLECTORS
from playground.data.worlds import StepBatch, option_bool

ACTION_NAMES = ["left-down", "left", "left-up", "down", "noop", "up", "right-down", "right", "right-up"]
NOOP, LEFT_UP, RIGHT_UP = (ACTION_NAMES.index(name) for name in ("noop", "left-up", "right-up"))
SPLIT_LEVELS = {"train": (0, 10000), "val": (10000, 11000), "test": (11000, 12000)}
TIME_LIMIT = 1000
NATIVE_SIZE, RENDER_SIZE = 64, 512

# Kinds of play, drawn anew every KIND_FRAMES frames of a stream so that even a small dataset holds all of them.
KIND_SHARES = (0.35, 0.20, 0.10, 0.35)
KIND_FRAMES = 192
RUNNER, WANDERER, UNIFORM, COMMUTER = range(4)
# Order: left-down, left, left-up, down, noop, up, right-down, right, right-up.
RUNNER_CHANCES = (0.0, 0.06, 0.06, 0.0, 0.06, 0.08, 0.02, 0.42, 0.30)
WANDERER_CHANCES = (0.02, 0.25, 0.14, 0.02, 0.09, 0.07, 0.02, 0.25, 0.14)
RUNNER_REDRAW = 0.15
# A commuter runs one way for a while and then back, so that going left is seen in the open and not only against the
# wall at the start of a level. Walk, jump that way, stand.
COMMUTER_CHANCES = (0.62, 0.30, 0.08)
COMMUTER_ACTIONS = {"right": ("right", "right-up", "noop"), "left": ("left", "left-up", "noop")}
COMMUTER_LEGS = {"right": (15, 40), "left": (10, 30)}
CAPTIONS = {
    "hard": "a platform game, hard level: run, jump and reach the coin",
    "easy": "a platform game, easy level: run, jump and reach the coin",
}
PARAPHRASES = {
    "hard": [
        "a side-scrolling jump and run game with a difficult level",
        "a hard platformer where a small hero jumps over gaps and saws to a coin",
        "running and jumping through a tricky level full of monsters",
        "a challenging 2d platform world with crates, enemies and a gold coin",
    ],
    "easy": [
        "a side-scrolling jump and run game with an easy level",
        "a simple platformer where a small hero jumps over gaps to a coin",
        "running and jumping through a gentle level in one plain style",
        "an easy 2d platform world with crates, enemies and a gold coin",
    ],
}
STILL_FRAMES = 3
STILL_DIFFERENCE = 0.5


@COLLECTORS.register("coinrun")
class CoinrunCollector:
    """Plays CoinRun (MIT code, CC0 / CC-BY / OGA-BY art) through the Procgen package.

    Options:
        difficulty: ``"hard"`` (all themes and backdrops) or ``"easy"`` (one theme, one backdrop).
        backgrounds: draw the backdrop (default true).
        restrict_themes: one theme for player and walls (default false).
        threads: threads that draw, 0 for none; does not change the frames. Default: 0 at 64 px, where the simulator
            is not the slow part, otherwise one a core.
    """

    version = 2
    fps = 15.0
    streams_per_rollout = 16
    licence = (
        "Procgen CoinRun: code MIT (OpenAI); art CC0, CC-BY 3.0/4.0 and OGA-BY 3.0, "
        "authors listed in procgen's ASSET_LICENSES.md"
    )

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check size, split and options without starting the simulator.

        Raises:
            PlaygroundError: a size that does not divide 512, an unknown split or option.
        """
        if size != NATIVE_SIZE and (size < 8 or RENDER_SIZE % size):
            raise PlaygroundError(f"coinrun frames of {size} px are not available; use --size 64, 128 or 256")
        if split not in SPLIT_LEVELS:
            known = ", ".join(SPLIT_LEVELS)
            raise PlaygroundError(f"coinrun has no split {split!r}.{suggest(split, SPLIT_LEVELS)} Known: {known}.")
        defaults: dict[str, Any] = {"difficulty": "hard", "backgrounds": True, "restrict_themes": False}
        defaults["threads"] = 0 if size == NATIVE_SIZE else min(os.cpu_count() or 1, self.streams_per_rollout)
        for name in options:
            if name not in defaults:
                known = ", ".join(defaults)
                raise PlaygroundError(f"coinrun has no option {name!r}.{suggest(name, defaults)} Known: {known}.")
        chosen = {**defaults, **options}
        if chosen["difficulty"] not in ("easy", "hard"):
            raise PlaygroundError(f"option 'difficulty' must be easy or hard, got {chosen['difficulty']!r}")
        threads = str(chosen.pop("threads"))
        if not threads.isdecimal() or int(threads) > 64:
            raise PlaygroundError(f"option 'threads' must be 0..64, got {threads!r}")
        self._threads = int(threads)
        self._size = size
        self.options = {
            "difficulty": chosen["difficulty"],
            "backgrounds": option_bool("backgrounds", chosen["backgrounds"]),
            "restrict_themes": option_bool("restrict_themes", chosen["restrict_themes"]),
        }
        self.seed_range = list(SPLIT_LEVELS[split])
        self.action_names = list(ACTION_NAMES)
        # One table for both difficulties, so that one set of embeddings serves every option.
        self.captions = list(CAPTIONS.values())
        self.paraphrases = [list(PARAPHRASES[name]) for name in CAPTIONS]
        self._caption = list(CAPTIONS).index(self.options["difficulty"])

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Play ``streams`` levels side by side; yields ``frames`` batches of uint8 (S, size, size, 3) and steps.

        Raises:
            PlaygroundError: the simulator is not installed.
        """
        env = self._open(seed, first_stream, streams)
        policy = _MixedPolicy(seed, first_stream, streams, frames)
        age_S = np.zeros(streams, np.int64)
        with contextlib.closing(env), ThreadPoolExecutor(max(1, self._threads)) as pool:
            _, observation, _ = env.observe()
            for _ in range(frames):
                # The simulator reuses its buffers, and the batch is read after the next act().
                small_SHWC = observation["rgb"].copy()
                frames_SHWC = small_SHWC if self._size == NATIVE_SIZE else self._render(env, pool)
                actions_S = policy.act(small_SHWC)
                env.act(actions_S.astype(np.int32))
                rewards_S, observation, first_S = env.observe()
                age_S += 1
                out_of_time_S = first_S & (age_S >= TIME_LIMIT) & (rewards_S <= 0)
                age_S[first_S] = 0
                yield StepBatch(
                    frames_SHWC,
                    actions_S,
                    rewards_S.copy(),
                    first_S & ~out_of_time_S,
                    out_of_time_S,
                    np.full(streams, self._caption, np.int32),
                )

    def _open(self, seed: int, first_stream: int, streams: int) -> Any:
        try:
            # The package imports an old library that prints a notice on stderr; it is of no use to the person.
            with contextlib.redirect_stderr(io.StringIO()):
                from procgen import ProcgenGym3Env
        except ImportError as error:
            raise PlaygroundError(
                f"collecting from coinrun needs the package procgen-mirror ({error}); "
                "install it with: pip install procgen-mirror"
            ) from error
        return ProcgenGym3Env(
            num=streams,
            env_name="coinrun",
            distribution_mode=self.options["difficulty"],
            use_backgrounds=self.options["backgrounds"],
            restrict_themes=self.options["restrict_themes"],
            start_level=self.seed_range[0],
            num_levels=self.seed_range[1] - self.seed_range[0],
            num_threads=self._threads,
            rand_seed=int(np.random.SeedSequence([seed, first_stream]).generate_state(1)[0] >> 1),
            render_mode=None if self._size == NATIVE_SIZE else "rgb_array",
        )

    def _render(self, env: Any, pool: ThreadPoolExecutor) -> np.ndarray:
        factor = RENDER_SIZE // self._size
        pictures = [info["rgb"] for info in env.get_info()]
        return np.stack(list(pool.map(lambda picture: np.asarray(Image.fromarray(picture).reduce(factor)), pictures)))


class _MixedPolicy:
    """Draws the actions of S streams; stream k of a seed plays the same whatever is beside it."""

    def __init__(self, seed: int, first_stream: int, streams: int, frames: int) -> None:
        generators = [np.random.default_rng([seed, 1, first_stream + index]) for index in range(streams)]
        blocks = frames // KIND_FRAMES + 2
        self._kinds_SK = np.stack([rng.choice(len(KIND_SHARES), blocks, p=KIND_SHARES) for rng in generators])
        self._phase_S = np.array([rng.integers(KIND_FRAMES) for rng in generators])
        self._chance_TS = np.stack([rng.random(frames, np.float32) for rng in generators], 1)
        self._runner_TS = np.stack([rng.choice(9, frames, p=RUNNER_CHANCES) for rng in generators], 1)
        self._wanderer_TS = np.stack([rng.choice(9, frames, p=WANDERER_CHANCES) for rng in generators], 1)
        self._uniform_TS = np.stack([rng.integers(0, 9, frames) for rng in generators], 1)
        self._long_hold_TS = np.stack([rng.integers(4, 13, frames) for rng in generators], 1)
        self._short_hold_TS = np.stack([rng.integers(2, 9, frames) for rng in generators], 1)
        self._commuter_TS = np.stack([_commute(rng, frames) for rng in generators], 1)
        self._heads_left_TS = np.isin(self._commuter_TS, [ACTION_NAMES.index("left"), ACTION_NAMES.index("left-up")])
        self._rows = np.arange(streams)
        self._actions_S = np.full(streams, NOOP)
        self._hold_S = np.zeros(streams, np.int64)
        self._still_S = np.zeros(streams, np.int64)
        self._before: np.ndarray | None = None
        self._t = 0

    def act(self, frames_SHWC: np.ndarray) -> np.ndarray:
        """Return int (S,) actions for the frames in view."""
        t, position_S = self._t, self._t + self._phase_S
        kind_S = self._kinds_SK[self._rows, position_S // KIND_FRAMES]
        self._hold_S[position_S % KIND_FRAMES == 0] = 0
        stuck_S = self._count_still(frames_SHWC) >= STILL_FRAMES
        runner_S = kind_S == RUNNER
        # A runner keeps its action until a coin falls; the others count down the frames of the current hold.
        redraw_S = np.where(runner_S, self._chance_TS[t] < RUNNER_REDRAW, (self._hold_S <= 0) | stuck_S)
        drawn_S = np.select(
            [runner_S, kind_S == WANDERER], [self._runner_TS[t], self._wanderer_TS[t]], self._uniform_TS[t]
        )
        hold_S = np.where(kind_S == WANDERER, self._long_hold_TS[t], self._short_hold_TS[t])
        self._hold_S = np.where(redraw_S, hold_S, self._hold_S) - 1
        self._actions_S = np.where(redraw_S, drawn_S, self._actions_S)
        self._actions_S = np.where(kind_S == COMMUTER, self._commuter_TS[t], self._actions_S)
        jump_S = np.where((kind_S == COMMUTER) & self._heads_left_TS[t], LEFT_UP, RIGHT_UP)
        self._actions_S = np.where(stuck_S & (runner_S | (kind_S == COMMUTER)), jump_S, self._actions_S)
        self._still_S[stuck_S] = 0
        self._t += 1
        return self._actions_S

    def _count_still(self, frames_SHWC: np.ndarray) -> np.ndarray:
        view = frames_SHWC[:, ::2, ::2].astype(np.int16)
        if self._before is not None:
            moved_S = np.abs(view - self._before).mean((1, 2, 3)) > STILL_DIFFERENCE
            self._still_S = np.where(moved_S, 0, self._still_S + 1)
        self._before = view
        return self._still_S


def _commute(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Actions (frames,) of a player who runs right and left in turn, each action held for 3 to 8 frames."""
    actions: list[int] = []
    way = "right" if rng.random() < 0.5 else "left"
    while len(actions) < frames:
        leg = len(actions) + int(rng.integers(*COMMUTER_LEGS[way]))
        while len(actions) < leg:
            name = COMMUTER_ACTIONS[way][int(rng.choice(3, p=COMMUTER_CHANCES))]
            actions += [ACTION_NAMES.index(name)] * int(rng.integers(3, 9))
        way = "left" if way == "right" else "right"
    return np.array(actions[:frames])
