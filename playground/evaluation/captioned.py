"""Single frames of clip datasets with their captions, and the moments at which captions change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.evaluation.sample import fit_size


@dataclass(frozen=True)
class CaptionedFrames:
    """B real frames with what is true at each.

    Attributes:
        frames_BHWC: uint8, at the world's frame size.
        caption_B: int64 id in ``captions``.
        episode_B: int64 number of the episode, unique over all sources.
        captions: texts of all sources, one source after the other; a text of two sources is there twice.
        source_K: name of the source of each caption.
    """

    frames_BHWC: np.ndarray
    caption_B: np.ndarray
    episode_B: np.ndarray
    captions: list[str]
    source_K: np.ndarray

    @property
    def source_B(self) -> np.ndarray:
        """Name of the source of each frame."""
        return self.source_K[self.caption_B]

    @property
    def sources(self) -> list[str]:
        """Names of the sources that have frames, in order."""
        return list(dict.fromkeys(self.source_B.tolist()))

    def caption_id(self, source: str, caption: str) -> int:
        """Id of a caption of a source."""
        first = int(np.argmax(self.source_K == source))
        return self.captions.index(caption, first)


@dataclass(frozen=True)
class Event:
    """A change of the text that the data knows, put to a clip in which nothing changes.

    Attributes:
        clip_THWC: uint8 real frames in which ``before`` holds throughout.
        before: caption of the clip.
        after: caption that follows it somewhere in the data.
        source: where it comes from.
    """

    clip_THWC: np.ndarray
    before: str
    after: str
    source: str


def has_captions(dataset: Any) -> bool:
    """Whether frames with captions can be read from a dataset."""
    return bool(getattr(dataset, "captions", None)) and bool(
        np.any(np.asarray(getattr(dataset, "caption_ids_T", -1)) >= 0)
    )


def captioned_frames(sources: Mapping[str, Any], count: int, size: int, seed: int) -> CaptionedFrames:
    """Draw up to ``count`` captioned frames of each source.

    Frames are drawn in inverse proportion to the root of how often their caption occurs in their episode, so that
    short moments are there as well.

    Args:
        sources: source name to a dataset that ``has_captions``.
        count: frames of a source.
        size: frame size of the world; larger frames are averaged down.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    captions: list[str] = []
    frames, labels, episodes, owners = [], [], [], []
    for number, (source, dataset) in enumerate(sources.items()):
        caption_T, episode_T = dataset.caption_ids_T, np.cumsum(dataset.first_T)
        told = np.flatnonzero(caption_T >= 0)
        cells = episode_T[told] * len(dataset.captions) + caption_T[told]
        _, cell, often = np.unique(cells, return_inverse=True, return_counts=True)
        weights = 1.0 / np.sqrt(often[cell])
        picks = np.sort(rng.choice(told, min(len(told), count), replace=False, p=weights / weights.sum()))
        frames.append(_at_size(np.stack([dataset.frames(int(t), int(t) + 1)[0] for t in picks])[None], size)[0])
        labels.append(caption_T[picks].astype(np.int64) + len(captions))
        episodes.append(episode_T[picks] + number * (1 << 32))
        captions += dataset.captions
        owners += [source] * len(dataset.captions)
    return CaptionedFrames(
        np.concatenate(frames), np.concatenate(labels), np.concatenate(episodes), captions, np.array(owners, object)
    )


def find_events(
    source: str, dataset: Any, count: int, length: int, size: int, seed: int, known: set[str]
) -> list[Event]:
    """Up to ``count`` changes of caption, as often each as in the data, on clips of ``length`` frames without change.

    Args:
        source: name of the source.
        dataset: one that ``has_captions``.
        count: events.
        length: frames of a clip.
        size: frame size of the world.
        seed: of the draw.
        known: captions that may come before or after.
    """
    rng, caption_T = np.random.default_rng(seed), dataset.caption_ids_T
    starts = np.flatnonzero(dataset.first_T | (np.diff(caption_T, prepend=-2) != 0))
    lengths = np.diff(np.append(starts, len(caption_T)))
    usable = np.array([index >= 0 and dataset.captions[index] in known for index in caption_T[starts]], bool)
    long = usable & (lengths >= length)
    changes = [
        (int(run), int(run) + 1)
        for run in range(len(starts) - 1)
        if usable[run] and usable[run + 1] and not dataset.first_T[starts[run + 1]]
    ]
    changes = [pair for pair in changes if (long & (caption_T[starts] == caption_T[starts[pair[0]]])).any()]
    found = []
    for index in rng.permutation(len(changes))[:count].tolist():
        before, after = (int(caption_T[starts[run]]) for run in changes[index])
        run = int(rng.choice(np.flatnonzero(long & (caption_T[starts] == before))))
        low = int(starts[run] + rng.integers(0, lengths[run] - length + 1))
        clip = _at_size(np.asarray(dataset.frames(low, low + length))[None], size)[0]
        found.append(Event(clip, dataset.captions[before], dataset.captions[after], source))
    return found


def _at_size(clips_BTHWC: np.ndarray, size: int) -> np.ndarray:
    fitted = fit_size(clips_BTHWC, size)
    if fitted is None:
        raise ValueError(f"frames of {clips_BTHWC.shape[3]} pixels do not fit a world of {size}")
    return fitted
