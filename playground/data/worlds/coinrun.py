"""CoinRun from Procgen: endless platform levels, the world of the Genie case study.

The play is a mixture made for learning what each key does: mostly running right with jumps, a good share of left,
right, jumping and standing still, and some uniform noise. Frames where nothing moves teach little, so a player that
is stuck jumps or draws again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from playground.core.registry import COLLECTORS
from playground.data.worlds.coinrun_captions import caption_ids, coinrun_captions, coinrun_paraphrases
from playground.data.worlds.procgen_batch import SPLIT_LEVELS, BatchPolicy, ProcgenBatch
from playground.data.worlds.procgen_state import StateReader
from playground.data.worlds.procgen_tracking import CaptionTrack, ViewCaptions

__all__ = ["ACTION_NAMES", "SPLIT_LEVELS", "CoinrunCollector"]

ACTION_NAMES = ["left-down", "left", "left-up", "down", "noop", "up", "right-down", "right", "right-up"]
NOOP, LEFT_UP, RIGHT_UP = (ACTION_NAMES.index(name) for name in ("noop", "left-up", "right-up"))

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
STILL_FRAMES = 3
STILL_DIFFERENCE = 0.5
# Frames between two readings of a game's state. One costs as much as a 64 px frame, and nothing beside a larger one.
READING_PERIOD = {64: 10}


@COLLECTORS.register("coinrun")
class CoinrunCollector(ProcgenBatch):
    """Plays CoinRun (MIT code, CC0 / CC-BY / OGA-BY art) through the Procgen package.

    A caption names the ground, the backdrop and, while it is in view, the coin, lava, a monster or a saw. From 128 px
    on the game is asked at every frame; at 64 px at every tenth, and the way between two answers is worked out, which
    is wrong in one or two of a hundred frames.

    With one seed, all splits draw the same random numbers for their keys, in levels of their own: give val and test
    other seeds than train where that matters. It stays so because a seed keeps its frames from release to release.

    Options:
        difficulty: ``"hard"`` (all themes and backdrops) or ``"easy"`` (one theme, one backdrop).
        backgrounds: draw the backdrop (default true).
        restrict_themes: one theme for player and walls (default false).
        threads: threads that draw, 0 for none; does not change the frames. Default: 0 at 64 px, where the simulator
            is not the slow part, otherwise one a core.
    """

    version = 2
    fps = 15.0
    time_limit = 1000
    _source = _game = "coinrun"
    licence = (
        "Procgen CoinRun: code MIT (OpenAI); art CC0, CC-BY 3.0/4.0 and OGA-BY 3.0, "
        "authors listed in procgen's ASSET_LICENSES.md"
    )

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check size, split and options without starting the simulator.

        Raises:
            PlaygroundError: a size that is not drawn, an unknown split or option.
        """
        super().__init__(size, split, options, defaults={})
        self.action_names = list(ACTION_NAMES)
        # One table for both difficulties, so that one set of embeddings serves every option.
        self.captions = coinrun_captions()
        self.paraphrases = coinrun_paraphrases()

    def _policy(self, seed: int, first_stream: int, streams: int, frames: int) -> BatchPolicy:
        return _MixedPolicy(seed, first_stream, streams, frames)

    def _track(self, reader: StateReader, skip: int, streams: int) -> CaptionTrack:
        return ViewCaptions(reader, skip, streams, READING_PERIOD.get(self._size, 1), caption_ids)


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
        # As one item a pixel: copying every second one of three separate bytes takes twice as long.
        view_SV = np.ascontiguousarray(frames_SHWC.view("V3")[:, ::2, ::2]).view(np.uint8).reshape(len(frames_SHWC), -1)
        if self._before is not None:
            difference_SV = np.maximum(view_SV, self._before) - np.minimum(view_SV, self._before)
            moved_S = difference_SV.sum(1, dtype=np.int64) > STILL_DIFFERENCE * view_SV.shape[1]
            self._still_S = np.where(moved_S, 0, self._still_S + 1)
        self._before = view_SV
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
