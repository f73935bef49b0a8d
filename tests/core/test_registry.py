"""Registries: built-in parts, decorators, and parts of other installed packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from playground.core import registry as registry_module
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, LATENT_ACTION_MODELS, TOKENIZERS, Registry


class Plugin:
    """Stands for a class of another package."""


class FakeEntryPoint:
    """What ``importlib.metadata`` returns, as far as a registry uses it."""

    def __init__(self, name: str, target: type) -> None:
        self.name = name
        self.target = target
        self.loads = 0

    def load(self) -> type:
        self.loads += 1
        return self.target


def _install(monkeypatch: pytest.MonkeyPatch, group: str, point: FakeEntryPoint) -> None:
    monkeypatch.setattr(
        registry_module, "entry_points", lambda *, group: [point] if group == wanted else [], raising=True
    )
    wanted = group


def test_built_in_is_imported_on_first_use() -> None:
    parts = Registry("thing", {"path": "pathlib:PurePosixPath"})
    from pathlib import PurePosixPath

    assert parts.names() == ["path"]
    assert parts.get("path") is PurePosixPath


def test_importing_the_registry_imports_no_part() -> None:
    code = "import sys, playground.core.registry; assert not {'torch', 'tokenizer', 'dynamics'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_decorator_registers_a_class() -> None:
    parts = Registry("thing", {})
    assert parts.register("mine")(Plugin) is Plugin
    assert parts.get("mine") is Plugin
    assert parts.names() == ["mine"]
    parts.register("mine")(Plugin)  # importing a module twice is no conflict


def test_a_name_can_be_taken_once() -> None:
    parts = Registry("thing", {})
    parts.register("mine")(Plugin)
    with pytest.raises(PlaygroundError, match="two classes register as thing 'mine'"):
        parts.register("mine")(type("Other", (), {}))


def test_an_entry_point_adds_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    point = FakeEntryPoint("from-elsewhere", Plugin)
    _install(monkeypatch, "playground.latent_action_model", point)
    parts = Registry("latent action model", {})
    assert parts.entry_point_group == "playground.latent_action_model"
    assert parts.names() == ["from-elsewhere"]
    assert point.loads == 0, "listing names must not import other packages"
    assert parts.get("from-elsewhere") is Plugin
    assert parts.get("from-elsewhere") is Plugin
    assert point.loads == 1
    assert Registry("other thing", {}).names() == [], "another group does not see it"


def test_a_plug_in_cannot_replace_a_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "playground.tokenizer", FakeEntryPoint("autoencoder", Plugin))
    assert TOKENIZERS.get("autoencoder") is not Plugin
    assert TOKENIZERS.names().count("autoencoder") == 1


def test_an_unknown_name_lists_what_is_known() -> None:
    with pytest.raises(PlaygroundError, match="unknown dynamics 'shortcu'") as caught:
        DYNAMICS.get("shortcu")
    assert "Did you mean 'shortcut'?" in str(caught.value)
    assert "Known: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("parts", [TOKENIZERS, LATENT_ACTION_MODELS, DYNAMICS], ids=lambda parts: parts.kind)
def test_a_registered_class_knows_its_own_name(parts: Registry) -> None:
    for name in parts.names():
        assert parts.get(name).type_name == name
