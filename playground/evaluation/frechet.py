"""Frechet distance between two sets of features: do generated frames, or short videos, come from the same crowd?

The distance of two Gaussians (Dowson and Landau 1982) as Heusel and others use it for pictures (2017), here on
EfficientNet-Lite0 features instead of Inception's. It must not be compared with published FID or FVD values.
"""

from __future__ import annotations

import numpy as np

FEWEST_FRAMES = 100
FEWEST_CLIPS = 50
CLIP_FRAMES = 8
"""Frames in the short videos that ``frechet_video`` compares."""


def frechet_distance(real: np.ndarray, other: np.ndarray) -> float:
    """Squared Frechet distance of Gaussians fitted to two sets of features.

    ``|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))``. With centred features A and B, whose covariances are
    ``A'A`` and ``B'B``, the last trace is the sum of the singular values of ``A B'``. That needs no matrix root, and
    no made-up ridge when there are fewer samples than dimensions.

    Fewer samples than dimensions still bias the distance upwards: compare values of equal sample counts only.

    Args:
        real: ``(n, d)`` with n at least 2.
        other: ``(m, d)`` with m at least 2.

    Returns:
        The distance, 0 for equal sets.

    Raises:
        ValueError: too few samples or different dimensions.
    """
    if min(len(real), len(other)) < 2 or real.shape[1:] != other.shape[1:]:
        raise ValueError(f"cannot compare features of shapes {real.shape} and {other.shape}")
    mean_gap = float(np.square(real.mean(axis=0) - other.mean(axis=0)).sum())
    a, b = _factor(real), _factor(other)
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, mean_gap + float(np.square(a).sum() + np.square(b).sum() - 2.0 * shared))


def video_features(features_BTD: np.ndarray) -> np.ndarray:
    """One vector a clip from the features of its frames: their mean, and their mean absolute change.

    The first half says what is seen, the second how fast it changes, so a frozen or flickering clip is far from real
    ones although each of its frames is fine.

    Returns:
        ``(B, 2 D)``.
    """
    change = np.abs(np.diff(features_BTD, axis=1)).mean(axis=1)
    return np.concatenate([features_BTD.mean(axis=1), change], axis=1)


def short_clips(features_BTD: np.ndarray, length: int = CLIP_FRAMES) -> np.ndarray:
    """Cut the clips into short ones without overlap, ``(B * T // length, length, D)``; leftover frames are dropped."""
    batch, frames, dims = features_BTD.shape
    count = frames // length
    return features_BTD[:, : count * length].reshape(batch * count, length, dims)


def _factor(features: np.ndarray) -> np.ndarray:
    """A matrix whose ``A'A`` is the covariance, with as few rows as possible."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if len(centred) <= centred.shape[1]:
        return centred
    return np.linalg.qr(centred, mode="r")  # type: ignore[return-value]  # numpy's stubs miss that this is R alone
