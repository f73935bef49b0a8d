"""What a run and its bundle say about the data that their weights were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playground.core.config import config_to_dict, read_json
from playground.data.dataset import ClipDataset
from playground.data.format import load_info, still_there

EARLIER = "earlier_data"
"""Field of ``run.json``: the statement on the weights that the run started from."""


def data_facts(folders: Sequence[Path], purpose: str) -> list[dict[str, Any]]:
    """What the datasets that are still there say about themselves, for the card."""
    return [{**config_to_dict(load_info(folder)), "purpose": purpose} for folder in still_there(folders)]


def data_statement(trained: Sequence[Path], earlier: str = "") -> str:
    """Sentences on the training data that is still there, and on what came before; empty when nothing is known.

    Args:
        trained: folders of clips.
        earlier: statement on the weights that training started from.
    """
    there = still_there(trained)
    rows = sorted({f"{ClipDataset(folder, length=1).num_frames} frames of {_described(folder)}" for folder in there})
    now = f"Trained on {'; '.join(rows)}." if rows else ""
    if now in earlier:
        return earlier
    return f"{now} Before that: {earlier}" if earlier else now


def earlier_statement(init: Path) -> str:
    """What the bundle or run folder that weights come from says of its data; ``init`` is that folder or one in it."""
    for folder in (init, *init.parents[:2]):
        if (folder / "world.json").is_file():
            return str(read_json(folder / "world.json").get("data_statement", ""))
        if (folder / "run.json").is_file():
            facts = read_json(folder / "run.json")
            return data_statement([Path(path) for path in facts.get("data", [])], str(facts.get(EARLIER, "")))
    return ""


def _described(folder: Path) -> str:
    info = load_info(folder)
    options = ", ".join(f"{key} {value}" for key, value in sorted(info.options.items()))
    return f"{info.source}, split {info.split}" + (f" ({options})" if options else "")
