"""Pictures for people: a contact sheet of a rollout, and a screenshot of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image


def contact_sheet(frames: Sequence[np.ndarray], columns: int = 6, min_side: int = 96) -> Image.Image:
    """Lay frames out in rows, left to right, as one picture.

    Args:
        frames: uint8 (H, W, 3), all of one size; at least one.
        columns: frames in a row at most.
        min_side: small frames are enlarged by a whole factor to at least this many pixels.
    """
    from PIL import Image

    height, width = frames[0].shape[:2]
    factor = max(1, -(-min_side // max(height, 1)))
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    gap = 4
    cell_w, cell_h = width * factor + gap, height * factor + gap
    sheet = Image.new("RGB", (columns * cell_w + gap, rows * cell_h + gap), (24, 24, 28))
    for index, frame in enumerate(frames):
        picture = Image.fromarray(np.ascontiguousarray(frame)).resize(
            (width * factor, height * factor), Image.Resampling.NEAREST
        )
        sheet.paste(picture, (gap + index % columns * cell_w, gap + index // columns * cell_h))
    return sheet


def save_screenshot(frame: np.ndarray, stem: str) -> Path:
    """Save a frame (uint8 (H, W, 3)), enlarged, to the working folder under a new name that starts with ``stem``.

    Raises:
        OSError: it cannot be written.
    """
    from PIL import Image

    folder = Path.cwd()
    path, count = folder / f"{stem}.png", 2
    while path.exists():
        path, count = folder / f"{stem}-{count}.png", count + 1
    factor = max(1, 512 // frame.shape[0])
    Image.fromarray(frame.repeat(factor, 0).repeat(factor, 1)).save(path)
    return path
