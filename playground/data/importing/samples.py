"""One frame on its way through the import: each stage looks at its neighbours and may mark it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

ItemT = TypeVar("ItemT")

THUMB_SIDE = 32
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(slots=True)
class Sample:
    """A small frame and what is known about it.

    Attributes:
        frame_HWC: uint8 frame as it will be stored.
        seconds: its time in the video.
        number: its number on the grid of the video; counts dropped frames too.
        repeated: the same picture as the sample before.
        starts: nothing connects it with the sample before (first frame, gap, damage or cut).
        drop: why it is not kept, ``""`` while it is.
        thumb_HWC: uint8 (32, 32, 3) picture without letterbox bars.
        luma_HW: float32 (32, 32) brightness of it, 0..255.
        contrast: standard deviation of ``luma_HW``.
    """

    frame_HWC: np.ndarray
    seconds: float
    number: int
    repeated: bool
    starts: bool
    thumb_HWC: np.ndarray
    drop: str = ""
    luma_HW: np.ndarray = field(init=False)
    contrast: float = field(init=False)

    def __post_init__(self) -> None:
        """Measure what several stages need."""
        self.luma_HW = self.thumb_HWC.astype(np.float32) @ _LUMA
        self.contrast = float(self.luma_HW.std())


def thumbnail(frame_HWC: np.ndarray) -> np.ndarray:
    """The frame (H, W, 3) averaged to uint8 (32, 32, 3)."""
    from PIL import Image

    if frame_HWC.shape[0] % THUMB_SIDE == 0 and frame_HWC.shape[1] % THUMB_SIDE == 0:
        blocks = frame_HWC.reshape(THUMB_SIDE, frame_HWC.shape[0] // THUMB_SIDE, THUMB_SIDE, -1, 3)
        return np.rint(blocks.mean((1, 3))).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(frame_HWC))
    return np.asarray(picture.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX))


def windows(samples: Iterable[ItemT], before: int, after: int) -> Iterator[tuple[list[ItemT], int]]:
    """Slide over the stream: each sample once, together with its neighbours.

    Args:
        samples: the stream; read ``after`` samples ahead.
        before: neighbours kept behind the sample.
        after: neighbours in front of it.

    Yields:
        (neighbourhood, place of the sample in it); shorter at both ends of the stream.
    """
    stream = iter(samples)
    near = list(islice(stream, after + 1))
    place = 0
    while place < len(near):
        yield near, place
        new = next(stream, None)
        if new is not None:
            near.append(new)
        place += 1
        if place > before:
            del near[0]
            place -= 1
