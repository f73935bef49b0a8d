"""Trained parts on disk: what is written comes back, and every damage is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from playground.core import component as component_module
from playground.core.component import Component, load_component, save_component
from playground.core.config import read_json, write_json
from playground.core.errors import PlaygroundError
from playground.core.registry import TOKENIZERS, Registry
from tokenizer.config import TokenizerConfig

PARTS = Registry("toy part", {})


@dataclass(frozen=True)
class ToyConfig:
    """Config of the toy part."""

    width: int = 4
    names: tuple[str, ...] = ("a", "b")


@PARTS.register("toy")
class Toy(Component):
    """A linear layer, a float buffer and an integer buffer."""

    Config: ClassVar[type] = ToyConfig
    type_name: ClassVar[str] = "toy"
    version: ClassVar[int] = 3

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.layer = nn.Linear(config.width, config.width)
        self.register_buffer("mean", torch.rand(config.width))
        self.register_buffer("count", torch.tensor([300_001]))
        self.register_buffer("scratch", torch.rand(2), persistent=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved toy part."""
    save_component(Toy(ToyConfig()), tmp_path / "toy")
    return tmp_path / "toy"


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    toy = Toy(ToyConfig(width=5, names=("x",))).train()
    save_component(toy, tmp_path, dtype=torch.float32)
    back = load_component(PARTS, tmp_path)
    assert type(back) is Toy
    assert back.config == toy.config
    assert not back.training
    for name, tensor in toy.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


def test_default_is_half_the_size_and_loads_as_float32(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    assert stored["layer.weight"].dtype == torch.bfloat16
    assert stored["count"].dtype == torch.int64
    back = load_component(PARTS, folder)
    assert back.layer.weight.dtype == torch.float32
    assert torch.equal(back.layer.weight, stored["layer.weight"].float())
    assert int(back.count) == 300_001


def test_saving_rounds_the_file_only(tmp_path: Path) -> None:
    toy = Toy(ToyConfig())
    before = toy.layer.weight.detach().clone()
    save_component(toy, tmp_path)
    assert torch.equal(toy.layer.weight, before)
    torch.testing.assert_close(load_component(PARTS, tmp_path).layer.weight, before, rtol=2**-8, atol=0)


def test_large_weights_are_split_and_old_parts_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy(ToyConfig())
    monkeypatch.setattr(component_module, "SHARD_BYTES", 20)
    save_component(toy, folder, dtype=torch.float32)
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    assert names[0] == "model-00001.safetensors"
    assert len(names) > 1
    assert torch.equal(load_component(PARTS, folder).layer.weight, toy.layer.weight)
    monkeypatch.undo()
    save_component(toy, folder)
    assert [path.name for path in folder.glob("*.safetensors")] == ["model.safetensors"]


def test_shards_stay_below_common_hosting_limits() -> None:
    assert component_module.SHARD_BYTES < 16_000_000


def _edit_json(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        data = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))

    return damage


def _edit_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def _cut(size: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:size])

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
    "cut header": (_cut(20), "model.safetensors is damaged or cut short"),
    "cut data": (_cut(-3), "model.safetensors is damaged or cut short"),
    "empty file": (_cut(0), "model.safetensors is damaged or cut short"),
    "not safetensors": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"version https://git-lfs" * 9),
        "model.safetensors is damaged or cut short",
    ),
    "missing tensor": (_edit_tensors(lambda t: t.pop("layer.bias")), "tensor 'layer.bias' is missing"),
    "extra tensor": (_edit_tensors(lambda t: t.update(more=torch.ones(1))), "unknown tensor 'more'"),
    "wrong shape": (
        _edit_tensors(lambda t: t.update(mean=torch.ones(7))),
        r"tensor 'mean' has shape \(7,\), config.json asks for \(4,\)",
    ),
    "config of another size": (_edit_json(width=6), r"has shape \(4,\), config.json asks for \(6,\)"),
    "wrong version": (_edit_json(version=2), "version 2 cannot be read; this program reads version 3"),
    "no version": (_edit_json(version=None), "config.json: field 'version' is missing"),
    "no type": (_edit_json(type=None), "config.json: field 'type' is missing"),
    "unknown type": (_edit_json(type="toyy"), r"unknown toy part 'toyy'. Did you mean 'toy'\?"),
    "type of no sense": (_edit_json(type=["toy"]), "unknown toy part"),
    "unknown field": (_edit_json(widht=4), r"unknown field 'widht'.*Did you mean 'width'"),
    "wrong field": (_edit_json(width="4"), "config.json: field 'width' must be int"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_one_clear_line(folder: Path, case: str) -> None:
    damage, message = DAMAGES[case]
    load_component(PARTS, folder)
    damage(folder)
    with pytest.raises(PlaygroundError, match=message) as caught:
        load_component(PARTS, folder)
    assert "\n" not in str(caught.value)


def test_made_up_sizes_cost_nothing(tmp_path: Path) -> None:
    model = TOKENIZERS.get("autoencoder")(TokenizerConfig(encoder_widths=(8, 8, 32), decoder_widths=(8, 8, 8)))
    save_component(model, tmp_path)
    data = read_json(tmp_path / "config.json")
    write_json(tmp_path / "config.json", {**data, "channels": 10**9})
    with pytest.raises(PlaygroundError, match=r"to_latent.weight.*config.json asks for|no model can be built"):
        load_component(TOKENIZERS, tmp_path)
