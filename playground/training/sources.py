"""What a bundle holds of one source of its training data: prompts with captions, keys, pace, looks and texts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.dataset import ClipDataset
from playground.evaluation.metrics import dominant_shift
from playground.training.prompts import PromptTable, load_prompts
from playground.world.actions import ActionBook
from playground.world.sources import MIN_LOOK_FRAMES, Look, Source, measure_look, picture_features

LOGGER = logging.getLogger("playground.training")

PROMPT_FRAMES = 4
"""Consecutive frames in a prompt: enough to show which way things move."""

ROOM_FRAMES = 32
"""True frames after a prompt that show whether there is room to move both ways."""

LOOK_FRAMES = 1024
"""Frames that show how a source looks, spread evenly over its training data."""

_CANDIDATES = 256
_CHUNK = 64
_ROOM_SIDE = 64
"""Larger pictures are thinned to about this many pixels before their motion is found: it takes most of the time."""


@dataclass(frozen=True)
class PackedSource:
    """One source as :func:`playground.world.bundle.save_world` takes it.

    Attributes:
        source: keys, pace, looks and mean text.
        prompts: uint8 (T, H, W, 3) each.
        captions: text of each prompt, empty for none.
        embeddings: float32 (P,) of each caption.
    """

    source: Source
    prompts: list[np.ndarray]
    captions: list[str]
    embeddings: dict[str, np.ndarray]


@dataclass(frozen=True)
class TextOptions:
    """How the texts of a run were embedded.

    Attributes:
        encoder: name of the encoder, None for a run without texts.
        dims: P, 0 for a run without texts.
    """

    encoder: str | None
    dims: int


def pack_source(
    name: str,
    book: Path,
    tokenizer: Any,
    trained: Sequence[Path],
    held_out: Sequence[Path],
    prompts: int,
    texts: TextOptions,
) -> PackedSource:
    """Collect what a bundle holds of a source.

    Args:
        name: of the source, for progress bars.
        book: its action book, which may be missing.
        tokenizer: the trained one.
        trained: its training data.
        held_out: data that its prompts come from.
        prompts: how many.
        texts: how the run embedded texts.
    """
    clips = _prompt_clips(list(held_out))
    chosen = choose_prompts(clips, prompts, name)
    pictures = [clips.window(index).frames_BTHWC[0, :PROMPT_FRAMES] for index in chosen]
    ids = clips.caption_ids_T[clips.starts_W[chosen] + PROMPT_FRAMES - 1]
    table = _prompt_table(clips, texts)
    captions = [clips.captions[index] if index >= 0 and table is not None else "" for index in ids.tolist()]
    rows = [] if table is None else list(table.plain(ids))
    embeddings = {text: row_P for text, row_P in zip(captions, rows, strict=False) if text}
    data = ClipDataset(trained, length=1)
    words = _prompt_table(data, texts)
    source = Source(
        actions=ActionBook.load(book) if book.is_file() else None,
        fps=data.info.fps,
        look=source_look(tokenizer, data, name),
        text_P=None if words is None else words.rows_RP[:-1].mean(axis=0),
    )
    return PackedSource(source, pictures, captions, embeddings)


def source_look(tokenizer: Any, dataset: Any, name: str = "") -> Look | None:
    """How the frames of a dataset look to a tokenizer; None for fewer than ``MIN_LOOK_FRAMES`` frames."""
    from tqdm import tqdm

    if dataset.num_frames < MIN_LOOK_FRAMES:
        return None
    places = np.unique(np.linspace(0, dataset.num_frames - 1, LOOK_FRAMES).astype(np.int64))
    features, errors = [], []
    for low in tqdm(range(0, len(places), _CHUNK), desc=f"measuring {name}", unit="batch", delay=2, leave=False):
        frames = np.concatenate([dataset.frames(at, at + 1) for at in places[low : low + _CHUNK].tolist()])
        features_TF, error_T = picture_features(tokenizer, frames)
        features.append(features_TF)
        errors.append(error_T)
    return measure_look(np.concatenate(features), np.concatenate(errors))


def choose_prompts(dataset: Any, count: int, name: str = "") -> list[int]:
    """Pick varied windows to start a world from, the same ones every time.

    Of windows spread over the dataset the sixteenth with the most room to move stays: where the true player went
    both ways soon after. From these each next pick is the one whose first picture is farthest from all earlier ones.

    Args:
        dataset: a ``ClipDataset`` of windows of ``PROMPT_FRAMES + ROOM_FRAMES`` frames; shorter ones say nothing of
            the room, and all of them stay.
        count: how many; fewer when the dataset has fewer windows.
        name: what the progress bar shows.

    Returns:
        Numbers of windows.
    """
    from tqdm import tqdm

    picks = np.unique(np.linspace(0, len(dataset) - 1, min(_CANDIDATES, len(dataset))).astype(np.int64))
    firsts, rooms, thin = [], [], max(1, dataset.info.size // _ROOM_SIDE)
    for index in tqdm(picks.tolist(), desc=f"choosing {name}", unit="clip", delay=2, leave=False):
        clip = np.asarray(dataset.window(index).frames_BTHWC)[0]
        firsts.append(clip[0].copy())
        rooms.append(room_to_move(clip[PROMPT_FRAMES - 1 :, ::thin, ::thin]))
    room = np.array(rooms)
    least = np.sort(room)[-max(min(count, len(picks)), len(picks) // 16)]
    picks, looks = picks[room >= least], _thumbnails(np.stack(firsts)[room >= least])
    chosen = [int(np.argmin(((looks - looks.mean(axis=0)) ** 2).sum(axis=1)))]
    while len(chosen) < min(count, len(picks)):
        distance = ((looks[:, None] - looks[chosen][None]) ** 2).sum(axis=2).min(axis=1)
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return [int(picks[index]) for index in chosen]


def room_to_move(clip_THWC: np.ndarray) -> float:
    """How far the picture scrolls to its lesser side from the first frame on, pixels; 0 if only one way is open."""
    reach = min(6, clip_THWC.shape[1] // 8)
    steps = [dominant_shift(a, b, reach)[0] for a, b in zip(clip_THWC[:-1], clip_THWC[1:], strict=True)]
    place = np.cumsum([0.0, *steps])
    return float(min(place.max(), -place.min()))


def _prompt_clips(folders: list[Path]) -> ClipDataset:
    """Clips that show the room around a prompt, or bare prompts where all episodes are shorter."""
    with contextlib.suppress(PlaygroundError):
        return ClipDataset(folders, length=PROMPT_FRAMES + ROOM_FRAMES)
    return ClipDataset(folders, length=PROMPT_FRAMES)


def _prompt_table(dataset: ClipDataset, texts: TextOptions) -> PromptTable | None:
    """Embeddings of a dataset's captions; None where the run took no texts, or embedded them in another way."""
    if not texts.dims or texts.encoder is None:
        return None
    table = load_prompts(dataset, texts.dims)
    if table is not None and table.encoder != texts.encoder:
        LOGGER.warning(
            "captions of %s are left out: they are embedded by %r, the run learned with %r; run: playground data"
            " embed %s",
            dataset.folders[0],
            table.encoder,
            texts.encoder,
            dataset.folders[0],
        )
        return None
    return table


def _thumbnails(pictures_BHWC: np.ndarray) -> np.ndarray:
    """Colours of an 8x8 grid, float32 ``(B, 192)``."""
    batch, height, width, channels = pictures_BHWC.shape
    tall, wide = max(1, height // 8), max(1, width // 8)
    cut = pictures_BHWC[:, : tall * (height // tall), : wide * (width // wide)].astype(np.float32)
    grid = cut.reshape(batch, height // tall, tall, width // wide, wide, channels).mean(axis=(2, 4))
    return grid.reshape(batch, -1)
