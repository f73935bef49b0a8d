"""The commands `collect` and `data`: options reach the world, and a person sees what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apps.cli.collect import parse_options
from apps.cli.main import main
from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.format import load_info
from tests.data.counting import CounterCollector
from tests.tiny_data import make_tiny_dataset


class OptionCollector(CounterCollector):
    """Keeps the options that it was given."""

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        super().__init__(size, split, {})
        self.options = options


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counting world under a name."""
    monkeypatch.setitem(COLLECTORS._classes, "test-counter", OptionCollector)


def test_options_of_a_world_come_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--option", "weather=fog", "--option", "map=a=b", "--difficulty", "easy", "--processes", "1"]
    assert main(["collect", "test-counter", "--frames", "20", "--out", str(tmp_path), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("20 frames of test-counter (train, 64 px): 0.00 GB to write, ")
    assert lines[1] == f"20 frames of test-counter (train) are in {tmp_path}"
    assert load_info(tmp_path).options == {"weather": "fog", "map": "a=b", "difficulty": "easy"}


def test_options_are_read_strictly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_options(["a=1", " b = two ", "a=3"]) == {"a": "3", "b": "two"}
    for text in ("fog", "=fog"):
        with pytest.raises(PlaygroundError, match="NAME=VALUE"):
            parse_options([text])
    arguments = ["--frames", "20", "--out", str(tmp_path / "new")]
    assert main(["collect", "coinrun", *arguments, "--option", "dificulty=easy"]) == 2
    assert "Did you mean 'difficulty'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_help_names_every_world(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert ", ".join(COLLECTORS.names()) in text


def test_describe_prints_the_facts_and_writes_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_tiny_dataset(tmp_path / "data", frames=120)
    assert main(["data", "describe", str(folder), "--sheet", str(tmp_path / "sheet.png")]) == 0
    text = capsys.readouterr().out
    assert "frames    120, 16x16 px" in text
    assert "actions   5" in text
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height > 16
    assert main(["data", "describe", str(tmp_path / "nothing")]) == 2
    assert "playground collect" in capsys.readouterr().err
