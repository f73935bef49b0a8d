"""A world without models: the frame shows the sum of the actions taken, so that every mistake is visible."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError, suggest


@dataclass(frozen=True)
class FakeAction:
    code: int
    name: str
    keys: tuple[str, ...]
    noop: bool = False


class FakeBook:
    """The part of the action book that playing needs."""

    def __init__(self) -> None:
        self.entries = (
            FakeAction(0, "stay", (), noop=True),
            FakeAction(1, "left", ("left",)),
            FakeAction(2, "right", ("right",)),
            FakeAction(3, "jump", ("up", "space")),
            FakeAction(4, "jump right", ("right+up",)),
        )
        self.noop = self.entries[0]

    def resolve(self, name: Any) -> FakeAction:
        for entry in self.entries:
            if name == entry.code or name == entry.name or name in entry.keys:
                return entry
        raise PlaygroundError(f"no action {name!r}.{suggest(str(name), [e.name for e in self.entries])}")

    def from_keys(self, held: set[str]) -> FakeAction:
        best, length = self.noop, 0
        for entry in self.entries:
            for chord in entry.keys:
                parts = set(chord.split("+"))
                if parts <= held and len(parts) > length:
                    best, length = entry, len(parts)
        return best


class FakeEngine:
    """Counts actions per slot; ``delay_s`` makes it slow."""

    def __init__(self, world: Any, slots: int = 1, backend: str = "auto", threads: int | None = None) -> None:
        self.world, self.slots, self.backend_name, self.threads = world, slots, "fake", 1
        self.delay_s = 0.0
        self.fail_at: int | None = None
        self.ends: dict[int, float] = {}  # by action; a world that tells no ends by default
        self.steps = 0
        self.taken: list[int] = []
        self._totals: dict[int, int] = {}

    def open(self, frames: np.ndarray, seed: int, text: str = "") -> int:
        free = [slot for slot in range(self.slots) if slot not in self._totals]
        if not free:
            raise PlaygroundError("all slots are taken")
        self._totals[free[0]] = seed
        return free[0]

    def step(self, actions: dict[int, int]) -> dict[int, Any]:
        time.sleep(self.delay_s)
        self.steps += 1
        if self.fail_at is not None and self.steps >= self.fail_at:
            raise PlaygroundError("the model broke")
        out = {}
        for slot, code in actions.items():
            self.taken.append(code)
            self._totals[slot] = (self._totals[slot] * 3 + code) % 251
            frame = np.full((8, 8, 3), self._totals[slot], np.uint8)
            out[slot] = SimpleNamespace(frame=frame, reward=None, end=self.ends.get(code))
        return out

    def close(self, slot: int) -> None:
        del self._totals[slot]

    def snapshot(self, slot: int) -> np.ndarray:
        return np.array([self._totals[slot]])

    def restore(self, slot: int, snapshot: np.ndarray) -> None:
        self._totals[slot] = int(snapshot[0])


def make_session(slots: int = 1, seed: int = 0, **options: Any) -> Any:
    """A session over a fresh fake engine."""
    from playground.session.session import Session

    world = SimpleNamespace(name="fake", actions=FakeBook(), fps=30, prompts=[])
    prompt = np.zeros((2, 8, 8, 3), np.uint8)
    return Session(world, FakeEngine(world, slots), prompt, seed, **options)
