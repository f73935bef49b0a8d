"""Line charts drawn with Pillow alone, enough for a curve over frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_SIZE = (720, 380)
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 40, 180, 48
_INK, _GRID, _PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
# Okabe and Ito's colours, which people with colour blindness can tell apart; dash patterns differ as well.
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))


def save_curves(
    path: Path,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    title: str,
    x_label: str,
    y_range: tuple[float, float] | None = None,
) -> None:
    """Draw named curves into one chart.

    Args:
        path: PNG to write.
        curves: name to ``(x, y)`` of equal length; the names become the legend.
        title: what is shown, with its unit.
        x_label: what runs to the right.
        y_range: fixed lowest and highest value; by default what the curves need.
    """
    canvas = Image.new("RGB", _SIZE, _PAPER)
    draw = ImageDraw.Draw(canvas)
    xs = np.concatenate([np.asarray(x, float) for x, _ in curves.values()])
    ys = np.concatenate([np.asarray(y, float) for _, y in curves.values()])
    low, high = y_range or (float(ys.min()), float(ys.max()))
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    frame = _Frame(float(xs.min()), max(float(xs.max()), float(xs.min()) + 1.0), low, high)
    _axes(draw, frame, title, x_label)
    for number, (name, (x, y)) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [frame.place(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        _line(draw, points, colour, dashed=number % 2 == 1)
        top = _TOP + 22 * number
        _line(draw, [(_SIZE[0] - _RIGHT + 14, top + 6), (_SIZE[0] - _RIGHT + 44, top + 6)], colour, number % 2 == 1)
        draw.text((_SIZE[0] - _RIGHT + 52, top), name, fill=_INK)
    canvas.save(path)


class _Frame:
    """Maps values to pixels."""

    def __init__(self, left: float, right: float, low: float, high: float) -> None:
        self.left, self.right, self.low, self.high = left, right, low, high

    def place(self, x: float, y: float) -> tuple[float, float]:
        width, height = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM
        across = (x - self.left) / (self.right - self.left)
        up = (min(max(y, self.low), self.high) - self.low) / (self.high - self.low)
        return _LEFT + across * width, _TOP + (1 - up) * height


def _axes(draw: ImageDraw.ImageDraw, frame: _Frame, title: str, x_label: str) -> None:
    draw.text((_LEFT, 12), title, fill=_INK)
    draw.text((_LEFT, _SIZE[1] - 18), x_label, fill=_INK)
    for value in _round_values(frame.low, frame.high):
        start, end = frame.place(frame.left, value), frame.place(frame.right, value)
        draw.line([start, end], fill=_GRID)
        draw.text((_LEFT - 34, start[1] - 6), f"{value:g}", fill=_INK)
    for value in _round_values(frame.left, frame.right):
        x, y = frame.place(value, frame.low)
        draw.line([(x, y), (x, y + 4)], fill=_INK)
        draw.text((x - 8, y + 8), f"{value:g}", fill=_INK)


def _round_values(low: float, high: float) -> list[float]:
    """Four to ten round numbers inside a range."""
    step = 10.0 ** np.floor(np.log10((high - low) / 4))
    step *= max(factor for factor in (1, 2, 5) if factor * step <= (high - low) / 4)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(index * float(step), 10) for index in range(first, last + 1)]


def _line(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: tuple[int, ...], dashed: bool) -> None:
    if not dashed:
        draw.line(points, fill=colour, width=2, joint="curve")
        return
    for start, end in zip(points[:-1], points[1:], strict=True):
        length = max(float(np.hypot(end[0] - start[0], end[1] - start[1])), 1e-6)
        for at in np.arange(0.0, length, 9.0):
            cut = [
                (start[k] + (end[k] - start[k]) * min(part, length) / length) for part in (at, at + 5) for k in (0, 1)
            ]
            draw.line(cut, fill=colour, width=2)
