"""Turns a finished training run into a world bundle to play: parts, actions, prompts and card."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.component import load_component
from playground.core.config import config_to_dict, read_json
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, LATENT_ACTION_MODELS, TOKENIZERS
from playground.data.dataset import ClipDataset
from playground.data.format import load_info
from playground.evaluation.card import model_card
from playground.evaluation.metrics import dominant_shift
from playground.training.prompts import RECORD_NAME
from playground.world.actions import ActionBook
from playground.world.bundle import save_world

WEIGHTS_LICENCE = "Apache-2.0"

PROMPT_FRAMES = 4
"""Consecutive frames in a prompt: enough to show which way things move."""

ROOM_FRAMES = 32
"""True frames after a prompt that show whether there is room to move both ways."""

_CANDIDATES = 256


def pack(
    run: Path,
    out: Path,
    name: str | None = None,
    data: Sequence[Path] | None = None,
    prompts: int = 8,
    report: Path | None = None,
    bench: Path | None = None,
) -> Path:
    """Write the bundle of a finished run; a bundle that is already at ``out`` is replaced as a whole.

    Args:
        run: run folder with an export of each stage and ``actions.json``.
        out: folder of the bundle.
        name: of the world; the folder's name by default.
        data: clips to take prompts from, the test split if it is among them; the run's own data by default.
        prompts: how many prompts to ship.
        report: ``report.json`` of ``playground eval`` for the model card.
        bench: file of ``playground bench --json`` for the model card.

    Raises:
        PlaygroundError: the run is not complete, or its data is gone and ``data`` is not given.
    """
    facts = read_json(run / "run.json")
    parts = load_parts(run)
    actions = ActionBook.load(run / "actions.json")
    trained = [Path(folder) for folder in facts.get("data", [])]
    sources = prompt_source([Path(folder) for folder in data] if data else trained)
    clips = choose_prompts(_prompt_clips(sources), prompts)
    info, datasets = load_info(sources[0]), data_facts(trained, "training") + data_facts(sources, "prompts")
    statement = "; ".join(sorted({f"{row['frames']} frames of {_described(row)}" for row in data_facts(trained, "")}))
    name = name or out.resolve().name
    card = model_card(
        {
            "name": name,
            "frame_size": info.size,
            "fps": info.fps,
            "actions": actions.to_entries(),
            "licence": WEIGHTS_LICENCE,
            "data_statement": f"Trained on {statement}." if statement else "",
        },
        report=read_json(report) if report else None,
        bench=read_json(bench) if bench else None,
        run=facts,
        datasets=datasets,
    )
    return save_world(
        out,
        name=name,
        fps=info.fps,
        **parts,
        actions=actions,
        prompts={f"{index + 1:02d}": clip for index, clip in enumerate(clips)},
        licence=WEIGHTS_LICENCE,
        data_statement=f"Trained on {statement}." if statement else "",
        card=card,
        text_encoder=_text_encoder(run),
    )


def _text_encoder(run: Path) -> str | None:
    """The encoder that the run's captions were embedded with; None when it trained without captions."""
    path = run / RECORD_NAME
    return read_json(path).get("text_encoder") if path.is_file() else None


def _prompt_clips(folders: list[Path]) -> ClipDataset:
    """Clips that show the room around a prompt, or bare prompts where all episodes are shorter."""
    with contextlib.suppress(PlaygroundError):
        return ClipDataset(folders, length=PROMPT_FRAMES + ROOM_FRAMES)
    return ClipDataset(folders, length=PROMPT_FRAMES)


def _described(row: dict[str, Any]) -> str:
    options = ", ".join(f"{key} {value}" for key, value in sorted(row["options"].items()))
    return f"{row['source']}, split {row['split']}" + (f" ({options})" if options else "")


def choose_prompts(dataset: Any, count: int) -> list[np.ndarray]:
    """Pick varied clips to start a world from, uint8 ``(T, H, W, 3)`` each, the same ones every time.

    Of clips spread over the dataset the sixteenth with the most room to move stays: where the true player went
    both ways soon after. From these each next pick is the one whose first picture is farthest from all earlier ones.

    Args:
        dataset: a ``ClipDataset`` of clips of ``PROMPT_FRAMES + ROOM_FRAMES`` frames; shorter ones say nothing of
            the room, and all of them stay.
        count: how many; fewer when the dataset has fewer clips.
    """
    picks = np.unique(np.linspace(0, len(dataset) - 1, min(_CANDIDATES, len(dataset))).astype(np.int64))
    clips = np.stack([np.asarray(dataset.window(int(index)).frames_BTHWC)[0] for index in picks])
    room = np.array([room_to_move(clip[PROMPT_FRAMES - 1 :]) for clip in clips])
    least = np.sort(room)[-max(min(count, len(clips)), len(clips) // 16)]
    clips = clips[room >= least, :PROMPT_FRAMES]
    looks = _thumbnails(clips[:, 0])
    chosen = [int(np.argmin(((looks - looks.mean(axis=0)) ** 2).sum(axis=1)))]
    while len(chosen) < min(count, len(clips)):
        distance = ((looks[:, None] - looks[chosen][None]) ** 2).sum(axis=2).min(axis=1)
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return [clips[index] for index in chosen]


def room_to_move(clip_THWC: np.ndarray) -> float:
    """How far the picture scrolls to its lesser side from the first frame on, pixels; 0 if only one way is open."""
    reach = min(6, clip_THWC.shape[1] // 8)
    steps = [dominant_shift(a, b, reach)[0] for a, b in zip(clip_THWC[:-1], clip_THWC[1:], strict=True)]
    place = np.cumsum([0.0, *steps])
    return float(min(place.max(), -place.min()))


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
