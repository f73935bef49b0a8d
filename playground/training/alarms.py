"""Signs that a run is going wrong in a way that the loss does not show."""

from __future__ import annotations

import numpy as np

ONE_CODE_SHARE = 0.9
"""A code that explains more frames than this has swallowed the others."""

IGNORED_GAP_DB = 0.05
"""Below this gap between true and shuffled actions the actions do nothing."""


MEANT = 0.05
"""Share of the change that codes explain beyond shuffled ones, from which they can be said to mean something."""


def code_metrics(codes: np.ndarray, num_actions: int) -> dict[str, float]:
    """Usage of the latent actions in a sample of codes.

    Args:
        codes: (n,) integers; values outside 0..num_actions-1 are left out.
        num_actions: number of codes.

    Returns:
        ``codes_used`` (codes with at least half a percent of the frames), ``code_top_share`` and
        ``code_perplexity``.
    """
    known = codes[(codes >= 0) & (codes < num_actions)]
    share = np.bincount(known, minlength=num_actions) / max(len(known), 1)
    entropy = -float(np.sum(share[share > 0] * np.log(share[share > 0])))
    return {
        "codes_used": float((share >= 0.005).sum()),
        "code_top_share": float(share.max()),
        "code_perplexity": float(np.exp(entropy)),
    }


def code_alarms(metrics: dict[str, float], num_actions: int) -> list[str]:
    """Warn when codes are dead, when one code is used for everything, and when codes say nothing of the change."""
    warnings = []
    if metrics.get("codes_used", num_actions) <= num_actions / 2:
        warnings.append(f"dead codes: {metrics['codes_used']:.0f} of {num_actions} latent actions are used")
    if metrics.get("code_top_share", 0.0) > ONE_CODE_SHARE:
        warnings.append(f"one code: a single latent action explains {metrics['code_top_share']:.0%} of the frames")
    means = metrics.get("explained_codes", 1.0) - metrics.get("explained_shuffled", 0.0)
    if means < MEANT:
        warnings.append(
            f"meaningless codes: they explain {metrics['explained_codes']:.2f} of the change, shuffled ones"
            f" {metrics['explained_shuffled']:.2f}; train longer"
        )
    return warnings


def control_alarms(metrics: dict[str, float]) -> list[str]:
    """Warn when shuffled actions predict as well as the true ones."""
    gap = metrics.get("control_gap_db")
    if gap is not None and gap < IGNORED_GAP_DB:
        return [f"ignored actions: true actions are only {gap:.2f} dB better than shuffled ones"]
    return []
