"""Where a world starts: a picture, a few frames, or a text, brought to the size that the world was trained on.

Pictures come from strangers, so sizes are checked from the header before anything is decoded, and only common
picture formats are opened.
"""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.core.errors import PlaygroundError, suggest
from playground.world.manifest import PromptFacts
from playground.world.sources import nearest_picture, nearest_text
from playground.world.text import check_text

if TYPE_CHECKING:
    from PIL import Image

    from playground.world.bundle import World

MAX_FILE_BYTES = 20_000_000
"""Largest picture file that is read."""

MAX_PIXELS = 16_000_000
"""Most pixels of a picture, width times height."""

MAX_FRAMES = 64
"""Most frames that are read from an animated picture or taken from an array (its last ones)."""

FAR = 2.0
"""Pictures at this distance or beyond are warned of. Frames of test levels stayed below 1.3 and 1.9 in two worlds."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_PICTURE_NAME = re.compile(r"\.(png|apng|jpe?g|webp|gif|bmp|tiff?|npy)(#\d+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Prompt:
    """A start for a world.

    Attributes:
        frames_THWC: uint8 (T, H, W, 3), oldest first; T is 0 for a text without a picture.
        text: what was asked for in words; empty for none.
        source: the source of the training data that it belongs to; empty where the world does not tell.
        distance: how far its picture is from frames that the world knows, 1.0 being as far as the 95th percentile of
            real frames; None for what was not measured: shipped prompts, texts, and worlds without measurements.
    """

    frames_THWC: np.ndarray
    text: str = ""
    source: str = ""
    distance: float | None = None

    @property
    def warning(self) -> str:
        """One line about a picture that the world has never seen the like of; empty for all others."""
        if self.distance is None or self.distance < FAR:
            return ""
        return (
            f"this picture looks unlike anything the world was trained on ({self.distance:.1f} times as far as its own"
            " frames); expect it to change quickly"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The frames, so that numpy takes a prompt where it takes frames."""
        return np.array(self.frames_THWC, dtype=dtype, copy=True)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], frame_size: int) -> Prompt:
        """Read a picture, an animated picture (each of its frames), or a frame of a clip dataset.

        Args:
            path: PNG, JPEG, WebP, GIF or BMP; or ``clips/0000.frames.npy#120`` for frame 120 of a shard.
            frame_size: side in pixels that frames are brought to.

        Raises:
            PlaygroundError: missing, too large, no picture, or damaged.
        """
        text = os.fspath(path)
        name, _, index = text.rpartition("#")
        if name.endswith(".npy") and index.isdigit():
            return cls.from_array(_shard_frame(Path(name), int(index)), frame_size)
        return cls(_read_picture(Path(text).expanduser(), frame_size))

    @classmethod
    def from_image(cls, image: Image.Image, frame_size: int) -> Prompt:
        """Use a PIL image of any size and mode; transparent parts become white.

        Raises:
            PlaygroundError: too many pixels, or damaged data.
        """
        _check_pixels(*image.size, "the image")
        return cls(_fit(image, frame_size)[None])

    @classmethod
    def from_array(cls, array: np.ndarray, frame_size: int) -> Prompt:
        """Use uint8 pixels: (H, W), (H, W, 3), (H, W, 4) or several frames (T, H, W, 3).

        Raises:
            PlaygroundError: another shape or type, or too many pixels.
        """
        from PIL import Image

        array = np.asarray(array)
        if array.dtype != np.uint8:
            raise PlaygroundError(
                f"prompt array has type {array.dtype}; give uint8 pixels in 0..255 (a float picture times 255)"
            )
        single = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (3, 4))
        if (not single and not (array.ndim == 4 and array.shape[-1] == 3)) or array.size == 0:
            raise PlaygroundError(f"prompt array has shape {array.shape}; give (H, W, 3) or frames (T, H, W, 3)")
        frames = array[None] if single else array[-MAX_FRAMES:]
        _check_pixels(frames.shape[2], frames.shape[1], "the prompt array")
        if frames.shape[1:] == (frame_size, frame_size, 3):
            return cls(np.array(frames, copy=True))
        return cls(np.stack([_fit(Image.fromarray(frame), frame_size) for frame in frames]))

    @classmethod
    def from_text(cls, text: str, world: World) -> Prompt:
        """Ask for a start in words.

        Raises:
            PlaygroundError: the world was trained without texts, or the text is empty or too long.
        """
        require_text(world)
        cleaned, size = check_text(text), world.frame_size
        if not cleaned:
            raise PlaygroundError(f"the text prompt is empty; say what to see, or {describe_prompts(world)}")
        return cls(np.zeros((0, size, size, 3), np.uint8), cleaned)

    @classmethod
    def of(cls, world: World, prompt: Any = None) -> Prompt:
        """Make a prompt from whatever a user gave.

        Args:
            world: decides the frame size, the shipped prompts and whether texts are understood.
            prompt: None (the first shipped prompt), the number of a shipped prompt from 0, its name, the name of a
                source (its first shipped prompt), a path, a text, a PIL image, a uint8 array, or a ``Prompt``.

        Raises:
            PlaygroundError: it cannot be used; the message says what can.
        """
        if isinstance(prompt, Prompt):
            return prompt
        if prompt is None:
            if not world.prompts:
                return cls(np.zeros((0, world.frame_size, world.frame_size, 3), np.uint8))
            return _shipped(world, 0)
        if isinstance(prompt, (int, np.integer)) and not isinstance(prompt, bool):
            if not 0 <= prompt < len(world.prompts):
                raise PlaygroundError(f"there is no prompt {prompt}; {describe_prompts(world)}")
            return _shipped(world, int(prompt))
        index = _named(world, prompt)
        if index is not None:
            return _shipped(world, index)
        if isinstance(prompt, str) and _numbered_like_shipped(world, prompt):
            close = suggest(prompt, [Path(path).stem for path in world.prompts])
            raise PlaygroundError(f"there is no prompt {prompt!r}; {describe_prompts(world)}.{close}")
        if isinstance(prompt, str) and not _means_file(prompt):
            return cls.from_text(prompt, world)
        if isinstance(prompt, (str, os.PathLike)):
            return cls.from_path(prompt, world.frame_size)
        if hasattr(prompt, "getbands"):
            return cls.from_image(prompt, world.frame_size)
        if hasattr(prompt, "__array__"):
            return cls.from_array(np.asarray(prompt), world.frame_size)
        raise PlaygroundError(
            f"a prompt is a text, a picture, a path, uint8 pixels or a number, not {type(prompt).__name__}"
        )


def opening(world: World, prompt: Any = None, seed: int = 0) -> Prompt:
    """A prompt with at least one frame, from whatever a user gave.

    A text (or nothing, in a world without shipped prompts) gets one frame that the world draws itself, and stays.
    Whatever the world did not ship is given the source that it is nearest to, and a picture its distance.

    Args:
        world: the world to start.
        prompt: see :meth:`Prompt.of`.
        seed: of a frame that has to be drawn.

    Raises:
        PlaygroundError: the prompt cannot be used.
    """
    made = Prompt.of(world, prompt)
    if len(made.frames_THWC):
        return _located(world, made)
    return _located(world, replace(made, frames_THWC=world.draw_first_frame(made.text, seed)[None]), drawn=True)


def prompt_frames(world: World, prompt: Any = None, seed: int = 0) -> np.ndarray:
    """The frames of :func:`opening`, uint8 (T, H, W, 3) with T at least 1."""
    return opening(world, prompt, seed).frames_THWC


def _shipped(world: World, index: int) -> Prompt:
    """Shipped prompt ``index``, with the caption that its frames were trained with."""
    path = Path(world.prompts[index])
    facts = world.manifest.prompt_facts.get(path.name, PromptFacts())
    prompt = Prompt.from_path(path, world.frame_size)
    # A caption without its embedding would need a text encoder, which is an optional package.
    return replace(prompt, text=facts.caption if facts.caption in world.captions else "", source=facts.source)


def _named(world: World, prompt: Any) -> int | None:
    """Which shipped prompt is meant by its path or name, or by the name of its source; None for anything else."""
    if isinstance(prompt, os.PathLike):
        prompt = os.fspath(prompt)
    if not isinstance(prompt, str):
        return None
    names = [{prompt} & {os.fspath(path), Path(path).stem} for path in world.prompts]
    owners = [world.manifest.prompt_facts.get(Path(path).name, PromptFacts()).source for path in world.prompts]
    found = [index for index, name in enumerate(names) if name] or [
        n for n, owner in enumerate(owners) if owner == prompt
    ]
    return found[0] if found and prompt else None


def _numbered_like_shipped(world: World, text: str) -> bool:
    """Whether a text is the name of a shipped prompt but for its number; drawn as a sentence it would mean nothing."""
    name, dash, number = text.rpartition("-")
    return bool(dash) and number.isdigit() and any(Path(path).stem.rpartition("-")[0] == name for path in world.prompts)


def _located(world: World, prompt: Prompt, drawn: bool = False) -> Prompt:
    """Add source and distance to a prompt with frames; a frame that the world drew itself is not warned of."""
    sources = getattr(world, "sources", {})
    if prompt.source or not sources:
        return prompt
    source = nearest_text(world, prompt.text) if drawn and prompt.text else ""
    distance = None
    if not source:
        source, distance = nearest_picture(world, prompt.frames_THWC[-1])
    if not source and len(sources) == 1:
        source = next(iter(sources))
    return replace(prompt, source=source, distance=None if drawn else distance)


def require_text(world: World) -> None:
    """Check that a world understands texts.

    Raises:
        PlaygroundError: it does not; the message says which prompts exist.
    """
    if world.prompt_dims == 0:
        raise PlaygroundError(
            f"world {world.name!r} was trained without texts and takes no text prompt; {describe_prompts(world)}"
        )


def describe_prompts(world: World) -> str:
    """One clause that tells what can be given as a prompt."""
    count = len(world.prompts)
    if count == 0:
        return "give a picture file"
    names = ", ".join(Path(path).stem for path in world.prompts[:12])
    more = ", ..." if count > 12 else ""
    return f"give a picture file or the number of one of its {count} prompts ({names}{more})"


def _means_file(text: str) -> bool:
    """Whether a string is rather a path than a sentence: it exists, or ends like a picture."""
    try:
        if not text.strip():
            return False  # an empty path is the working folder
        return Path(text).expanduser().exists() or _PICTURE_NAME.search(text) is not None
    except (OSError, ValueError, RuntimeError):
        return False


def _read_picture(path: Path, frame_size: int) -> np.ndarray:
    from PIL import Image

    if not path.is_file():
        kind = "is not a file" if path.exists() else "does not exist"
        raise PlaygroundError(f"prompt {path} {kind}; give a picture ({', '.join(FORMATS)})")
    try:
        with path.open("rb") as file:  # read once: what is checked is what is decoded
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PlaygroundError(f"prompt {path} cannot be read ({error.strerror})") from error
    if len(data) > MAX_FILE_BYTES:
        raise PlaygroundError(f"prompt {path} is larger than {MAX_FILE_BYTES // 1_000_000} MB; save it smaller")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own, lower limit follows
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_pixels(*image.size, f"prompt {path}")
                frames = []
                for index in range(min(getattr(image, "n_frames", 1), MAX_FRAMES)):
                    image.seek(index)
                    frames.append(_fit(image, frame_size))
    except Image.UnidentifiedImageError:
        raise PlaygroundError(
            f"prompt {path} is not a picture that can be read; give one of {', '.join(FORMATS)}"
        ) from None
    except Image.DecompressionBombError:
        raise PlaygroundError(_too_many(f"prompt {path}")) from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise PlaygroundError(f"prompt {path} is damaged ({error}); save the picture again") from error
    return np.stack(frames)


def _check_pixels(width: int, height: int, what: str) -> None:
    if width * height > MAX_PIXELS:
        raise PlaygroundError(_too_many(what, f"{width} x {height}"))
    if width < 1 or height < 1:
        raise PlaygroundError(f"{what} is empty ({width} x {height} pixels)")


def _too_many(what: str, size: str = "far too many") -> str:
    return f"{what} has {size} pixels; scale it down to at most {MAX_PIXELS // 1_000_000} megapixels"


def _fit(image: Image.Image, frame_size: int) -> np.ndarray:
    """Cut the largest centred square out of an image and scale it: uint8 (frame_size, frame_size, 3)."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey; PIL would clip it to white
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(paper, image)
    image = image.convert("RGB")
    if image.size != (frame_size, frame_size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        image = image.resize((frame_size, frame_size), Image.Resampling.LANCZOS, box=box)
    return np.asarray(image, dtype=np.uint8)


def _shard_frame(path: Path, index: int) -> np.ndarray:
    try:
        shard = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise PlaygroundError(f"prompt {path} does not exist; give a frames file of a clip dataset") from None
    except (OSError, ValueError, EOFError) as error:
        raise PlaygroundError(f"prompt {path} is no frames file of a clip dataset ({error})") from error
    if shard.ndim != 4 or not index < len(shard):
        raise PlaygroundError(f"prompt {path} has shape {shard.shape}; frame {index} is not in it")
    return np.array(shard[index])
