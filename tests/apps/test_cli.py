"""The command line: instant help, and one line for every mistake."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.cli import main as cli
from apps.cli.checks import parse_budget
from playground.core.errors import PlaygroundError

OFFERED = [command.name for command in cli.available_commands()]


def failure(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2) -> str:
    """Run a command that must fail with one line on stderr; returns the line."""
    assert cli.main(argv) == code
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    return lines[0]


def test_overview_lists_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in OFFERED)
    assert {"play", "worlds", "bench", "doctor"} <= set(OFFERED)


@pytest.mark.parametrize("name", OFFERED)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"usage: playground {name}" in capsys.readouterr().out


def test_missing_parts_are_not_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "_ROOT", tmp_path)
    assert [command.name for command in cli.available_commands()] == ["play", "worlds", "bench", "doctor"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("plya",), "Did you mean 'play'"),
        (("play", "--headless"), "--out DIR"),
        (("play", "--out", "x"), "--headless"),
        (("play", "--headless", "--out", "x", "--frames", "0"), "--frames must be above 0"),
        (("play", "--headless", "--out", "x", "--controller", "human"), "no keyboard"),
        (("play", "--seed", "seven"), "--seed"),
        (("play", "--headles"), "playground play --help"),
        (("play", "--scale", "-1"), "--scale"),
        (("bench", "--frames", "-3"), "--frames"),
    ],
)
def test_mistakes_are_one_line(argv: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert expected in failure(capsys, *argv)


def test_no_display_suggests_headless(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux names its display in the environment")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert "--headless" in failure(capsys, "play")


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (PlaygroundError("bad thing\nin x"), 2, "error: bad thing in x"),
        (FileNotFoundError(2, "No such file or directory", "clip.npy"), 2, "error: clip.npy: No such file"),
        (PermissionError(13, "Permission denied", "/out"), 2, "error: /out: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ModuleNotFoundError("No module named 'pygame'", name="pygame"), 2, "pip install pygame-ce"),
        (ZeroDivisionError("division by zero"), 1, "PLAYGROUND_DEBUG=1"),
    ],
)
def test_errors_have_no_traceback(
    error: BaseException,
    code: int,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(configure=lambda p: None, run=fail))
    monkeypatch.delenv("PLAYGROUND_DEBUG", raising=False)
    assert cli.main(["play"]) == code
    captured = capsys.readouterr().err
    assert expected in captured
    assert captured.count("\n") == 1
    monkeypatch.setenv("PLAYGROUND_DEBUG", "1")
    assert cli.main(["play"]) == code
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("25m", 1500), ("1h30m", 5400), ("1.5h", 5400)])
def test_budgets(text: str, seconds: float) -> None:
    assert parse_budget("--budget", text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5x", "0m", "-3s"])
def test_bad_budgets(text: str) -> None:
    with pytest.raises(PlaygroundError, match="--budget"):
        parse_budget("--budget", text)


def test_worlds_and_doctor_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["worlds"]) == 0
    assert cli.main(["worlds", "--json"]) == 0
    cli.main(["doctor"])
    assert "torch" in capsys.readouterr().out
