"""How sure a number is: 95 % intervals over clips, starts or runs, all from a fixed seed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_Z = 1.96
_DRAWS = 1000


def mean_half_width(values: np.ndarray) -> float:
    """Half width of the normal 95 % interval of a mean, 0 for a single value."""
    return float(_Z * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def ratio_half_width(above: np.ndarray, below: np.ndarray, seed: int = 0) -> float:
    """Half width of the bootstrap 95 % interval of ``sum(above) / sum(below)``, clips drawn with replacement."""
    rows = np.random.default_rng(seed).integers(0, len(above), (_DRAWS, len(above)))
    below_sums = below[rows].sum(axis=1)
    ratios = above[rows].sum(axis=1)[below_sums > 0] / below_sums[below_sums > 0]
    if len(ratios) < 2:
        return 0.0
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(high - low) / 2


def share_half_width(share: float, count: int) -> float:
    """Half width of Wilson's 95 % interval of a share of ``count`` runs; not 0 even when all of them agree."""
    spread = share * (1 - share) / count + _Z**2 / (4 * count**2)
    return float(_Z / (1 + _Z**2 / count) * np.sqrt(spread))


@dataclass
class Scores:
    """Values that still know their clip, so that they can be summed up for all clips or for those of one source.

    Attributes:
        means: key to one value a clip; the report says their mean.
        ratios: key to two values a clip; the report says the sum of the first over the sum of the second.
    """

    means: dict[str, np.ndarray] = field(default_factory=dict)
    ratios: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def join(self, other: Scores) -> None:
        """Take in the values of ``other``."""
        self.means |= other.means
        self.ratios |= other.ratios

    def summary(self, rows: np.ndarray, seed: int = 0, suffix: str = "") -> dict[str, float]:
        """Numbers and their ``_ci`` over the clips ``rows`` (bool or int), ``suffix`` appended to every key.

        A ratio of something to nothing is infinite, of nothing to nothing 1.
        """
        numbers: dict[str, float] = {}
        for key, values in self.means.items():
            numbers[f"{key}{suffix}"] = float(values[rows].mean())
            numbers[f"{key}_ci{suffix}"] = mean_half_width(values[rows])
        for key, (above, below) in self.ratios.items():
            a, b = above[rows], below[rows]
            nothing = 1.0 if a.sum() == 0 else float("inf")
            numbers[f"{key}{suffix}"] = float(a.sum() / b.sum()) if b.sum() > 0 else nothing
            numbers[f"{key}_ci{suffix}"] = ratio_half_width(a, b, seed)
        return numbers
