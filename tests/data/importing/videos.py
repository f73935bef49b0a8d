"""Small videos with known content: pictures that move, and files that real cameras and broken disks leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image


def scene(seed: int, frames: int, width: int = 96, height: int = 96, speed: float = 2.0) -> np.ndarray:
    """A colourful texture that pans, uint8 (T, H, W, 3). Another seed is another place."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, 3)
    reach = int(np.ceil(speed * frames)) + 1
    coarse = rng.integers(-110, 111, (height // 12 + 2, (width + reach) // 12 + 2, 3))
    texture = np.clip(base + coarse, 0, 255).astype(np.uint8)
    large = Image.fromarray(texture).resize((width + reach, height), Image.Resampling.BICUBIC)
    wide = np.asarray(large)
    starts = [int(speed * t) for t in range(frames)]
    return np.stack([wide[:, start : start + width] for start in starts])


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: float = 15.0,
    seconds: Sequence[float] | None = None,
    codec: str = "libx264",
    rotation: int = 0,
    gop: int = 30,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode frames (uint8, H x W x 3); ``seconds`` gives every frame its own time."""
    import av

    container = av.open(str(path), "w", options=options or {})
    stream = None
    for number, frame in enumerate(frames):
        if stream is None:
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = frame.shape[:2]
            odd = any(side % 2 for side in frame.shape[:2])
            stream.pix_fmt = "yuv444p" if odd else "yuv420p"
            stream.codec_context.gop_size = gop
            stream.codec_context.time_base = Fraction(1, 12000)
            if codec == "libx264":
                stream.options = {"preset": "ultrafast", "crf": "18"}
            if rotation:
                stream.set_display_rotation(rotation)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts = round((number / fps if seconds is None else seconds[number]) * 12000)
        picture.time_base = Fraction(1, 12000)
        container.mux(stream.encode(picture))
    if stream is not None:
        container.mux(stream.encode(None))
    container.close()
    return path
