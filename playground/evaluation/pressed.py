"""What the player of a true clip pressed, as actions of the world that is to continue it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latent_actions.calibration import keys_of
from playground.evaluation.sample import Sample
from playground.world.sources import book_of


def pressed_actions(world: Any, sources: Mapping[str, Any], sample: Sample, context: int) -> np.ndarray | None:
    """Actions of the world's books (B, T) int64, or None where not every frame after the context has a recorded one.

    Args:
        world: what will be played.
        sources: dataset of each source, which knows the names of the recorded actions.
        sample: the clips.
        context: frames that are shown, whose actions do not matter.
    """
    names = {source: list(getattr(dataset, "action_names", [])) for source, dataset in sources.items()}
    if not all(names.values()) or not (sample.labels_BT[:, context:] >= 0).all():
        return None
    pressed_BT = np.zeros_like(sample.labels_BT)
    for source in sources:
        rows = sample.rows(source)
        pressed_BT[rows] = _code_table(world, source, names[source])[sample.labels_BT[rows]]
    return pressed_BT


def _code_table(world: Any, source: str, names: Sequence[str]) -> np.ndarray:
    """Code of each name, found in the book by name, else by the keys that such a name has; "unknown" for label -1."""
    book, table = book_of(world, source), np.full(len(names) + 1, world.dynamics.num_actions, np.int64)
    by_name = {str(action.name): int(action.code) for action in book}
    for index, name in enumerate(names):
        keys = keys_of(name)
        table[index] = by_name[name] if name in by_name else book.from_keys(keys[0].split("+") if keys else ()).code
    return table
