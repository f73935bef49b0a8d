"""Runs the desktop window over the fake world; the window tests start this file as its own process."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from apps.desktop.window import Window, WindowOptions
from playground.agents.policies import make_policy
from playground.core.errors import PlaygroundError
from tests.session.fake import FakeBook, FakeEngine, make_session


class TextEngine(FakeEngine):
    """Hears events; knows no war."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.events: list[str] = []

    def set_prompt(self, slot: int, text: str) -> None:
        if text == "war":
            raise PlaygroundError("no such thing here; try peace")
        self.events.append(text)


class Told(list[int]):
    """Actions taken, each also a line of a file, so that a test can wait for what it asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("w", buffering=1)

    def append(self, code: int) -> None:
        super().append(code)
        self._file.write(f"{code}\n")


def make_text_session() -> Any:
    """A session over a world that takes texts."""
    from playground.session.session import Session

    prepared: list[str] = []
    world = SimpleNamespace(name="fake", actions=FakeBook(), fps=30, prompts=[], prompt_dims=384, prepared=prepared)
    world.prepare_texts = lambda: prepared.append(threading.current_thread().name)
    return Session(world, TextEngine(world), np.zeros((2, 8, 8, 3), np.uint8))


def main() -> None:
    """Play until the window is closed, then print the timings and the last frame's facts as JSON."""
    session = make_text_session() if "texts" in sys.argv else make_session()
    session.engine.delay_s = 0.01
    session.engine.taken = Told(Path(f"actions-{os.getpid()}.txt"))
    policy = make_policy("sticky", session.world.actions)
    window = Window(session, policy, "sticky", WindowOptions(target_fps=float(sys.argv[1]), scale=40))
    numbers: dict[str, object] = dict(window.run())
    numbers |= {"t": session.t, "seed": session.seed, "actions": [int(a) for a in session.engine.taken]}
    numbers["events"] = getattr(session.engine, "events", [])
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
