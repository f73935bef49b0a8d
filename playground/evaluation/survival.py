"""How long a world stays a world: long runs under random keys, compared with the band of real clips.

Legend: B clips, T frames, F frames of several clips, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.evaluation import features, frechet
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
        real: share of every second real clip inside the band of the others; below 1 the band is too narrow.
        late_FD: features of four frames of every run at every look, or None without weights.
        real_BTD: features of four frames of every real clip, or None without weights.
    """

    times: np.ndarray
    alive: np.ndarray
    reasons: dict[str, int]
    real: float
    late_FD: np.ndarray | None = None
    real_BTD: np.ndarray | None = None

    @property
    def share(self) -> float:
        """Share of runs inside the band at the end."""
        return float(self.alive[:, -1].mean())

    @property
    def used_features(self) -> bool:
        """Whether the feature distance took part."""
        return self.late_FD is not None


@dataclass(frozen=True)
class Band:
    """Where real clips lie.

    Attributes:
        low: smallest statistics, widened by a quarter of their range; motion may be zero.
        high: largest ones, widened likewise.
        crowd_BTD: features of four frames of each real clip, or None without weights.
        reach: largest distance of a real clip to its nearest neighbour, widened by a quarter; 0 without weights.
        usual_motion: median motion of the real clips in grey levels; 0 when most of them stand still.
    """

    low: np.ndarray
    high: np.ndarray
    crowd_BTD: np.ndarray | None
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
        crowd_BTD = _some_features(real_BTHWC[:, -_TAIL:])  # as many frames as are judged
        apart = _distances(crowd_BTD, crowd_BTD)
        np.fill_diagonal(apart, np.inf)
        return cls(low, high, crowd_BTD, 1.25 * float(apart.min(axis=1).max()), usual)

    def seen(self, clips_BTHWC: np.ndarray) -> np.ndarray | None:
        """Features ``(B, 4, D)`` of frames spread over each clip, or None without weights."""
        return None if self.crowd_BTD is None else _some_features(clips_BTHWC)

    def left_by(self, clips_BTHWC: np.ndarray, seen_BTD: np.ndarray | None) -> list[list[str]]:
        """What is outside the band in each clip, whose :meth:`seen` is given; empty lists for clips that look real."""
        found = [np.stack([clip_statistics(clip) for clip in clips_BTHWC])]
        outside = (found[0] < self.low) | (found[0] > self.high)
        names = [[name for name, out in zip(STATISTICS, row, strict=True) if out] for row in outside]
        if self.crowd_BTD is not None and seen_BTD is not None:
            far = _distances(seen_BTD, self.crowd_BTD).min(axis=1) > self.reach
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
    actions = _random_keys(world, source, (runs, frames), seed)
    length = min(len(prompt) for prompt in prompts)
    shown = np.stack([prompts[run % len(prompts)][-length:] for run in range(runs)])
    texts = None if text_BP is None else text_BP[[run % len(prompts) for run in range(runs)]]
    state = prefill(world, shown, None, [seed + run for run in range(runs)], texts)
    left: list[list[str]] = [[] for _ in range(runs)]
    times, alive, late, last = [], [], [], shown
    stood = np.zeros(runs, bool)
    for start in range(0, frames, every):  # only the tail is kept: a long run need not fit in memory
        keys = actions[:, start : start + every]
        noise = [seed + run + 7919 * (start + 1) for run in range(runs)]
        part = play(world, state, keys, noise, prompt_BP=texts)
        stood = band.still(np.concatenate([last[:, -1:], part], axis=1)) & (stood | (keys != keys[:, :1]).any(axis=1))
        last = np.concatenate([last, part], axis=1)[:, -_TAIL:]
        seen_BTD = band.seen(last)
        outside = band.left_by(last, seen_BTD)
        left = [[*names, "frozen"] if out else names for names, out in zip(outside, stood, strict=True)]
        late += [] if seen_BTD is None else [*seen_BTD]
        times.append(min(start + every, frames))
        alive.append([not names for names in left])
        if progress is not None:
            progress("survival", times[-1], frames)
    reasons = {name: sum(name in names for names in left) for name in (*STATISTICS, "features", "frozen")}
    inside = _real_inside(real_BTHWC[:, -_TAIL:])
    late_FD = np.concatenate(late) if late else None
    return Survival(np.asarray(times), np.asarray(alive).T, reasons, inside, late_FD, band.crowd_BTD)


def join(parts: Sequence[Survival]) -> Survival:
    """Runs of several sources, looked at after the same frames, as one."""
    reasons = {name: sum(part.reasons[name] for part in parts) for name in parts[0].reasons}
    alive = np.concatenate([part.alive for part in parts])
    late = [part.late_FD for part in parts if part.late_FD is not None]
    real = [part.real_BTD for part in parts if part.real_BTD is not None]
    told = len(late) == len(real) == len(parts)
    return Survival(
        parts[0].times,
        alive,
        reasons,
        float(np.mean([part.real for part in parts])),
        np.concatenate(late) if told else None,
        np.concatenate(real) if told else None,
    )


def late_frechet(lasted: Survival, suffix: str = "") -> dict[str, float]:
    """``frechet_late``: whether what the runs show is what true clips show, in any order and by any way.

    The band says that each run could be real; runs that all show the same plain grass are inside it as well.

    Args:
        lasted: the runs.
        suffix: of the keys.

    Returns:
        Nothing without weights or with too few frames on either side.
    """
    if lasted.late_FD is None or lasted.real_BTD is None:
        return {}
    even, odd, real = (
        clips.reshape(-1, clips.shape[-1]) for clips in (lasted.real_BTD[::2], lasted.real_BTD[1::2], lasted.real_BTD)
    )
    if min(len(lasted.late_FD), len(real)) < frechet.FEWEST_FRAMES:
        return {}
    return {
        f"frechet_late{suffix}": frechet.frechet_distance(real, lasted.late_FD),
        f"frechet_late_real{suffix}": frechet.frechet_distance(even, odd),
        f"frechet_late_samples{suffix}": len(lasted.late_FD),
    }


def _random_keys(world: Any, source: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Keys of a source, or latent actions where there are none, held for some frames each: int64 of that shape."""
    codes = [int(action.code) for action in keyed_actions(world, source)] or list(range(world.dynamics.num_actions))
    rng, (runs, frames) = np.random.default_rng(seed), shape
    return rng.choice(codes, (runs, -(-frames // _HOLD))).repeat(_HOLD, axis=1)[:, :frames].astype(np.int64)


def _real_inside(real_BTHWC: np.ndarray) -> float:
    """Share of every second real clip inside the band of the others."""
    if len(real_BTHWC) < 2:
        return 1.0
    band, others = Band.of(real_BTHWC[::2]), real_BTHWC[1::2]
    return float(np.mean([not names for names in band.left_by(others, band.seen(others))]))


def _some_features(clips_BTHWC: np.ndarray) -> np.ndarray:
    """Features of four frames spread over each clip, ``(B, 4, D)``."""
    picks = np.linspace(0, clips_BTHWC.shape[1] - 1, 4).astype(int)
    chosen = clips_BTHWC[:, picks]
    found = features.frame_features(chosen.reshape(-1, *chosen.shape[2:]))
    return found.reshape(len(clips_BTHWC), len(picks), -1)


def _distances(a_BTD: np.ndarray, b_BTD: np.ndarray) -> np.ndarray:
    """How far the mean features of clips lie apart."""
    a, b = a_BTD.mean(axis=1), b_BTD.mean(axis=1)
    squared = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None] - 2.0 * a @ b.T
    return np.sqrt(np.maximum(squared, 0.0))
