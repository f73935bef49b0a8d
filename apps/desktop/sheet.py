"""A contact sheet: evenly spaced frames of a rollout in one picture."""

from __future__ import annotations

from collections.abc import Sequence
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
