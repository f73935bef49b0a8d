"""How long a world stays a world: long runs under random keys, compared with the band of real clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.evaluation import features
from playground.evaluation.metrics import luminance, motion, sharpness
from playground.evaluation.probes import keyed_actions
from playground.evaluation.rollouts import Clips, Progress, play, prefill

if TYPE_CHECKING:
    import torch

RUNS = 16
"""Runs of a world; a source of several plays half as many."""

STATISTICS = ("sharpness", "motion", "brightness", "contrast")
_TAIL = 16
_HOLD = 12
_STILL = 0.05


@dataclass(frozen=True)
class Survival:
    """What became of the runs.

    Attributes:
        times: frames played at each look, ascending.
        alive: bool ``(runs, looks)``, inside the band of real clips.
        reasons: what left the band at the last look (or ``frozen``), name to number of runs.
        used_features: whether the feature distance took part.
        real: share of every second real clip inside the band of the others; below 1 the band is too narrow.
    """

    times: np.ndarray
    alive: np.ndarray
    reasons: dict[str, int]
    used_features: bool
    real: float

    @property
    def share(self) -> float:
        """Share of runs inside the band at the end."""
        return float(self.alive[:, -1].mean())


@dataclass(frozen=True)
class Band:
    """Where real clips lie.

    Attributes:
        low: smallest statistics, widened by a quarter of their range; motion may be zero.
        high: largest ones, widened likewise.
        crowd: mean features of each real clip ``(n, D)``, or None without weights.
        reach: largest distance of a real clip to its nearest neighbour, widened by a quarter; 0 without weights.
        usual_motion: median motion of the real clips in grey levels; 0 when most of them stand still.
    """

    low: np.ndarray
    high: np.ndarray
    crowd: np.ndarray | None
    reach: float
    usual_motion: float

    @classmethod
    def of(cls, real_BTHWC: np.ndarray) -> Band:
        """The band of real clips ``(B, T, H, W, 3)`` uint8."""
        real = np.stack([clip_statistics(clip[-_TAIL:]) for clip in real_BTHWC])
        low, high = real.min(axis=0), real.max(axis=0)
        usual = float(np.median(real[:, STATISTICS.index("motion")]))
        low, high = low - (high - low) / 4, high + (high - low) / 4
        low[STATISTICS.index("motion")] = 0.0  # a real player may stand still
        if not features.available() or len(real_BTHWC) < 2:
            return cls(low, high, None, 0.0, usual)
        crowd = _clip_features(real_BTHWC[:, -_TAIL:])  # as many frames as are judged
        apart = _distances(crowd, crowd)
        np.fill_diagonal(apart, np.inf)
        return cls(low, high, crowd, 1.25 * float(apart.min(axis=1).max()), usual)

    def left_by(self, clips_BTHWC: np.ndarray) -> list[list[str]]:
        """What is outside the band in each clip; empty lists for clips that look real."""
        found = [np.stack([clip_statistics(clip) for clip in clips_BTHWC])]
        outside = (found[0] < self.low) | (found[0] > self.high)
        names = [[name for name, out in zip(STATISTICS, row, strict=True) if out] for row in outside]
        if self.crowd is not None:
            seen = _clip_features(clips_BTHWC)
            far = _distances(seen, self.crowd).min(axis=1) > self.reach
            names = [[*row, "features"] if out else row for row, out in zip(names, far, strict=True)]
        return names

    def still(self, clips_BTHWC: np.ndarray) -> np.ndarray:
        """Which clips stand still, bool ``(B,)``: no frame changes by more than a twentieth of what real clips do.

        Where most real clips stand still themselves, none counts.
        """
        most_B = np.array([motion(clip).max() for clip in clips_BTHWC])
        return most_B < _STILL * self.usual_motion


def clip_statistics(clip_THWC: np.ndarray) -> np.ndarray:
    """The four ``STATISTICS`` of a clip: plain numbers that a dissolving picture leaves first."""
    grey = luminance(clip_THWC)
    return np.array([sharpness(clip_THWC).mean(), motion(clip_THWC).mean(), grey.mean(), grey.std(axis=(1, 2)).mean()])


def survive(
    world: Any,
    prompts: Clips,
    real_BTHWC: np.ndarray,
    frames: int = 1000,
    runs: int = RUNS,
    every: int = 50,
    seed: int = 0,
    progress: Progress | None = None,
    text_BP: torch.Tensor | None = None,
    source: str = "",
) -> Survival:
    """Play all runs side by side under random keys and look at them every ``every`` frames.

    Keys are drawn at random and held for 12 frames. A run is alive when its newest 16 frames are inside the band: each
    of their ``STATISTICS`` between the smallest and the largest value of real clips, widened by a quarter of that
    range, and (with EfficientNet-Lite0 weights) their mean features no farther from the nearest real clip than a
    quarter more than the loneliest real clip is from its neighbour. A run that stood still since the last look while
    its keys changed is not alive either, until it moves again: a player may stand still, a world may not.

    Args:
        world: the world that plays.
        prompts: uint8 clips to start from, used in turn.
        real_BTHWC: uint8 real clips of at least 16 frames.
        frames: length of a run.
        runs: how many.
        every: frames between two looks.
        seed: of keys and noise.
        progress: called after every look.
        text_BP: embedded text of each prompt, for a world that takes texts; it holds through the whole run.
        source: whose keys are drawn, in a world that learned from several sources.
    """
    band = Band.of(real_BTHWC)
    codes = [int(action.code) for action in keyed_actions(world, source)] or list(range(world.dynamics.num_actions))
    rng = np.random.default_rng(seed)
    actions = rng.choice(codes, (runs, -(-frames // _HOLD))).repeat(_HOLD, axis=1)[:, :frames].astype(np.int64)
    length = min(len(prompt) for prompt in prompts)
    shown = np.stack([prompts[run % len(prompts)][-length:] for run in range(runs)])
    texts = None if text_BP is None else text_BP[[run % len(prompts) for run in range(runs)]]
    state = prefill(world, shown, None, [seed + run for run in range(runs)], texts)
    left: list[list[str]] = [[] for _ in range(runs)]
    times, alive, last = [], [], shown
    stood = np.zeros(runs, bool)
    for start in range(0, frames, every):  # only the tail is kept: a long run need not fit in memory
        keys = actions[:, start : start + every]
        noise = [seed + run + 7919 * (start + 1) for run in range(runs)]
        part = play(world, state, keys, noise, prompt_BP=texts)
        stood = band.still(np.concatenate([last[:, -1:], part], axis=1)) & (stood | (keys != keys[:, :1]).any(axis=1))
        last = np.concatenate([last, part], axis=1)[:, -_TAIL:]
        left = [[*names, "frozen"] if out else names for names, out in zip(band.left_by(last), stood, strict=True)]
        times.append(min(start + every, frames))
        alive.append([not names for names in left])
        if progress is not None:
            progress("survival", times[-1], frames)
    reasons = {name: sum(name in names for names in left) for name in (*STATISTICS, "features", "frozen")}
    unseen = Band.of(real_BTHWC[::2]).left_by(real_BTHWC[1::2, -_TAIL:]) if len(real_BTHWC) > 1 else [[]]
    inside = float(np.mean([not names for names in unseen]))
    return Survival(np.asarray(times), np.asarray(alive).T, reasons, band.crowd is not None, inside)


def join(parts: Sequence[Survival]) -> Survival:
    """Runs of several sources, looked at after the same frames, as one."""
    reasons = {name: sum(part.reasons[name] for part in parts) for name in parts[0].reasons}
    alive = np.concatenate([part.alive for part in parts])
    used = all(part.used_features for part in parts)
    return Survival(parts[0].times, alive, reasons, used, float(np.mean([part.real for part in parts])))


def _clip_features(clips_BTHWC: np.ndarray) -> np.ndarray:
    """Mean features of four frames spread over each clip, ``(B, D)``."""
    picks = np.linspace(0, clips_BTHWC.shape[1] - 1, 4).astype(int)
    chosen = clips_BTHWC[:, picks]
    found = features.frame_features(chosen.reshape(-1, *chosen.shape[2:]))
    return found.reshape(len(clips_BTHWC), len(picks), -1).mean(axis=1)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None] - 2.0 * a @ b.T
    return np.sqrt(np.maximum(squared, 0.0))
