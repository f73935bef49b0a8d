"""Trained parts on disk: ``config.json`` (type, version, constructor fields) beside safetensors, loaded strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from playground.core.config import config_from_dict, config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError
from playground.core.registry import Registry

SHARD_BYTES = 15_000_000
"""A weights file is split so that each part stays below 16 MB and fits ordinary hosting limits."""


class Component(nn.Module):
    """A trained part of a world: a module that is built from one config dataclass.

    Subclasses set ``Config``, ``type_name`` (their name in the registry) and ``version`` (raised when old weights
    no longer fit), and take the config as the only constructor argument.
    """

    Config: ClassVar[type]
    type_name: ClassVar[str]
    version: ClassVar[int] = 1

    def __init__(self, config: Any) -> None:
        """Keep the config; subclasses build their layers from it."""
        super().__init__()
        self.config = config

    def grown_from(self, smaller: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """State of this model from that of a smaller one, for the fields that its config calls ``GROWING_FIELDS``.

        Tensors that are left out stay as they were built.
        """
        return smaller


def split_rows(rows_A: torch.Tensor, count: int) -> torch.Tensor:
    """Rows (A, ...) again and again until there are ``count``: row i of the result belongs to row i modulo A."""
    return rows_A[torch.arange(count, device=rows_A.device) % len(rows_A)]


def save_component(component: Component, folder: Path | str, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write ``config.json`` and ``model*.safetensors`` (floating tensors as ``dtype``) into ``folder``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("model*.safetensors"):
        old.unlink()
    tensors = {
        name: (tensor.detach().to("cpu", dtype) if tensor.is_floating_point() else tensor.detach().cpu()).contiguous()
        for name, tensor in component.state_dict().items()
    }
    shards = _split(tensors)
    for index, shard in enumerate(shards):
        name = "model.safetensors" if len(shards) == 1 else f"model-{index + 1:05d}.safetensors"
        save_file(shard, str(folder / name))
        (folder / name).chmod(0o644)  # safetensors writes files that only the owner can read
    write_json(
        folder / "config.json",
        {"type": component.type_name, "version": component.version, **config_to_dict(component.config)},
    )


def _split(tensors: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    shards: list[dict[str, torch.Tensor]] = [{}]
    used = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if used and used + size > SHARD_BYTES:
            shards.append({})
            used = 0
        shards[-1][name] = tensor
        used += size
    return shards


def load_component(registry: Registry, folder: Path | str) -> Any:
    """Load a component in float32 and eval mode.

    Args:
        registry: where the ``type`` in ``config.json`` is looked up.
        folder: holds ``config.json`` and the safetensors.

    Raises:
        PlaygroundError: any file, field or tensor that is missing, unknown, damaged or of another shape.
    """
    folder = Path(folder)
    path = folder / "config.json"
    data = read_json(path)
    for field in ("type", "version"):
        if field not in data:
            raise PlaygroundError(f"{path}: field {field!r} is missing; add it")
    cls = registry.get(str(data.pop("type")))
    version = data.pop("version")
    if version != cls.version:
        raise PlaygroundError(f"{path}: version {version} cannot be read; this program reads version {cls.version}")
    config = config_from_dict(cls.Config, data, str(path))
    loaded = _read_weights(_shapes(cls, config, path), folder)
    component = cls(config)
    component.load_state_dict(loaded, strict=True)
    return component.eval()


def _shapes(cls: type[Component], config: Any, path: Path) -> dict[str, torch.Tensor]:
    """Names and shapes of the component's tensors without their memory, so that a made-up size costs nothing."""
    try:
        with torch.device("meta"):
            return cls(config).state_dict()
    except (RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise PlaygroundError(f"{path}: no model can be built from these sizes ({reason})") from error


def _read_weights(wanted: dict[str, torch.Tensor], folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise PlaygroundError(f"{folder}: model.safetensors is missing; get the folder again")
    loaded: dict[str, torch.Tensor] = {}
    for path in files:
        try:
            with safe_open(str(path), framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 (a safetensors handle is no dict)
                    if name not in wanted:
                        raise PlaygroundError(f"{path}: unknown tensor {name!r}; the weights belong to another config")
                    loaded[name] = file.get_tensor(name)
        except (SafetensorError, OSError, ValueError) as error:
            raise PlaygroundError(f"{path} is damaged or cut short ({error}); get the file again") from error
    for name, tensor in wanted.items():
        if name not in loaded:
            raise PlaygroundError(f"{folder}: tensor {name!r} is missing from the weights; get the folder again")
        if loaded[name].shape != tensor.shape:
            raise PlaygroundError(
                f"{folder}: tensor {name!r} has shape {tuple(loaded[name].shape)},"
                f" config.json asks for {tuple(tensor.shape)}"
            )
        loaded[name] = loaded[name].to(tensor.dtype)
    return loaded
