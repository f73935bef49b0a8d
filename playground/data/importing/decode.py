"""Reads video files that nobody vouches for: damaged, cut short, renamed, without timestamps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MIN_SIDE = 8
MAX_PIXELS = 8192 * 4320
MAX_ASPECT = 20.0
_WAIT_FOR_KEY_SECONDS = 10.0
_MAX_SECONDS = 48 * 3600.0  # a header that claims more is wrong
# Formats that hold pictures themselves. Play lists and scripts name other files or addresses and are not opened.
_FORMATS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,h264,hevc,m4v,ivf,gif"


class UnreadableVideo(Exception):
    """A file that holds no usable video; the message says why, in a few words."""


@dataclass(frozen=True)
class Decoded:
    """One decoded picture.

    Attributes:
        frame: the picture as PyAV gives it.
        seconds: when it is shown, from the start of the file's clock.
        broken: what was before it is missing or damaged, so that it does not continue the frame before.
    """

    frame: VideoFrame
    seconds: float
    broken: bool


class Video:
    """An open video file. Use it as a context manager.

    Attributes:
        width: coded width in pixels, before any rotation.
        height: coded height in pixels.
        fps: average frames per second of the file, 0 when it does not say.
        seconds: length that the file claims, 0 when it does not say or claims more than two days.
        pixel_aspect: width of a pixel divided by its height.
        damaged: number of packets and frames that could not be decoded so far.
        end: time of the last decoded frame so far, from the start of the video, plus that frame's duration.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path``.

        Raises:
            UnreadableVideo: not a video, no picture track, or a size that cannot be handled.
        """
        import av

        self._errors = av.FFmpegError
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        try:
            self._container = av.open(str(path.resolve()), options=options, metadata_errors="ignore")
        except (av.FFmpegError, ValueError) as error:
            raise UnreadableVideo(f"not a video, or cut off before its index ({_reason(error)})") from error
        try:
            self._stream = self._choose_stream()
        except UnreadableVideo:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        # Each thread of the decoder holds pictures of full size.
        self._stream.codec_context.thread_count = min(8, os.cpu_count() or 1)
        self.fps = float(self._stream.average_rate or self._stream.base_rate or 0)
        self.seconds = self._claimed_seconds()
        aspect = float(self._stream.sample_aspect_ratio or 1)
        self.pixel_aspect = aspect if 0.1 <= aspect <= 10 else 1.0
        self.damaged = 0
        self.end = 0.0

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def cut_short(self) -> bool:
        """Whether decoding ended clearly before the length that the file claims."""
        return self.seconds - self.end > max(0.5, 0.02 * self.seconds)

    def frames(self) -> Iterator[Decoded]:
        """Every frame that decodes without damage, in the order of showing.

        After damage everything up to the next key frame (for 10 s at most) is left out: those frames decode, but they
        are built on pictures that never arrived.
        """
        step = 1 / self.fps if 0 < self.fps < 1000 else 1 / 25
        start: float | None = None
        last = -step
        broken, damaged_at = False, None
        for packet in self._packets():
            try:
                frames = packet.decode()
            except self._errors:
                self.damaged, damaged_at = self.damaged + 1, last
                continue
            for frame in frames:
                seconds = last + step if frame.time is None else frame.time
                last = seconds
                if frame.is_corrupt:
                    self.damaged, damaged_at = self.damaged + 1, seconds
                    continue
                if damaged_at is not None:
                    if not frame.key_frame and 0 <= seconds - damaged_at < _WAIT_FOR_KEY_SECONDS:
                        continue
                    broken, damaged_at = True, None
                start = seconds if start is None else start
                self.end = max(self.end, seconds - start + step)
                yield Decoded(frame, seconds, broken)
                broken = False

    def spread_frames(self, count: int) -> Iterator[VideoFrame]:
        """About ``count`` frames from all over the file; fewer when it is short or does not seek.

        Files of a minute at most are decoded from the start; longer ones are entered at key frames.
        """
        if self.seconds > 60:
            yield from self._seek_frames(count)
            return
        gap, due = (self.seconds or 60) / count, float("-inf")
        for decoded in self.frames():
            if decoded.seconds >= due:
                due = decoded.seconds + gap
                yield decoded.frame
            if self.end > 60:
                return

    def _seek_frames(self, count: int) -> Iterator[VideoFrame]:
        first = self._container.start_time or 0
        for number in range(count):
            target = first + int((number + 0.5) / count * self.seconds * 1_000_000)
            try:
                self._container.seek(target)
                yield next(self._container.decode(self._stream))
            except (self._errors, OverflowError, StopIteration):
                continue

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._errors:
                self.damaged += 1
                return
            yield packet

    def _choose_stream(self) -> Any:
        import av

        pictures = av.stream.Disposition.attached_pic
        streams = [stream for stream in self._container.streams.video if not stream.disposition & pictures]
        if not streams:
            raise UnreadableVideo("has no video track")
        # FFmpeg names the codec of a track that it cannot decode, but has no context for it.
        streams = [stream for stream in streams if stream.codec_context is not None]
        if not streams:
            raise UnreadableVideo("no decoder for this video")
        stream = max(streams, key=lambda item: (item.codec_context.width or 0) * (item.codec_context.height or 0))
        width, height = stream.codec_context.width, stream.codec_context.height
        check_picture_size(width, height)
        self.width, self.height = width, height
        return stream

    def _claimed_seconds(self) -> float:
        stream = self._stream
        claims = [(self._container.duration or 0) / 1_000_000]
        if stream.duration and stream.time_base:
            claims.insert(0, float(stream.duration * stream.time_base))
        return next((seconds for seconds in claims if 0 < seconds <= _MAX_SECONDS), 0.0)


def check_picture_size(width: int, height: int) -> None:
    """Refuse pictures that are too small to show anything or too large to hold.

    Raises:
        UnreadableVideo: the size, and what is possible.
    """
    if min(width, height) < MIN_SIDE:
        raise UnreadableVideo(f"pictures of {width}x{height} are too small, {MIN_SIDE} pixels a side are needed")
    if width * height > MAX_PIXELS:
        raise UnreadableVideo(f"pictures of {width}x{height} are too large, 8192x4320 is the most")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UnreadableVideo(f"pictures of {width}x{height} are a strip, {MAX_ASPECT:.0f}:1 is the most")


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())
