"""Finds soft cuts: fades through an empty picture, and dissolves from one picture into another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from playground.data.importing.samples import Sample, windows

TRANSITION = "transition"
BLACK = "black"
BLANK = "blank"
_EMPTY_CONTRAST = 5.0
_BLACK_LEVEL = 40.0
_FADED = 0.75
# Chosen on dissolves of 0.5 to 1.6 s between moving clips: five of six are found, and no pan is taken for one.
_DISSOLVE_SECONDS = (0.25, 0.5, 0.8)
_UNLIKE = 0.5
_BLEND = 0.45
_VARIANCE = 0.7
_LEAST_DIFFERENCE = 10.0


def mark_empty(samples: Iterable[Sample], fps: float) -> Iterator[Sample]:
    """Drop black and other nearly uniform frames, and the fades that lead to them.

    A frame belongs to a fade if an empty frame is at most a second away and its contrast is clearly below what is
    reached within that second.
    """
    reach = max(1, round(fps))
    for near, place in windows(_empty_marked(samples), reach, reach):
        sample = near[place]
        if not sample.drop and any(other.drop in (BLACK, BLANK) for other in near):
            full = max(other.contrast for other in near)
            if sample.contrast < _FADED * full:
                sample.drop = TRANSITION
        yield sample


def _empty_marked(samples: Iterable[Sample]) -> Iterator[Sample]:
    for sample in samples:
        if sample.contrast < _EMPTY_CONTRAST:
            sample.drop = BLACK if sample.luma_HW.mean() < _BLACK_LEVEL else BLANK
        yield sample


def mark_dissolves(samples: Iterable[Sample], fps: float) -> Iterator[Sample]:
    """Drop the frames in which one picture turns into another.

    In the middle of a dissolve the frame is about the mean of an earlier and a later frame that have nothing in
    common. The mean of two unrelated pictures has half of their variance; a frame of a pan has all of it.
    """
    steps = sorted({max(2, round(seconds * fps)) for seconds in _DISSOLVE_SECONDS})
    reach = steps[-1]
    for near, place in windows(samples, reach, 2 * reach):
        middle = place + reach  # its whole dissolve lies ahead, so that no frame is marked too late
        for step in steps:
            if middle + step < len(near):
                span = near[middle - step : middle + step + 1]
                if not any(other.starts for other in span[1:]) and _is_blend(span[0], span[step], span[-1]):
                    for other in span:
                        other.drop = other.drop or TRANSITION
        yield near[place]


def _is_blend(before: Sample, middle: Sample, after: Sample) -> bool:
    difference = float(np.abs(before.luma_HW - after.luma_HW).mean())
    if difference < _LEAST_DIFFERENCE:
        return False
    if middle.contrast**2 > _VARIANCE * (before.contrast**2 + after.contrast**2) / 2:
        return False
    rest = float(np.abs(middle.luma_HW - (before.luma_HW + after.luma_HW) / 2).mean())
    return rest < _BLEND * difference and _likeness(before.luma_HW, after.luma_HW) < _UNLIKE


def _likeness(first_HW: np.ndarray, second_HW: np.ndarray) -> float:
    """Correlation of two pictures, -1..1."""
    first_HW, second_HW = first_HW - first_HW.mean(), second_HW - second_HW.mean()
    return float((first_HW * second_HW).sum() / (np.sqrt((first_HW**2).sum() * (second_HW**2).sum()) + 1e-6))
