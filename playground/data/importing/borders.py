"""Finds borders that are burnt into a video: black bars, bars of one colour, and blurred copies at the sides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from playground.data.importing.framing import Box

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

SURVEY_SIDE = 512
_MIN_PICTURES = 3
_FLAT = 4.0  # standard deviation (of 255) within one row of a bar; compression leaves about 1
_DARK = 36.0  # brightest mean of a black bar; video black is 16 when the range was misread
_STEADY = 8.0  # a bar changes its brightness over the video by no more than this
_BLANK = 6.0  # standard deviation below which a whole picture says nothing about its borders
_MIN_SHARE = 0.015
_MIN_LEFT = 0.3
_BLUR_SHARE = 0.04


def find_borders(pictures: Iterable[VideoFrame]) -> Box:
    """The part of the picture inside the borders; everything when there are none or it is not certain.

    Args:
        pictures: frames from all over the video, decoded, not yet turned upright. Those that FFmpeg cannot convert say
            nothing about borders.
    """
    import av

    lumas: list[np.ndarray] = []
    for picture in pictures:
        scale = min(1.0, SURVEY_SIDE / max(picture.width, picture.height))
        width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        try:
            luma_HW = picture.reformat(width=width, height=height, format="gray", interpolation="AREA").to_ndarray()
        except av.FFmpegError:
            continue
        if not lumas or luma_HW.shape == lumas[0].shape:
            lumas.append(luma_HW)
    return borders_of(lumas)


def borders_of(lumas: list[np.ndarray]) -> Box:
    """:func:`find_borders` for brightness pictures, uint8 (H, W), all of one size."""
    telling = [luma_HW for luma_HW in lumas if luma_HW.std() >= _BLANK]
    if len(telling) < _MIN_PICTURES:
        return Box()
    luma_THW = np.stack(telling).astype(np.float32)
    top, bottom = _flat_bars(luma_THW)
    # Side bars are looked for between the other bars: a black corner would hide nothing, a logo there would.
    inner_THW = luma_THW[:, top : luma_THW.shape[1] - bottom]
    left, right = _flat_bars(inner_THW.transpose(0, 2, 1))
    if not left and not right:
        left, right = _blurred_bars(inner_THW)
    if not top and not bottom:
        top, bottom = _blurred_bars(luma_THW[:, :, left : luma_THW.shape[2] - right].transpose(0, 2, 1))
    height, width = luma_THW.shape[1:]
    return Box(left / width, top / height, 1 - right / width, 1 - bottom / height)


def _flat_bars(luma_THW: np.ndarray) -> tuple[int, int]:
    """Rows of bars at the top and at the bottom."""
    height = luma_THW.shape[1]
    mean_TH, spread_TH = luma_THW.mean(2), luma_THW.std(2)
    flat_H = (spread_TH.max(0) < _FLAT) & (np.ptp(mean_TH, axis=0) < _STEADY)
    level_H = mean_TH.mean(0)
    first, last = _run(flat_H, level_H), _run(flat_H[::-1], level_H[::-1])
    bright = max(level_H[:first].max(initial=0), level_H[height - last :].max(initial=0))
    if bright > _DARK:
        # A bright even strip may be sky or ground. Bars come in pairs of one colour and about one width.
        alike = first and last and abs(level_H[0] - level_H[-1]) < _STEADY
        if not alike or abs(first - last) > 0.1 * max(first, last) + 2:
            dark_H = flat_H & (level_H <= _DARK)
            first, last = _run(dark_H, level_H), _run(dark_H[::-1], level_H[::-1])
    return _sensible(first, last, height, _MIN_SHARE)


def _run(flat_H: np.ndarray, level_H: np.ndarray) -> int:
    """Length of the first stretch of flat rows that have the level of row 0."""
    inside_H = flat_H & (np.abs(level_H - level_H[0]) < _STEADY)
    return len(inside_H) if inside_H.all() else int(np.argmin(inside_H))


def _sensible(first: int, last: int, length: int, least: float) -> tuple[int, int]:
    first, last = (number if number >= least * length else 0 for number in (first, last))
    if length - first - last < _MIN_LEFT * length:
        return 0, 0
    # The row at the edge is a mixture of bar and picture.
    return first + (first > 0), last + (last > 0)


def _blurred_bars(luma_THW: np.ndarray) -> tuple[int, int]:
    """Columns of blurred bars at the left and at the right: equally wide, far softer than the middle, a hard edge."""
    width = luma_THW.shape[2]
    if width < 32 or luma_THW.shape[1] < 8:
        return 0, 0
    # Along y: the edge of the bar itself runs along y and must not count as detail of the picture.
    detail_W = np.abs(np.diff(luma_THW, 2, axis=1)).mean((0, 1))
    middle = float(np.median(detail_W[width // 3 : width - width // 3]))
    if middle < 1.0:
        return 0, 0
    soft_W = detail_W < 0.3 * middle
    edge_W = np.abs(np.diff(luma_THW, axis=2)).mean((0, 1))
    first, last = _soft_run(soft_W, edge_W), _soft_run(soft_W[::-1], edge_W[::-1])
    if abs(first - last) > 0.03 * width + 2:
        return 0, 0
    return _sensible(first, last, width, _BLUR_SHARE) if first and last else (0, 0)


def _soft_run(soft_W: np.ndarray, edge_W: np.ndarray) -> int:
    """Width of the soft stretch at the start if it ends at a hard edge, else 0."""
    run = len(soft_W) if soft_W.all() else int(np.argmin(soft_W))
    if run < 4 or run >= len(soft_W) - 4:
        return 0
    place = max(run - 3, 0) + int(np.argmax(edge_W[max(run - 3, 0) : run + 3]))
    calm = float(np.median(edge_W[: max(run - 3, 1)]))
    return place + 1 if edge_W[place] > 3 * calm + 2 else 0
