"""What stages leave in a run folder, and what a run takes over from another run or from a bundle."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from playground.core.component import Component, load_component, save_component
from playground.core.config import read_json
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, FIRST_FRAME_MODELS, INTENT_MODELS, LATENT_ACTION_MODELS, TOKENIZERS

REGISTRIES = {
    "tokenizer": TOKENIZERS,
    "latent-actions": LATENT_ACTION_MODELS,
    "dynamics": DYNAMICS,
    "first-frames": FIRST_FRAME_MODELS,
    "intents": INTENT_MODELS,
}
"""Stages in the order they are trained in, each with the registry of its models."""

OPTIONAL = ("first-frames", "intents")
"""Stages that need captions or recorded actions; a world can do without."""


def init_folder(init: Path, name: str) -> Path:
    """Where the weights of a stage are in ``init``: that folder itself, a bundle or a run."""
    folders = [init, init / name.replace("-", "_"), init / name / "export"]
    return next((folder for folder in folders if _has_weights(folder)), folders[-1])


def load_export(out: Path, init: Path | None, name: str) -> Component:
    """Load what a stage of the run folder ``out`` exported; a run without one takes over that of ``init``.

    Raises:
        PlaygroundError: that stage has not been trained in this run folder.
    """
    folder = out / name / "export"
    if not _has_weights(folder) and init is not None:
        _take(out, init, name)
    if not _has_weights(folder):
        raise PlaygroundError(f"{folder} is missing; run `playground train {name}` with the same --out first")
    component: Component = load_component(REGISTRIES[name], folder)
    return component


def take_over(out: Path, init: Path | None, names: tuple[str, ...]) -> None:
    """Copy stages that ``out`` lacks from ``init``, and its action books, so that the run can be packed."""
    if init is None:
        return
    for name in names:
        if not _has_weights(out / name / "export"):
            _take(out, init, name)
    if not (out / "actions.json").is_file():
        _take(out, init, "intents")  # the names in its books mean nothing without them
        for book in init.glob("actions*.json"):
            shutil.copyfile(book, out / book.name)


def earlier_config(out: Path, init: Path | None, resume: bool, name: str) -> dict[str, Any]:
    """Config of the model that a stage goes on from, empty without one: parts of a model cannot come or go."""
    folder = init_folder(init, name) if init is not None else out / name / "export"
    known = (init is not None or resume) and _has_weights(folder)
    return dict(read_json(folder / "config.json")) if known else {}


def _take(out: Path, init: Path, name: str) -> None:
    given = init_folder(init, name)
    if _has_weights(given) and given != init:  # a single component is that of the stage itself
        save_component(load_component(REGISTRIES[name], given), out / name / "export")


def _has_weights(folder: Path) -> bool:
    return (folder / "config.json").is_file()
