"""How often each window of a dataset is drawn: by motion, by source and by how rare its caption is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from playground.core.errors import PlaygroundError, suggest


def check_source_weights(weights: Mapping[str, float], sources: Sequence[str]) -> None:
    """Refuse weights that do not give every source of a dataset its share.

    Raises:
        PlaygroundError: an unknown or missing source, a negative weight, or nothing above zero.
    """
    known = ", ".join(sources)
    for name, weight in weights.items():
        if name not in sources:
            raise PlaygroundError(f"source_weights: unknown source {name!r}.{suggest(name, sources)} Known: {known}.")
        if not 0.0 <= weight < float("inf"):
            raise PlaygroundError(f"source_weights: {name!r} must be 0 or more, got {weight}")
    for name in sources:
        if name not in weights:
            raise PlaygroundError(f"source_weights: no weight for {name!r}; name every source: {known}")
    if not sum(weights.values()) > 0:
        raise PlaygroundError("source_weights: at least one must be above 0")


def motion_weights(motion_W: np.ndarray, motion_weight: float) -> np.ndarray:
    """Weight of each window (W,): 1 each at ``motion_weight`` 0, in proportion to its motion at 1, mixed between."""
    mean = motion_W.mean()
    if mean <= 0:
        return np.ones(len(motion_W))
    weights_W: np.ndarray = (1 - motion_weight) + motion_weight * motion_W / mean
    return weights_W


def balance_captions(weights_W: np.ndarray, caption_W: np.ndarray, share: float) -> np.ndarray:
    """Draw rare captions more often.

    Args:
        weights_W: weight of each window.
        caption_W: int caption id of each window; -1, none, counts as one more caption.
        share: 0 leaves the weights as they are, 1 gives every caption the same sum, between is a mixture.

    Returns:
        New weights (W,) with the same sum.
    """
    _, group_W = np.unique(caption_W, return_inverse=True)
    total_K = np.bincount(group_W, weights=weights_W)
    used = total_K > 0
    if not used.any():
        return weights_W
    gain_K = np.where(used, total_K.sum() / (used.sum() * np.where(used, total_K, 1.0)), 0.0)
    balanced_W: np.ndarray = weights_W * ((1 - share) + share * gain_K[group_W])
    return balanced_W


def favour_changes(weights_W: np.ndarray, changing_W: np.ndarray, share: float) -> np.ndarray:
    """Draw windows around a change of the caption more often: they alone show what a text does to a picture.

    Args:
        weights_W: weight of each window.
        changing_W: bool, which windows those are.
        share: the part of the sum that they shall have at least; 0 leaves the weights as they are.

    Returns:
        New weights (W,) with the same sum.
    """
    total, found = weights_W.sum(), weights_W[changing_W].sum()
    if found <= 0 or found >= share * total:
        return weights_W
    favoured_W: np.ndarray = weights_W * np.where(
        changing_W, share * total / found, (1 - share) * total / (total - found)
    )
    return favoured_W


def check_shares(
    shares: Sequence[float], weights_W: np.ndarray, source_W: np.ndarray, sources: Sequence[str], length: int
) -> None:
    """Refuse shares that cannot be kept, because a source has no window of ``length`` frames that can be drawn.

    Raises:
        PlaygroundError: names the source.
    """
    total_S = np.bincount(source_W, weights=weights_W, minlength=len(shares))
    for name, share, total in zip(sources, shares, total_S.tolist(), strict=True):
        if share > 0 and not total > 0:
            raise PlaygroundError(
                f"source_weights: {name!r} has no window of {length} frames; use shorter windows or give it weight 0"
            )


def share_sources(weights_W: np.ndarray, source_W: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Scale the weights of each source so that its windows are drawn in proportion to ``shares[source]``."""
    total_S = np.bincount(source_W, weights=weights_W, minlength=len(shares))
    scale_S = np.where(total_S > 0, np.asarray(shares) / np.where(total_S > 0, total_S, 1.0), 0.0)
    scaled_W: np.ndarray = weights_W * scale_S[source_W]
    return scaled_W
