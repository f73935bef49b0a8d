"""Finds published network weights that lie inside installed packages, and reads them without running their code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from playground.core.errors import PlaygroundError

if TYPE_CHECKING:
    from torch import Tensor


def installed_file(package: str, name: str) -> Path | None:
    """Path of a data file inside an installed package, or None; nothing of the package is imported."""
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or []) if found is not None else []
    paths = [Path(folder) / name for folder in folders]
    return next((path for path in paths if path.is_file()), None)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.pth`` file, read with the loader that accepts tensors only.

    Raises:
        PlaygroundError: the file is damaged or holds something else than tensors.
    """
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PlaygroundError(f"{path} cannot be read ({reason}); install its package again") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise PlaygroundError(f"{path} does not hold plain tensors; install its package again")
    return dict(loaded)
