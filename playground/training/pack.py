"""Turns a finished training run into a world bundle to play: parts, actions, prompts and card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.component import load_component
from playground.core.config import config_to_dict
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, LATENT_ACTION_MODELS, TOKENIZERS
from playground.data.format import load_info

PROMPT_FRAMES = 4
"""Consecutive frames in a prompt: enough to show which way things move."""

_CANDIDATES = 256


def choose_prompts(dataset: Any, count: int) -> list[np.ndarray]:
    """Pick varied clips to start a world from, uint8 ``(T, H, W, 3)`` each, the same ones every time.

    Of clips spread over the dataset the half with more motion stays (where something can be steered); from
    these each next pick is the one whose first picture is farthest from all earlier picks.

    Args:
        dataset: a ``ClipDataset`` of clips of the wanted length.
        count: how many; fewer when the dataset has fewer clips.
    """
    picks = np.unique(np.linspace(0, len(dataset) - 1, min(_CANDIDATES, len(dataset))).astype(np.int64))
    clips = np.stack([np.asarray(dataset.window(int(index)).frames_BTHWC)[0] for index in picks])
    change = np.abs(np.diff(clips.astype(np.int16), axis=1)).mean(axis=(1, 2, 3, 4))
    lively = np.argsort(-change, kind="stable")[: max(min(count, len(clips)), len(clips) // 2)]
    clips = clips[np.sort(lively)]
    looks = _thumbnails(clips[:, 0])
    chosen = [int(np.argmin(((looks - looks.mean(axis=0)) ** 2).sum(axis=1)))]
    while len(chosen) < min(count, len(clips)):
        distance = ((looks[:, None] - looks[chosen][None]) ** 2).sum(axis=2).min(axis=1)
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return [clips[index] for index in chosen]


def prompt_source(folders: Sequence[Path]) -> list[Path]:
    """The folders that prompts may come from: the test split if there, else any split but train, else all."""
    splits = {folder: load_info(folder).split for folder in folders}
    for allowed in (("test",), tuple(set(splits.values()) - {"train"})):
        found = [folder for folder in folders if splits[folder] in allowed]
        if found:
            return found
    return list(folders)


def load_parts(run: Path) -> dict[str, Any]:
    """The trained components of a run: ``tokenizer``, ``dynamics`` and, where trained, ``latent_actions``.

    Raises:
        PlaygroundError: a stage without an export, named with the command that makes it.
    """
    parts: dict[str, Any] = {}
    stages = (
        ("tokenizer", "tokenizer", TOKENIZERS),
        ("latent-actions", "latent_actions", LATENT_ACTION_MODELS),
        ("dynamics", "dynamics", DYNAMICS),
    )
    for stage, part, registry in stages:
        folder = run / stage / "export"
        if not (folder / "config.json").is_file():
            raise PlaygroundError(
                f"{folder} is missing: stage {stage} is not trained; run `playground train {stage}` first"
            )
        parts[part] = load_component(registry, folder)
    return parts


def data_facts(folders: Sequence[Path], purpose: str) -> list[dict[str, Any]]:
    """What the datasets that are still there say about themselves, for the card."""
    known = [folder for folder in folders if (folder / "dataset.json").is_file()]
    return [{**config_to_dict(load_info(folder)), "purpose": purpose} for folder in known]


def _thumbnails(pictures_BHWC: np.ndarray) -> np.ndarray:
    """Colours of an 8x8 grid, float32 ``(B, 192)``."""
    batch, height, width, channels = pictures_BHWC.shape
    tall, wide = max(1, height // 8), max(1, width // 8)
    cut = pictures_BHWC[:, : tall * (height // tall), : wide * (width // wide)].astype(np.float32)
    grid = cut.reshape(batch, height // tall, tall, width // wide, wide, channels).mean(axis=(2, 4))
    return grid.reshape(batch, -1)
