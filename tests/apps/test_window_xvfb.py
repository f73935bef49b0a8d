"""A real window on a virtual display, driven by real key events."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygame")
ROOT = Path(__file__).resolve().parents[2]
needs_xvfb = pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """Name of a virtual display."""
    read, write = os.pipe()
    # A display resets when its last client leaves, and xdotool may be that while the game is just opening its window.
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x900x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        number = numbers.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


class Player:
    """A window process and the keys to press in it."""

    def __init__(self, display: str, folder: Path, fps: float, *options: str) -> None:
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("SDL_")}
        self.env |= {"DISPLAY": display, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/apps/play_fake.py"), str(fps), *options],
            cwd=folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.window = ""
        self.until(self._focused, "the window has the keyboard")
        time.sleep(0.3)

    def xdo(self, *words: str) -> str:
        """Run xdotool."""
        done = subprocess.run(["xdotool", *words], env=self.env, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _focused(self) -> bool:
        """Look for the window and give it the keyboard; both fail while it is not mapped, or another one goes away."""

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(["xdotool", *words], env=self.env, capture_output=True, text=True, timeout=30)

        found = run("search", "--onlyvisible", "--pid", str(self.process.pid)).stdout.split()
        if not found or run("windowfocus", found[0]).returncode:
            return False
        self.window = found[0]
        return run("getwindowfocus").stdout.split() == [self.window]

    def title(self) -> str:
        """The window's title, which says who plays and whether it is paused."""
        return self.xdo("getwindowname", self.window).strip()

    def taken(self) -> list[int]:
        """Codes of the actions that the world has taken so far."""
        return [int(line) for line in (self.folder / f"actions-{self.process.pid}.txt").read_text().splitlines()]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, what
            assert self.process.poll() is None, self.process.stderr.read()  # type: ignore[union-attr]
            time.sleep(0.05)

    def quit(self) -> dict[str, Any]:
        """Press Escape and return what the process printed."""
        self.xdo("key", "Escape")
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, err
        return json.loads(out.strip().splitlines()[-1])


@pytest.fixture
def play(display: str, tmp_path: Path) -> Iterator[Callable[..., Player]]:
    """Starts windows and ends them with the test."""
    players: list[Player] = []

    def start(fps: float = 30.0, *options: str) -> Player:
        players.append(Player(display, tmp_path, fps, *options))
        return players[-1]

    yield start
    for player in players:
        if player.process.poll() is None:
            player.process.kill()
            player.process.wait(10)


@needs_xvfb
def test_keys_reach_the_world_and_latency_is_measured(play: Callable[..., Player]) -> None:
    player = play()
    player.xdo("keydown", "Right")
    player.until(lambda: player.taken().count(2) >= 5, "a held key does not last")
    player.xdo("keyup", "Right")
    player.xdo("key", "a")
    player.until(lambda: 1 in player.taken(), "a tap is lost")
    player.xdo("key", "5")
    player.until(lambda: 4 in player.taken(), "a number plays no action")
    player.xdo("keydown", "d", "keydown", "w")
    player.until(lambda: player.taken()[-3:] == [4] * 3, "two keys make no chord")
    player.xdo("keyup", "w", "keyup", "d")
    numbers = player.quit()
    assert numbers["actions"].count(2) >= 5
    assert numbers["actions"].count(1) >= 1
    assert numbers["actions"].count(4) >= 3
    assert 0 < numbers["key_to_frame_ms_p95"] < 1000
    assert numbers["fps_median"] > 5


@needs_xvfb
def test_taps_count_in_a_slow_world(play: Callable[..., Player]) -> None:
    player = play(fps=2.0)
    player.xdo("key", "--delay", "5", "space")
    player.until(lambda: 3 in player.taken(), "a tap is lost")
    assert 3 in player.quit()["actions"]


@needs_xvfb
def test_a_text_is_typed_without_the_key_that_opens_the_line(play: Callable[..., Player]) -> None:
    player = play(30.0, "texts")
    player.xdo("key", "--delay", "100", "t")
    player.xdo("type", "--delay", "40", "Snow mepw")
    player.xdo("key", "--delay", "40", "BackSpace", "Return", "t", "x", "Escape", "5")
    time.sleep(0.3)
    numbers = player.quit()
    assert numbers["events"] == ["Snow mep"]
    assert set(numbers["actions"]) <= {0, 4}


@needs_xvfb
def test_commands(play: Callable[..., Player]) -> None:
    player = play()
    player.xdo("key", "p")
    player.until(lambda: "paused" in player.title(), "not paused")
    player.xdo("key", "F12")
    player.until(lambda: len(list(player.folder.glob("*.png"))) == 1, "no screenshot")
    player.xdo("key", "e")
    time.sleep(0.3)
    player.xdo("key", "F12")
    player.until(lambda: len(list(player.folder.glob("*.png"))) == 2, "no second screenshot")
    player.xdo("key", "period")
    player.until(lambda: "paused" not in player.title(), "still paused")
    player.xdo("key", "m")
    player.until(lambda: "sticky" in player.title(), "the agent does not play")
    player.xdo("key", "--delay", "50", "m", "h", "h", "Tab", "bracketright", "bracketleft")
    player.xdo("key", "--delay", "50", "F1", "Escape")  # Escape closes the help first
    player.xdo("key", "shift+r")
    time.sleep(0.3)
    player.xdo("keydown", "BackSpace", "sleep", "0.5", "keyup", "BackSpace")
    numbers = player.quit()
    assert numbers["seed"] == 1


@needs_xvfb
def test_keys_are_released_when_the_window_loses_the_keyboard(
    play: Callable[..., Player], display: str, tmp_path: Path
) -> None:
    player = play()
    player.xdo("keydown", "Right")
    player.until(lambda: 2 in player.taken(), "the key does not arrive")
    other = play()  # takes the keyboard
    other.xdo("keyup", "Right")
    time.sleep(0.3)
    other.quit()
    player.xdo("windowfocus", "--sync", player.window)
    before = len(player.taken())
    player.until(lambda: len(player.taken()) >= before + 10, "the world stands still")
    assert player.quit()["actions"][-5:] == [0] * 5
