"""Makes frames of what Doom draws: looks colours up, brightens them, and averages pixels into the frame's size.

Compiled with Numba, so this module is imported only when games are played.
"""

from __future__ import annotations

import numpy as np

from playground.data.worlds.flyover.compiler import kernel

# The maps are dark: colours are brightened with this exponent.
GAMMA = 0.68
# Each pixel of a frame is the mean of up to TAPS rows and columns, with whole weights that add up to UNIT.
TAPS, UNIT = 3, 64
# Red, green and blue share one number of 64 bits, 21 each, so that one multiplication weights all three.
LANE, UNIT_BITS = 21, 12
SPARSE = 4
ROUNDING = sum((UNIT * UNIT // 2) << (LANE * channel) for channel in range(3))


class FrameMaker:
    """Turns the middle square of a screen of palette numbers into frames, by the area that each pixel covers."""

    def __init__(self, palette: np.ndarray, side: int, margin: int, size: int) -> None:
        """Prepare the tables.

        Args:
            palette: uint8 (256, 3), the colour of each number.
            side: side of the square on the screen, the screen's height.
            margin: columns to the left of the square.
            size: side of the frames, at most ``side``.
        """
        bright = (255 * (palette / 255) ** GAMMA + 0.5).astype(np.uint64)
        self._colours = bright[:, 0] | bright[:, 1] << np.uint64(LANE) | bright[:, 2] << np.uint64(2 * LANE)
        self._first, self._weights = area_weights(side, size)
        self._margin = margin
        self._square = np.empty((side, side), np.uint64)
        self._row = np.empty(side, np.uint64)

    def draw(self, screen_HW: np.ndarray, frame_HWC: np.ndarray) -> float:
        """Write the frame uint8 (size, size, 3) of a screen uint8 (side, columns).

        Returns:
            The mean of every fourth row and column of the frame, 0 to 255.
        """
        return _draw(
            screen_HW, self._margin, self._colours, self._first, self._weights, self._square, self._row, frame_HWC
        )  # fmt: skip


def area_weights(side: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How ``side`` pixels in a row are averaged into ``size``.

    Returns:
        The first pixel of each average, int64 (size,), and the weights of that pixel and the next ones, uint64
        (size, TAPS), each row adding up to UNIT and as near as whole numbers come to the covered shares.
    """
    first = np.minimum(np.arange(size) * side // size, side - TAPS)
    pixels = first[:, None] + np.arange(TAPS)
    starts = np.arange(size)[:, None] * side
    # In parts of a pixel, size parts each, an average covers side parts.
    covered = np.minimum(starts + side, (pixels + 1) * size) - np.maximum(starts, pixels * size)
    # Rounded after adding up, so that the total stays UNIT.
    edges = np.cumsum(covered.clip(0), axis=1) * UNIT / side
    return first, np.diff((edges + 0.5).astype(np.int64), prepend=0, axis=1).astype(np.uint64)


@kernel
def _draw(screen_HW, margin, colours, first, weights, square, row, frame_HWC):  # type: ignore[no-untyped-def]
    side, size = len(square), len(frame_HWC)
    for y in range(side):
        for x in range(side):
            square[y, x] = colours[screen_HW[y, margin + x]]
    for y in range(size):
        top, above, middle, below = first[y], weights[y, 0], weights[y, 1], weights[y, 2]
        for x in range(side):
            row[x] = above * square[top, x] + middle * square[top + 1, x] + below * square[top + 2, x]
        for x in range(size):
            left = first[x]
            mean = np.uint64(ROUNDING) + weights[x, 0] * row[left]
            mean += weights[x, 1] * row[left + 1] + weights[x, 2] * row[left + 2]
            frame_HWC[y, x, 0] = mean >> np.uint64(UNIT_BITS)
            frame_HWC[y, x, 1] = mean >> np.uint64(UNIT_BITS + LANE)
            frame_HWC[y, x, 2] = mean >> np.uint64(UNIT_BITS + 2 * LANE)
    total = 0
    for y in range(0, size, SPARSE):
        for x in range(0, size, SPARSE):
            total += int(frame_HWC[y, x, 0]) + int(frame_HWC[y, x, 1]) + int(frame_HWC[y, x, 2])
    return total / (3 * (size // SPARSE) ** 2)
