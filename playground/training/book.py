"""Writes which key stands for which action of a trained world, as ``actions.json`` beside the stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latent_actions.calibration import calibrate, calibrate_from_motion, keys_of, share_keys
from playground.core.config import config_to_dict, write_json
from playground.data.dataset import ClipDataset
from playground.evaluation.metrics import dominant_shift
from playground.world.actions import ActionBook
from playground.world.sources import book_name

LABELLED_FRAMES = 2000
"""Labelled frames that calibration may look at; somebody who plays for two minutes makes as many."""
PAIRS_PER_CODE = 40
MAX_SHIFT = 12


def write_action_book(
    path: Path, dataset: ClipDataset, codes: np.ndarray, num_codes: int, source_actions: str, seed: int
) -> None:
    """Write ``{"actions": [{code, name, keys, noop}, ...]}``.

    With data from several sources, the book of each is written beside it, as ``actions-SOURCE.json``: the same code
    may stand for different keys in a platform game and in a flight.

    Args:
        path: the file.
        dataset: where frames, and recorded actions if any, come from.
        codes: (n,) action that the dynamics learned with, -1 where not known.
        num_codes: number of codes.
        source_actions: ``label`` when the dynamics learned from the recorded actions themselves, else ``latent``.
        seed: decides which frames calibration looks at.
    """
    write_json(path, {"actions": action_entries(dataset, codes, num_codes, source_actions, seed)})
    for index, source in enumerate(dataset.sources if len(dataset.sources) > 1 else []):
        own = np.where(dataset.source_T == index, codes, -1)
        if (own >= 0).any():
            entries = action_entries(dataset, own, num_codes, source_actions, seed, source)
            write_json(path.with_name(book_name(source)), {"actions": entries})


def write_intent_books(path: Path, dataset: ClipDataset, names: Sequence[str], num_actions: int) -> None:
    """Write the books of a world whose intent model knows what ``names`` mean: one entry a recorded action.

    Args:
        path: ``actions.json``, with the book of fixed codes that was there so far; its no-op stays where the data has
            none. Books of sources lie beside it.
        dataset: which source has which of the names.
        names: of the intent model, in its order.
        num_actions: latent actions; the first name is the action after "unknown".
    """
    several = dataset.sources if len(dataset.sources) > 1 else []
    for source in ["", *several]:
        place = path.with_name(book_name(source)) if source else path
        infos = [info for info in dataset.infos if not source or info.source == source]
        mine = {name for info in infos for name in info.action_names}
        entries = [named_action(num_actions + 1 + index, name) for index, name in enumerate(names) if name in mine]
        if not any(entry["noop"] for entry in entries):
            entries.append(config_to_dict(ActionBook.load(place if place.is_file() else path).noop))
        write_json(place, {"actions": share_keys(entries)})


def action_entries(
    dataset: ClipDataset, codes: np.ndarray, num_codes: int, source_actions: str, seed: int, source: str = ""
) -> list[dict[str, Any]]:
    """The entries of one book, from the frames whose code is not -1; see :func:`write_action_book`.

    In the book of a source, recorded actions that only other sources have get no keys.
    """
    names, rng = dataset.action_names, np.random.default_rng(seed)
    infos = [info for info in dataset.infos if not source or info.source == source]
    mine = {name for info in infos for name in info.action_names}
    if source_actions == "label":
        entries = [named_action(code, name) for code, name in enumerate(names)]
        return share_keys([e if e["name"] in mine else {**e, "keys": []} for e in entries])
    motion, counts = code_motion(dataset, codes, num_codes, rng)
    labelled = np.flatnonzero((codes >= 0) & (dataset.actions_T >= 0))
    if names and len(labelled):
        chosen = rng.choice(labelled, min(LABELLED_FRAMES, len(labelled)), replace=False)
        own = [name for name in names if name in mine]
        table = np.array([own.index(name) if name in mine else -1 for name in names])
        return calibrate(table[dataset.actions_T[chosen]], codes[chosen], own, num_codes, motion)
    return calibrate_from_motion(motion, counts)


def code_motion(
    dataset: ClipDataset, codes: np.ndarray, num_codes: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean motion of each quarter of the picture, (codes, 4, 2) pixels right and down, and how often codes occur."""
    motion = np.zeros((num_codes, 4, 2))
    half = dataset.info.size // 2
    quarters = [(slice(top, top + half), slice(left, left + half)) for top in (0, half) for left in (0, half)]
    reach = min(MAX_SHIFT, dataset.info.size // 8)
    counts = np.bincount(codes[codes >= 0], minlength=num_codes)
    for code in np.flatnonzero(counts):
        places = np.flatnonzero(codes == code)
        shifts = []
        for place in rng.choice(places, min(PAIRS_PER_CODE, len(places)), replace=False):
            before, after = dataset.frames(int(place) - 1, int(place) + 1)
            shifts.append([dominant_shift(before[quarter], after[quarter], reach) for quarter in quarters])
        motion[code] = np.mean(shifts, axis=0)
    return motion, counts


def named_action(code: int, name: str) -> dict[str, Any]:
    """Entry of a recorded action, with the keys that its name suggests."""
    plain = name.lower().replace("_", "-")
    return {"code": code, "name": name, "keys": keys_of(plain), "noop": plain == "noop"}
