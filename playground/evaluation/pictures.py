"""Contact sheets: what the numbers of a report look like."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_MARGIN, _GAP = 2, 14
_BACKGROUND = 24


def sheet(rows: Sequence[np.ndarray], labels: Sequence[str], scale: int = 1, group: int = 0) -> Image.Image:
    """Lay clips out as rows of frames with a label in front of each row.

    Args:
        rows: uint8 clips ``(T, H, W, 3)`` of equal frame size; shorter ones leave room at the end.
        labels: one text a row.
        scale: whole-number enlargement of the pixels.
        group: leave a gap after every ``group`` columns; 0 for none.
    """
    height, width = rows[0].shape[1] * scale, rows[0].shape[2] * scale
    columns = max(len(row) for row in rows)
    gutter = 8 + 7 * max((len(label) for label in labels), default=0)
    lefts = [
        gutter + column * (width + _MARGIN) + (column // group * _GAP if group else 0) for column in range(columns)
    ]
    canvas = Image.new("RGB", (lefts[-1] + width + _MARGIN, len(rows) * (height + _MARGIN)), (_BACKGROUND,) * 3)
    draw = ImageDraw.Draw(canvas)
    for row_index, (row, label) in enumerate(zip(rows, labels, strict=True)):
        top = row_index * (height + _MARGIN)
        draw.text((4, top + height // 2 - 6), label, fill=(230, 230, 230))
        for column, frame in enumerate(row):
            tile = Image.fromarray(frame).resize((width, height), Image.Resampling.NEAREST)
            canvas.paste(tile, (lefts[column], top))
    return canvas


def save_reconstruction(path: Path, truth: np.ndarray, decoded: np.ndarray) -> None:
    """True frames above what the tokenizer makes of them; both uint8 ``(T, H, W, 3)``."""
    sheet([truth, decoded], ["true", "decoded"], scale=_scale(truth)).save(path)


def save_rollouts(path: Path, truth_BTHWC: np.ndarray, generated_BTHWC: np.ndarray, clips: int = 4) -> None:
    """Pairs of rows, truth over generated, every second frame of ``clips`` clips spread over all of them."""
    rows: list[np.ndarray] = []
    for clip in np.linspace(0, len(truth_BTHWC) - 1, min(clips, len(truth_BTHWC))).astype(int):
        rows += [truth_BTHWC[clip, 1::2], generated_BTHWC[clip, 1::2]]
    sheet(rows, ["true", "generated"] * (len(rows) // 2), scale=_scale(truth_BTHWC)).save(path)


def save_held(path: Path, clips_BTHWC: np.ndarray, labels: Sequence[str], columns: int = 10) -> None:
    """One row for each held action from the same start, ``columns`` frames spread over the clip."""
    picks = np.linspace(0, clips_BTHWC.shape[1] - 1, min(columns, clips_BTHWC.shape[1])).astype(int)
    sheet([clip[picks] for clip in clips_BTHWC], labels, scale=_scale(clips_BTHWC)).save(path)


def save_gallery(path: Path, clips_PKTHWC: np.ndarray, labels: Sequence[str], columns: int = 5) -> None:
    """One row for each code, one group of ``columns`` frames for each of the starts P."""
    starts, codes, frames = clips_PKTHWC.shape[:3]
    picks = np.linspace(0, frames - 1, min(columns, frames)).astype(int)
    rows = [np.concatenate([clips_PKTHWC[start, code, picks] for start in range(starts)]) for code in range(codes)]
    sheet(rows, labels, scale=_scale(clips_PKTHWC), group=len(picks)).save(path)


def save_texts(path: Path, clips_BTHWC: np.ndarray, texts: Sequence[str], columns: int = 2) -> None:
    """Frames of each clip under the text that asked for them, in ``columns`` columns."""
    scale = _scale(clips_BTHWC)
    rows = [sheet([clip], [""], scale=scale) for clip in clips_BTHWC]
    width, height = rows[0].width + _GAP, rows[0].height + 2 * _GAP + 4
    size = (columns * width, -(-len(rows) // columns) * height)
    canvas = Image.new("RGB", size, (_BACKGROUND,) * 3)
    draw = ImageDraw.Draw(canvas)
    for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
        left, top = index % columns * width, index // columns * height
        lines = textwrap.wrap(text, max(10, (width - 2 * _GAP) // 6))[:2]
        draw.multiline_text((left + 8, top + 2), "\n".join(lines), fill=(230, 230, 230), spacing=2)
        canvas.paste(row, (left, top + 2 * _GAP + 2))
    canvas.save(path)


def _scale(frames: np.ndarray) -> int:
    return max(1, 96 // frames.shape[-2])
