"""The README promises only what is there: its commands, its keys, its folders and its make targets."""

from __future__ import annotations

import re
from pathlib import Path

from apps.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section {title!r}"
    return found.group(1)


def test_commands_exist() -> None:
    named = set(re.findall(r"(?:bin/|Scripts\\|`)playground ([a-z]+)", README))
    assert named
    assert named <= {command.name for command in COMMANDS}


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE))
    assert {"play", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


def test_every_window_key_is_listed() -> None:
    from apps.desktop import keymap

    table = _section("Keys")
    for command in keymap.COMMANDS:
        for label in command.label.split(" / "):
            assert label in table, f"README.md does not list the key {label} ({command.help})"


def test_folders_of_the_tree_exist() -> None:
    parent = Path()
    for indent, name in re.findall(r"^( *)([a-z_]+)/ +\S", _section("What is where"), re.MULTILINE):
        parent = Path(name) if not indent else Path(parent.parts[0])
        folder = parent if not indent else parent / name
        assert (ROOT / folder).is_dir(), f"README.md names {folder}/"
