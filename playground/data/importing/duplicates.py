"""Drops stretches that were imported before: replays, a second upload of the same clip, loops.

Windows of 16 frames are compared, not single frames: in a game with one fixed screen every frame looks like every
other one, and only the motion tells two stretches apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from playground.data.importing.samples import Sample, windows

DUPLICATE = "duplicate"
WINDOW = 16
HOP = 8
CAPACITY = 1 << 16
_SIDE = 16
_PICKS = (0, 5, 10, 15)
_MAX_BITS = 10
_MAX_DIFFERENCE = 6.0
_MAX_OF_MOTION = 0.4
_APART_SECONDS = 2.0
_CANDIDATES = 64


class SeenWindows:
    """Perceptual hashes of the windows that were kept; the oldest make room when the table is full.

    Each window has a 64-bit hash of its first frame to find it, and four frames of 16 x 16 pixels to be sure.
    ``CAPACITY`` windows are about nine hours at 15 frames a second and 67 MB.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Start empty."""
        self.capacity = capacity
        self._added = 0
        self._hashes = np.zeros(capacity, np.uint64)
        self._pictures = np.zeros((capacity, len(_PICKS), _SIDE, _SIDE), np.uint8)
        self._video = np.zeros(capacity, np.int64)
        self._end = np.zeros(capacity, np.int64)

    def add(self, tiny_THW: np.ndarray, video: int, end: int) -> None:
        """Remember a window of ``WINDOW`` frames (uint8, T x 16 x 16) of video number ``video``.

        Args:
            tiny_THW: the frames as of :func:`tiny`.
            video: number of the video.
            end: number of the last frame of the window within the video.
        """
        row = self._added % self.capacity
        self._hashes[row] = _hash(tiny_THW[0])
        self._pictures[row] = tiny_THW[list(_PICKS)]
        self._video[row], self._end[row] = video, end
        self._added += 1

    def contains(self, tiny_THW: np.ndarray, video: int, last_end: int) -> bool:
        """Whether a window like this one was added.

        Two windows are the same if they differ by far less than each changes over its own length. That a slow scene
        resembles itself a moment later is then no reason to drop it.

        Args:
            tiny_THW: the window, uint8 (16, 16, 16).
            video: number of its video.
            last_end: windows of the same video count only if they end at or before this frame.
        """
        count = min(self._added, self.capacity)
        if not count:
            return False
        distance = _count_bits(self._hashes[:count] ^ _hash(tiny_THW[0]))
        rows = np.flatnonzero(
            (distance <= _MAX_BITS) & ((self._video[:count] != video) | (self._end[:count] <= last_end))
        )
        if not len(rows):
            return False
        age = (self._added - 1 - rows) % self.capacity
        rows = rows[np.lexsort((age, distance[rows]))[:_CANDIDATES]]
        picks_THW = tiny_THW[list(_PICKS)].astype(np.int16)
        motion = float(np.abs(np.diff(picks_THW, axis=0)).mean())
        difference = np.abs(self._pictures[rows].astype(np.int16) - picks_THW).mean((1, 2, 3)).min()
        return bool(difference < min(_MAX_DIFFERENCE, _MAX_OF_MOTION * motion))


class WindowRecorder:
    """Adds the windows of one episode to the table, every ``HOP`` frames."""

    def __init__(self, seen: SeenWindows, video: int) -> None:
        """Begin an episode of video number ``video``."""
        self._seen, self._video, self._frames = seen, video, 0
        self._tiny: list[np.ndarray] = []

    def add(self, frame_HWC: np.ndarray, number: int) -> None:
        """Take the next frame of the episode, which is frame ``number`` of its video."""
        self._tiny = [*self._tiny[-(WINDOW - 1) :], tiny(frame_HWC)]
        self._frames += 1
        if self._frames >= WINDOW and (self._frames - WINDOW) % HOP == 0:
            self._seen.add(np.stack(self._tiny), self._video, number)


def mark_duplicates(samples: Iterable[Sample], seen: SeenWindows, video: int, fps: float) -> Iterator[Sample]:
    """Drop windows that resemble one in ``seen``; the caller adds what it keeps."""
    apart = round(_APART_SECONDS * fps)
    with_tiny = ((sample, tiny(sample.frame_HWC)) for sample in samples)
    for near, place in windows(with_tiny, 0, WINDOW - 1):
        sample, _ = near[place]
        whole = len(near) == WINDOW and not any(other.drop for other, _ in near)
        if whole and not any(other.starts for other, _ in near[1:]):
            tiny_THW = np.stack([picture_HW for _, picture_HW in near])
            if seen.contains(tiny_THW, video, sample.number - apart):
                for other, _ in near:
                    other.drop = DUPLICATE
        yield sample


def tiny(frame_HWC: np.ndarray) -> np.ndarray:
    """Brightness of a frame (H and W multiples of 16) as uint8 (16, 16)."""
    height, width = frame_HWC.shape[:2]
    blocks = frame_HWC.reshape(_SIDE, height // _SIDE, _SIDE, width // _SIDE * 3)
    return (blocks.sum((1, 3), dtype=np.uint32) // (height // _SIDE * (width // _SIDE) * 3)).astype(np.uint8)


def _hash(tiny_HW: np.ndarray) -> np.uint64:
    """64 bits: whether each of 8 x 8 blocks is clearly darker than the next one in its row (a difference hash)."""
    blocks_HW = tiny_HW.reshape(8, 2, 8, 2).astype(np.int16).sum((1, 3))
    bits = blocks_HW + 8 < np.roll(blocks_HW, -1, axis=1)  # +8: noise in even areas sets no bits
    return np.packbits(bits).view(np.uint64)[0]


def _count_bits(values: np.ndarray) -> np.ndarray:
    """Number of ones in each uint64."""
    return _bits_table()[values.view(np.uint16)].reshape(-1, 4).sum(1, dtype=np.int64)


@cache
def _bits_table() -> np.ndarray:
    numbers = np.arange(1 << 16, dtype=np.uint16)
    return np.unpackbits(numbers.view(np.uint8)).reshape(-1, 16).sum(1, dtype=np.uint8)
