"""Contact sheets: rows of frames in one PNG, for a look at what a model does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

GAP = 2


def contact_sheet(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Lay out rows of frames with thin gaps.

    Args:
        rows: each (frames, H, W, 3) uint8, all of one frame size; shorter rows are filled with black.

    Returns:
        One picture, (H', W', 3) uint8.
    """
    columns = max(len(row) for row in rows)
    height, width = rows[0].shape[1:3]
    sheet = np.zeros((len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), np.uint8)
    for i, row in enumerate(rows):
        for j, frame in enumerate(row):
            sheet[
                i * (height + GAP) : i * (height + GAP) + height,
                j * (width + GAP) : j * (width + GAP) + width,
            ] = frame
    return sheet


def save_sheet(sheet: np.ndarray, path: Path) -> None:
    """Write a sheet as PNG, creating the folder."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    Image.fromarray(sheet).save(partial, format="PNG")
    partial.replace(path)
