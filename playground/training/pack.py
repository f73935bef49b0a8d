"""Turns a finished training run into a world bundle to play: parts, actions, sources, prompts and card."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playground.core.component import load_component
from playground.core.config import read_json
from playground.core.errors import PlaygroundError
from playground.data.format import load_info, still_there
from playground.evaluation.card import model_card
from playground.training.exports import OPTIONAL, REGISTRIES
from playground.training.prompts import RECORD_NAME
from playground.training.sources import PackedSource, TextOptions, pack_source
from playground.training.stages.first_frames import CORRECT_EVERY, CORRECTED_PASSES, GUIDANCE
from playground.training.statement import EARLIER, data_facts, data_statement
from playground.world.actions import ActionBook
from playground.world.bundle import save_world
from playground.world.manifest import PromptFacts
from playground.world.sources import book_name, source_key
from weights.manifest import oversized

LOGGER = logging.getLogger("playground.training")
WEIGHTS_LICENCE = "Apache-2.0"


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
        prompts: how many prompts to ship of each source.
        report: ``report.json`` of ``playground eval`` for the model card.
        bench: file of ``playground bench --json`` for the model card.

    Raises:
        PlaygroundError: the run is not complete, or its data is gone and ``data`` is not given.
    """
    facts = read_json(run / "run.json")
    parts = load_parts(run)
    actions = ActionBook.load(run / "actions.json")
    trained = [Path(folder) for folder in facts.get("data", [])]
    folders = source_folders([Path(folder) for folder in data] if data else trained, trained)
    texts = TextOptions(_text_encoder(run), max(int(getattr(part.config, "prompt_dims", 0)) for part in parts.values()))
    packed = {
        key: pack_source(key, run / book_name(key), parts["tokenizer"], known, held_out, prompts, texts)
        for key, (known, held_out) in folders.items()
    }
    held_out = [folder for _, own in folders.values() for folder in own]
    info, statement = load_info(held_out[0]), data_statement(trained, str(facts.get(EARLIER, "")))
    name = name or out.resolve().name
    card = model_card(
        {
            "name": name,
            "parts": list(parts),
            "frame_size": info.size,
            "fps": info.fps,
            "actions": actions.to_entries(),
            "books": _books(packed),
            "licence": WEIGHTS_LICENCE,
            "data_statement": statement,
        },
        report=read_json(report) if report else None,
        bench=read_json(bench) if bench else None,
        run=facts,
        datasets=data_facts(trained, "training") + data_facts(held_out, "prompts"),
    )
    _save(out, name, info.fps, parts, actions, packed, texts.encoder, statement, card)
    for line in oversized(out):
        LOGGER.warning("too large to ship with the program: %s", line)
    return out


def _books(packed: Mapping[str, PackedSource]) -> dict[str, list[dict[str, Any]]]:
    """The books of the sources, where a run has several."""
    books = {key: one.source.actions for key, one in packed.items() if one.source.actions is not None}
    return {key: book.to_entries() for key, book in books.items()} if len(packed) > 1 else {}


def _save(
    out: Path,
    name: str,
    fps: float,
    parts: Mapping[str, Any],
    actions: ActionBook,
    packed: Mapping[str, PackedSource],
    encoder: str | None,
    statement: str,
    card: str,
) -> None:
    pictures = {f"{key}-{n + 1:02d}": clip for key, one in packed.items() for n, clip in enumerate(one.prompts)}
    told = [PromptFacts(key, text) for key, one in packed.items() for text in one.captions]
    save_world(
        out,
        name=name,
        fps=fps,
        **parts,
        actions=actions,
        prompts=pictures,
        sources={key: one.source for key, one in packed.items()},
        prompt_facts=dict(zip(pictures, told, strict=True)),
        captions={text: row_P for one in packed.values() for text, row_P in one.embeddings.items()},
        licence=WEIGHTS_LICENCE,
        data_statement=statement,
        card=card,
        text_encoder=encoder,
        sampling=_sampling(parts),
    )


def _sampling(parts: Mapping[str, Any]) -> dict[str, Any] | None:
    """How frames are drawn in a world with a model of first frames; tokens cannot be corrected."""
    if "first_frames" not in parts:
        return None
    dynamics = parts["dynamics"]
    if dynamics.discrete:
        return {"guidance": GUIDANCE}
    fewer = dynamics.config.shortcut_share > 0 and dynamics.config.steps > CORRECTED_PASSES
    steps = CORRECTED_PASSES if fewer else None
    return {"guidance": GUIDANCE, "correct_every": CORRECT_EVERY, "steps": steps}


def source_folders(data: Sequence[Path], trained: Sequence[Path]) -> dict[str, tuple[list[Path], list[Path]]]:
    """Folders of training data and of data for prompts of each source, by the name that the source has in a bundle.

    Training data that is gone is left out; a source stands in for what it has none of by the other.

    Args:
        data: clips to take prompts from; see :func:`prompt_source`.
        trained: training data of the run.
    """
    given, known = _by_source(data), _by_source(still_there(trained))
    return {
        key: (known.get(key) or given[key], prompt_source(given.get(key) or known[key]))
        for key in dict.fromkeys([*known, *given])
    }


def _by_source(folders: Sequence[Path]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for folder in folders:
        groups.setdefault(source_key(load_info(folder).source), []).append(folder)
    return groups


def _text_encoder(run: Path) -> str | None:
    """The encoder that the run's captions were embedded with; None when it trained without captions."""
    path = run / RECORD_NAME
    return read_json(path).get("text_encoder") if path.is_file() else None


def prompt_source(folders: Sequence[Path]) -> list[Path]:
    """The folders that prompts may come from: the test split if there, else any split but train, else all."""
    splits = {folder: load_info(folder).split for folder in folders}
    for allowed in (("test",), tuple(set(splits.values()) - {"train"})):
        found = [folder for folder in folders if splits[folder] in allowed]
        if found:
            return found
    return list(folders)


def load_parts(run: Path) -> dict[str, Any]:
    """The trained components of a run, by their folder's name in a bundle; the optional ones where trained.

    Raises:
        PlaygroundError: a stage without an export, named with the command that makes it.
    """
    parts: dict[str, Any] = {}
    for stage, registry in REGISTRIES.items():
        folder = run / stage / "export"
        if not (folder / "config.json").is_file():
            if stage in OPTIONAL:
                continue
            raise PlaygroundError(
                f"{folder} is missing: stage {stage} is not trained; run `playground train {stage}` first"
            )
        parts[stage.replace("-", "_")] = load_component(registry, folder)
    return parts
