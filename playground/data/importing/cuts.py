"""Finds hard cuts: frames that no motion from the frame before explains, unlike the frames around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from playground.data.importing.samples import THUMB_SIDE, Sample, windows

NEIGHBOURS = 7
_LEAST = 0.36
_TIMES_USUAL = 2.2
_REACH = 4
_BLOCK = 8
_LEAST_CONTRAST = 6.0


def change(before: Sample, now: Sample) -> float:
    """How little of ``now`` is explained by moving blocks of ``before`` (0 the same picture, about 1 another one).

    The mean of two parts: what is left of the brightness after each block of 8 x 8 thumbnail pixels was
    looked for within 4 pixels (an eighth of the picture), relative to the contrast; and the share of the picture
    whose colours are new. The first ignores motion, the second ignores structure; a cut changes both.
    """
    padded_HW = np.pad(before.luma_HW, _REACH, mode="edge")
    moved = sliding_window_view(padded_HW, (THUMB_SIDE, THUMB_SIDE)).reshape(-1, THUMB_SIDE, THUMB_SIDE)
    difference = np.abs(moved - now.luma_HW)
    side = THUMB_SIDE // _BLOCK
    # Sums over the columns of a block as a product with ones: several times faster than a mean over two axes.
    rows = difference.reshape(-1, THUMB_SIDE) @ np.repeat(np.eye(side, dtype=np.float32), _BLOCK, axis=0)
    blocks = rows.reshape(len(moved), side, _BLOCK, side).sum(2) / _BLOCK**2
    left_over = blocks.min(0).mean()
    contrast = max(before.contrast, now.contrast, _LEAST_CONTRAST)
    structure = min(1.0, 1.5 * float(left_over) / contrast)
    return 0.5 * (structure + _new_colours(before.thumb_HWC, now.thumb_HWC))


def _new_colours(before_HWC: np.ndarray, now_HWC: np.ndarray) -> float:
    """Half the L1 distance of the colour histograms (4 levels a channel), 0..1."""
    histograms = []
    for thumb_HWC in (before_HWC, now_HWC):
        levels_HWC = (thumb_HWC >> 6).astype(np.int64)
        bins_HW = (levels_HWC[..., 0] << 4) | (levels_HWC[..., 1] << 2) | levels_HWC[..., 2]
        histograms.append(np.bincount(bins_HW.ravel(), minlength=64))
    return float(np.abs(histograms[0] - histograms[1]).sum()) / (2 * THUMB_SIDE * THUMB_SIDE)


def mark_cuts(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Set ``starts`` at hard cuts.

    The threshold follows the video: a frame is a cut if its change is large and ``_TIMES_USUAL`` times that of its
    neighbours. A flash is none: after it, the picture from before continues.
    """
    for near, place in windows(_scored(samples), NEIGHBOURS, NEIGHBOURS):
        sample, score = near[place]
        if not sample.starts and score >= _LEAST:
            others = [
                other_score
                for index, (other, other_score) in enumerate(near)
                if index != place and not other.starts and not other.repeated
            ]
            usual = float(np.median(others)) if others else 0.0
            if score >= _TIMES_USUAL * usual and not _is_flash(near, place):
                sample.starts = True
        yield sample


def _scored(samples: Iterable[Sample]) -> Iterator[tuple[Sample, float]]:
    before: Sample | None = None
    for sample in samples:
        fresh = before is None or sample.starts or sample.repeated
        yield sample, 0.0 if fresh or before is None else change(before, sample)
        before = sample


def _is_flash(near: list[tuple[Sample, float]], place: int) -> bool:
    """Whether the picture from before the change comes back at once, or has just come back."""
    pairs = [(1, 1), (1, 2), (2, 0), (3, 0)]  # frames before ``place``, frames after it
    return any(
        change(near[place - back][0], near[place + ahead][0]) < 0.5 * _LEAST
        for back, ahead in pairs
        if place >= back and place + ahead < len(near)
    )
