"""Drops stretches in which nothing moves: a menu, a pause, a title card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from playground.data.importing.samples import THUMB_SIDE, Sample

STATIC = "static"
STILL_SECONDS = 2.0
_BLOCK = 4
# Mean difference (of 255) in the block that changed most. Compression alone stays below 1; a figure of 4 x 4 pixels
# that takes one step in a frame of 64 x 64 gives several.
_MOVED = 1.5


def mark_still(samples: Iterable[Sample], fps: float) -> Iterator[Sample]:
    """Drop every stretch of ``STILL_SECONDS`` or more that keeps looking like its first frame.

    Comparing with the first frame of the stretch, and not with the frame before, lets slow motion add up.
    """
    least = max(2, round(STILL_SECONDS * fps))
    waiting: list[Sample] = []
    first: Sample | None = None
    still = False
    for sample in samples:
        if first is None or sample.starts or sample.drop or moved(first, sample):
            yield from waiting
            waiting, still = [], False
            first = None if sample.drop else sample
        if first is None:
            yield sample
            continue
        waiting.append(sample)
        if still or len(waiting) >= least:
            still = True
            for other in waiting:
                other.drop = STATIC
            yield from waiting
            waiting = []
    yield from waiting


def moved(before: Sample, now: Sample) -> bool:
    """Whether any part of the picture changed visibly."""
    side = THUMB_SIDE // _BLOCK
    difference_HW = np.abs(now.luma_HW - before.luma_HW)
    return bool(difference_HW.reshape(side, _BLOCK, side, _BLOCK).mean((1, 3)).max() > _MOVED)
