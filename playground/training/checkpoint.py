"""The full state of a training run on disk: tensors as safetensors, the rest as JSON, nothing pickled.

A checkpoint is a folder that appears under its final name in one rename, so a kill at any moment leaves the
previous ones intact.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from playground.core.config import read_json, write_json
from playground.core.errors import PlaygroundError

FORMAT = 1
KEEP = 2
"""How many checkpoints stay on disk."""


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write ``state`` as ``folder/step-NNNNNNNN`` and delete all but the newest two.

    Args:
        folder: the checkpoints of one stage.
        step: steps done so far; names the checkpoint.
        state: nested dicts and lists of tensors and JSON values; dict keys may be integers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".partial-*"):
        shutil.rmtree(left, ignore_errors=True)
    final = folder / f"step-{step:08d}"
    partial = folder / f".partial-{step:08d}"
    partial.mkdir()
    tensors: dict[str, torch.Tensor] = {}
    tree = _split(state, "", tensors)
    # Clones: safetensors refuses tensors that share memory.
    save_file(
        {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()},
        partial / "state.safetensors",
    )
    _sync(partial / "state.safetensors")
    write_json(partial / "state.json", {"format": FORMAT, "step": step, "state": tree})
    if final.exists():
        shutil.rmtree(final)
    os.replace(partial, final)
    _sync(folder)
    for old in checkpoints(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints in ``folder``, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def load_checkpoint(path: Path) -> tuple[int, dict[str, Any]]:
    """Read one checkpoint: ``(steps done, state)``, tensors on the CPU.

    Raises:
        PlaygroundError: a file is missing, damaged or of another format; the message says what to delete.
    """
    data = read_json(path / "state.json", max_bytes=1 << 26)
    fix = f"delete {path} to resume from the one before it"
    if data.get("format") != FORMAT:
        raise PlaygroundError(f"{path}: checkpoint format {data.get('format')!r} is not {FORMAT}; {fix}")
    try:
        tensors = load_file(path / "state.safetensors")
    except (SafetensorError, OSError, ValueError) as error:
        raise PlaygroundError(f"{path / 'state.safetensors'} is damaged or missing ({error}); {fix}") from error
    try:
        return int(data["step"]), _join(data["state"], tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise PlaygroundError(f"{path} is not a complete checkpoint ({error!r}); {fix}") from error


def _split(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"items": [[key, _split(item, f"{name}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_split(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]}
    return {"value": value}


def _join(node: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Any:
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "items" in node:
        return {key: _join(item, tensors) for key, item in node["items"]}
    if "list" in node:
        return [_join(item, tensors) for item in node["list"]]
    return node["value"]


def _sync(path: Path) -> None:
    # Windows cannot open a folder; a lost rename only costs one interval there.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
