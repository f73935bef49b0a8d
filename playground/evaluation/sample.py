"""Which true clips a world is measured on, and what is known about them: source, recorded actions, captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError


@dataclass(frozen=True)
class Sample:
    """B true clips of T frames.

    Attributes:
        clips_BTHWC: uint8 frames.
        labels_BT: int64 recorded action that produced each frame, -1 where not known.
        captions: caption of each clip, ``""`` for none.
        sources_B: name of the source of each clip.
    """

    clips_BTHWC: np.ndarray
    labels_BT: np.ndarray
    captions: list[str]
    sources_B: np.ndarray

    @property
    def sources(self) -> list[str]:
        """Names of the sources, in order of appearance."""
        return list(dict.fromkeys(self.sources_B.tolist()))

    def rows(self, source: str) -> np.ndarray:
        """Which clips come from ``source``, bool ``(B,)``."""
        return self.sources_B == source

    def some(self, rows: Sequence[int] | np.ndarray) -> Sample:
        """The clips at the places ``rows``, in that order."""
        captions = [self.captions[row] for row in rows]
        return Sample(self.clips_BTHWC[rows], self.labels_BT[rows], captions, self.sources_B[rows])


def open_sources(data: Any, lengths: Sequence[int]) -> tuple[dict[str, Any], int, list[str]]:
    """Open the data as one dataset a source, with the longest windows that all of them allow.

    Args:
        data: a ``ClipDataset`` (or anything with ``len`` and ``window``), a folder, or a list of folders.
        lengths: window lengths to try, best first.

    Returns:
        Source name to dataset, the window length that was possible for all of them, and the sources whose episodes
        are too short for more, none when it is the first of ``lengths``.

    Raises:
        PlaygroundError: a folder that is no dataset, or not even the shortest windows fit.
    """
    if len(getattr(data, "sources", ())) > 1:
        data, lengths = data.folders, [data.length]
    if hasattr(data, "window"):
        name = str(getattr(getattr(data, "info", None), "source", "data"))
        return {name: data}, _length_of(data), []
    from playground.data.dataset import ClipDataset
    from playground.data.format import load_info

    folders: dict[str, list[Path]] = {}
    for folder in [data] if isinstance(data, (str, Path)) else list(data):
        folders.setdefault(load_info(folder).source, []).append(Path(folder))
    short: list[str] = []
    sources: dict[str, Any] = {}
    for length in lengths:
        limited = []
        for source, paths in folders.items():
            try:
                sources[source] = ClipDataset(paths, length)
            except PlaygroundError:
                if length == lengths[-1]:
                    raise
                limited.append(source)
        if not limited:
            return sources, length, short
        short = limited
    raise ValueError("no window length given")


def _length_of(dataset: Any) -> int:
    if len(dataset) == 0:
        raise PlaygroundError("the dataset has no clip that is long enough; collect longer episodes")
    return int(np.asarray(dataset.window(0).frames_BTHWC).shape[1])


def draw_sample(sources: Mapping[str, Any], count: int) -> Sample:
    """``count`` clips in all, an equal part from each source, spread evenly over its windows."""
    parts = [_spread(source, dataset, -(-count // len(sources))) for source, dataset in sources.items()]
    sizes = {part.clips_BTHWC.shape[1:] for part in parts}
    if len(sizes) > 1:
        raise PlaygroundError(f"the datasets have different frame sizes; evaluate them one by one (found {sizes})")
    return Sample(
        np.concatenate([part.clips_BTHWC for part in parts]),
        np.concatenate([part.labels_BT for part in parts]),
        [caption for part in parts for caption in part.captions],
        np.concatenate([part.sources_B for part in parts]),
    )


def _spread(source: str, dataset: Any, count: int) -> Sample:
    picks = np.unique(np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(np.int64))
    windows = [dataset.window(int(index)) for index in picks]
    clips = np.stack([np.asarray(window.frames_BTHWC)[0] for window in windows])
    unknown = np.full(clips.shape[:2], -1, np.int64)
    labels = [getattr(window, "actions_BT", unknown[:1])[0] for window in windows]
    captions = [_first_caption(dataset, window) for window in windows]
    return Sample(clips, np.stack(labels).astype(np.int64), captions, np.full(len(clips), source, dtype=object))


def _first_caption(dataset: Any, window: Any) -> str:
    """What is true at the first frame: the caption of a later one would tell the world of an event before it comes."""
    if not hasattr(window, "caption_ids_BT"):
        return ""
    first = int(window.caption_ids_BT[0, 0])
    return str(dataset.captions[first]) if first >= 0 else ""


def fit_size(clips_BTHWC: np.ndarray, size: int) -> np.ndarray | None:
    """Clips at the world's frame size: as they are, averaged down by a whole factor, or None when that is impossible.

    Frames are never enlarged: a blurred truth would flatter a blurred world.
    """
    height, width = clips_BTHWC.shape[2:4]
    factor = height // size if size else 0
    if (height, width) == (size, size):
        return clips_BTHWC
    if height != width or factor < 2 or height != factor * size:
        return None
    shape = (*clips_BTHWC.shape[:2], size, factor, size, factor, 3)
    return np.stack([clip.mean(axis=(2, 4)).round().astype(np.uint8) for clip in clips_BTHWC.reshape(shape)])


def fit_sample(world: Any, sample: Sample) -> Sample:
    """The sample at the world's frame size.

    Raises:
        PlaygroundError: its frames are smaller, or no whole multiple of it.
    """
    return Sample(fit_clips(world, sample.clips_BTHWC), sample.labels_BT, sample.captions, sample.sources_B)


def fit_clips(world: Any, clips_BTHWC: np.ndarray) -> np.ndarray:
    """Clips at the world's frame size; raises as ``fit_sample`` does."""
    size = int(world.frame_size)
    fitted = fit_size(clips_BTHWC, size)
    if fitted is None:
        height, width = clips_BTHWC.shape[2:4]
        raise PlaygroundError(
            f"the dataset has {width}x{height} pixel frames but world {world.name!r} needs {size}x{size}; "
            "collect or import the data at that size or a whole multiple of it"
        )
    return fitted
