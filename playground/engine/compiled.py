"""Compiled models in the user's cache folder: named by what they were made from, limited in size."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.core.config import config_to_dict

if TYPE_CHECKING:
    from torch import nn

    from playground.world.bundle import World

FORMAT = 2
"""Raised when what is stored changes its meaning, so that older files are not read any more."""

MAX_BYTES = 2 << 30
"""Memory that all compiled models together may take on disk; the least recently used go first."""

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The user's cache folder of this program; it may not exist yet."""
    try:
        from platformdirs import user_cache_dir
    except ImportError:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "playground"
    return Path(user_cache_dir("playground", appauthor=False))


def weights_hash(modules: Iterable[nn.Module]) -> str:
    """Hash of the values and names of all tensors, so that changed weights are never served an old model."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in module.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def source_files(world: World) -> list[Path]:
    """The files of this program that decide what a compiled model of ``world`` computes.

    The folders of the two classes are taken whole: a network is spread over the files beside its class, also where
    that comes from another package.
    """
    import playground.core.nn
    from playground.engine import export, passes, quantised, static
    from playground.engine.backends import onnx, openvino

    files = [Path(inspect.getfile(module)) for module in (export, passes, quantised, static, onnx, openvino)]
    parts: list[Any] = [playground.core.nn, *map(type, _networks(world))]
    for folder in sorted({Path(inspect.getfile(part)).parent for part in parts}):
        files += sorted(folder.glob("*.py"))
    return files


def code_hash(files: Iterable[Path]) -> str:
    """Hash of the contents and names of source files."""
    digest = hashlib.sha256()
    for path in files:
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)} ".encode())
        digest.update(data)
    return digest.hexdigest()


def world_facts(world: World) -> dict[str, Any]:
    """What a compiled model of ``world`` depends on, whatever compiles it: code, sizes, weights and how it is played.

    Sampling and prompts count because 8-bit ranges are measured on rollouts.
    """
    parts = _networks(world)
    return {
        "code": code_hash(source_files(world)),
        "weights": weights_hash(parts),
        "parts": [[part.type_name, config_to_dict(part.config)] for part in parts],
        "sampling": dict(world.sampling),
        "prompts": dict(world.manifest.prompts),
    }


def _networks(world: World) -> list[Any]:
    """The parts of a world that are compiled."""
    return [part for part in (world.dynamics, world.tokenizer, world.first_frames) if part is not None]


class CompiledCache:
    """Files by key. A key is any JSON value that names everything the file depends on."""

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        """Use ``folder``, or the user's cache folder; nothing is created before the first :meth:`put`."""
        self.folder = folder or cache_folder() / "compiled"
        self.max_bytes = max_bytes

    def path(self, key: Any) -> Path:
        """Where the file of a key lies, or would lie."""
        text = json.dumps([FORMAT, key], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.bin"

    def get(self, key: Any) -> bytes | None:
        """What was stored under a key; None for nothing, or for what cannot be read."""
        path = self.path(key)
        try:
            data = path.read_bytes()
            os.utime(path)  # the clean-up goes by the last use
        except OSError:
            return None
        return data

    def put(self, key: Any, data: bytes) -> None:
        """Store ``data``, complete or not at all; a full or read-only disk only costs the next start time."""
        path = self.path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".", suffix=".partial")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            self._shrink(path)
        except OSError as error:
            logger.info("cannot keep a compiled model: %s", error)

    def drop(self, key: Any) -> None:
        """Forget what turned out to be unusable."""
        try:
            self.path(key).unlink(missing_ok=True)
        except OSError as error:
            logger.info("cannot remove a compiled model: %s", error)

    def _shrink(self, newest: Path) -> None:
        """Remove the least recently used files above the limit, and what a killed process left half written."""
        hour_ago = time.time() - 3600
        for partial in self.folder.glob(".*.partial"):
            if partial.stat().st_mtime < hour_ago:
                partial.unlink(missing_ok=True)
        files = sorted(self.folder.glob("*.bin"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total <= self.max_bytes:
                return
            if path != newest:
                total -= path.stat().st_size
                path.unlink(missing_ok=True)
