"""From a decoded picture of any size, shape and rotation to the small square frame of a dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from playground.data.importing.decode import UnreadableVideo, check_picture_size

if TYPE_CHECKING:
    from av.sidedata.sidedata import SideDataContainer
    from av.video.frame import VideoFrame

Fit = Literal["crop", "letterbox"]


@dataclass(frozen=True)
class Box:
    """The part of a picture that shows something, as shares (0..1) of its coded width and height."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether nothing is cut off."""
        return (self.left, self.top, self.right, self.bottom) == (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Plan:
    """How pictures of one size become frames: scale the whole picture, then take a window of it.

    Attributes:
        width: of the whole picture after scaling, in pixels.
        height: of the whole picture after scaling.
        left: first column of the window.
        top: first row of the window.
        window_width: columns of the window, at most the frame size.
        window_height: rows of the window, at most the frame size.
    """

    width: int
    height: int
    left: int
    top: int
    window_width: int
    window_height: int


def plan_framing(width: int, height: int, pixel_aspect: float, box: Box, fit: Fit, size: int) -> Plan:
    """Choose scale and window so that the content fills the frame (crop) or fits into it (letterbox).

    Args:
        width: coded width of the picture.
        height: coded height of the picture.
        pixel_aspect: width of a pixel divided by its height.
        box: the part that shows something.
        fit: ``"crop"`` takes the square in the middle, ``"letterbox"`` keeps everything.
        size: side of the frame in pixels.
    """
    shown_width, shown_height = width * pixel_aspect, float(height)
    content_width = shown_width * (box.right - box.left)
    content_height = shown_height * (box.bottom - box.top)
    fitted = min(content_width, content_height) if fit == "crop" else max(content_width, content_height)
    # Two pixels more than needed where a border was cut: a window on whole pixels then never touches the border.
    # A letterbox has bars around the content anyway, and shows all of it.
    spare = 2 if fit == "crop" and not box.whole else 0
    scale = (size + spare) / fitted
    out_width = size if fit == "crop" else max(1, round(size * content_width / fitted))
    out_height = size if fit == "crop" else max(1, round(size * content_height / fitted))
    full_width, full_height = max(out_width, round(shown_width * scale)), max(out_height, round(shown_height * scale))
    return Plan(
        full_width,
        full_height,
        _place(full_width, box.left, box.right, out_width),
        _place(full_height, box.top, box.bottom, out_height),
        out_width,
        out_height,
    )


def _place(full: int, low: float, high: float, length: int) -> int:
    """First pixel of a window of ``length`` in the middle of the content ``low``..``high`` of ``full`` pixels."""
    first, last = math.ceil(low * full - 1e-6), math.floor(high * full + 1e-6) - length
    middle = round((low + high) / 2 * full - length / 2)
    # A letterbox window may be a fraction of a pixel longer than the content; then the middle is best.
    place = min(max(middle, first), last) if first <= last else middle
    return min(max(place, 0), full - length)


class Framer:
    """Turns decoded pictures into frames; keeps the scaler of the last picture size.

    Attributes:
        content: rows and columns of a frame that hold the picture (everything but letterbox bars).
    """

    def __init__(self, size: int, fit: Fit, box: Box, pixel_aspect: float, turn: np.ndarray) -> None:
        """Prepare frames of ``size`` pixels.

        Args:
            size: side of a frame in pixels.
            fit: see :func:`plan_framing`.
            box: the part of each picture that shows something.
            pixel_aspect: width of a pixel divided by its height.
            turn: int (2, 2) display matrix as of :func:`display_turn`.
        """
        from av.video.reformatter import VideoReformatter

        self._scaler = VideoReformatter()
        self._size, self._fit, self._box, self._pixel_aspect, self._turn = size, fit, box, pixel_aspect, turn
        self._plans: dict[tuple[int, int], Plan] = {}
        self.content = (slice(0, size), slice(0, size))

    def __call__(self, picture: VideoFrame) -> np.ndarray:
        """The frame, uint8 (size, size, 3), upright.

        Raises:
            UnreadableVideo: the picture changed to a size that cannot be handled, or has colours that FFmpeg cannot
                convert.
        """
        import av
        from av.video.reformatter import Interpolation

        plan = self._plan(picture.width, picture.height)
        shrinks = plan.width <= picture.width and plan.height <= picture.height
        # Area averaging is exact for shrinking; for enlarging it would show blocks. Without full chroma two
        # neighbouring pixels of the small frame would share one colour.
        flags = (Interpolation.AREA if shrinks else Interpolation.BICUBIC) | Interpolation.FULL_CHR_H_INT
        try:
            scaled = self._scaler.reformat(
                picture, width=plan.width, height=plan.height, format="rgb24", interpolation=int(flags)
            ).to_ndarray()
        except av.FFmpegError as error:
            raise UnreadableVideo(f"pictures of format {picture.format.name} cannot be converted") from error
        window = scaled[plan.top : plan.top + plan.window_height, plan.left : plan.left + plan.window_width]
        window = turn_upright(window, self._turn)
        size, (height, width) = self._size, window.shape[:2]
        if (height, width) == (size, size):
            self.content = (slice(0, size), slice(0, size))
            return np.ascontiguousarray(window)
        frame_HWC = np.zeros((size, size, 3), np.uint8)
        top, left = (size - height) // 2, (size - width) // 2
        self.content = (slice(top, top + height), slice(left, left + width))
        frame_HWC[self.content] = window
        return frame_HWC

    def _plan(self, width: int, height: int) -> Plan:
        plan = self._plans.get((width, height))
        if plan is None:
            check_picture_size(width, height)
            plan = plan_framing(width, height, self._pixel_aspect, self._box, self._fit, self._size)
            self._plans = {(width, height): plan}
        return plan


def display_turn(picture: VideoFrame) -> np.ndarray:
    """How a picture has to be turned to stand upright, int (2, 2): one of the eight turns and flips of a square.

    Row 0 says where the x axis of the stored picture points (x, y), row 1 where its y axis points. Phones store every
    video as the sensor sees it and write this matrix beside it (ISO/IEC 14496-12, track header).
    """
    upright = np.eye(2, dtype=np.int64)
    # PyAV's stubs promise a dictionary; it is a container of entries.
    for side in cast("SideDataContainer", picture.side_data):
        if getattr(side.type, "name", "") == "DISPLAYMATRIX":
            values = np.frombuffer(bytes(side), np.int32)
            if len(values) < 9:
                return upright
            matrix = values[:9].reshape(3, 3)[:2, :2].astype(np.float64)
            if abs(matrix[0, 0]) >= abs(matrix[0, 1]):
                matrix[0, 1] = matrix[1, 0] = 0
            else:
                matrix[0, 0] = matrix[1, 1] = 0
            turn = np.sign(matrix).astype(np.int64)
            return turn if abs(turn).sum() == 2 else upright
    return upright


def turn_upright(window_HWC: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Apply :func:`display_turn` to a picture (H, W, C)."""
    if turn[0, 0] == 0:
        window_HWC = window_HWC.transpose(1, 0, 2)
        flip_x, flip_y = turn[1, 0] < 0, turn[0, 1] < 0
    else:
        flip_x, flip_y = turn[0, 0] < 0, turn[1, 1] < 0
    return window_HWC[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
