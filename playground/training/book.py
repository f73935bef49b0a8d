"""Writes which key stands for which action of a trained world, as ``actions.json`` beside the stages."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.config import write_json

DIRECTIONS = ("left", "right", "up", "down")


def write_action_book(
    path: Path, labels: np.ndarray, codes: np.ndarray, action_names: list[str], source: str
) -> None:
    """Write ``{"actions": [{code, name, keys, noop}, ...]}``.

    Args:
        path: the file.
        labels: (n,) recorded action of each frame, -1 where not known.
        codes: (n,) action that the dynamics learned with, -1 where not known.
        action_names: name of each recorded action.
        source: ``label`` when the dynamics learned from the recorded actions themselves, else ``latent``.
    """
    if source == "label":
        entries = [named_action(code, name) for code, name in enumerate(action_names)]
    else:
        known = codes >= 0
        calibrate: Any = import_module("latent_actions.calibration").calibrate
        found = calibrate(labels[known], codes[known], action_names)
        entries = [dataclasses.asdict(e) if dataclasses.is_dataclass(e) else dict(e) for e in found]
    write_json(path, {"actions": entries})


def named_action(code: int, name: str) -> dict[str, Any]:
    """Entry of a recorded action; a name of directions, such as ``right-up``, gives the keys ``right+up``."""
    parts = name.lower().replace("_", "-").split("-")
    chord = "+".join(parts) if all(part in DIRECTIONS for part in parts) else ""
    return {"code": code, "name": name, "keys": [chord] if chord else [], "noop": name.lower() == "noop"}
