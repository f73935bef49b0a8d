"""A bounded past that a session can rewind into.

Every frame leaves one entry; the oldest entries go when either the number of frames or the memory limit is
reached.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SessionSnapshot:
    """Everything that is needed to go on from one moment of a session.

    Attributes:
        engine: what the engine needs to go on from here; inside a history only what takes the next step back.
        t: number of frames generated since the last reset.
        seed: seed of the run.
        action: code of the action that produced ``frame``; ``None`` for the first frame.
        frame: the picture shown at this moment, uint8 (H, W, 3) in 0..255.
        source: the source whose keys hold, see ``Session.source``.
        reward: what came with ``frame``, see ``Session.reward``.
        end: likewise.
    """

    engine: Any
    t: int
    seed: int
    action: int | None
    frame: np.ndarray
    source: str = ""
    reward: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class _Entry:
    """One way back: ``snapshot`` undoes a step, or (an anchor) leads back over a jump to another moment."""

    snapshot: SessionSnapshot
    size: int
    anchor: bool = False


class History:
    """The ways back over the latest frames, oldest first.

    An entry may hold only what its step changed. Entries therefore have to be followed one by one, newest first.
    """

    def __init__(self, max_frames: int = 300, max_bytes: int = 512 << 20) -> None:
        """Create an empty history.

        Args:
            max_frames: frames to keep at most.
            max_bytes: memory to hold at most, counted over arrays and tensors; the newest entry always stays.
        """
        self.max_frames = max_frames
        self.max_bytes = max_bytes
        self._entries: deque[_Entry] = deque()
        self._bytes = self._frames = 0

    def __len__(self) -> int:
        """Number of moments to go back to."""
        return self._frames

    @property
    def num_bytes(self) -> int:
        """Memory held by the entries."""
        return self._bytes

    def push(self, snapshot: SessionSnapshot) -> None:
        """Remember the moment before a step, dropping the oldest ones when a limit is passed."""
        self._append(_Entry(snapshot, count_bytes(snapshot)))

    def push_jump(self, snapshot: SessionSnapshot) -> None:
        """Remember the moment before a jump elsewhere, whole, so that older entries can still be reached."""
        if self._entries and not self._entries[-1].anchor:
            self._append(_Entry(snapshot, count_bytes(snapshot), anchor=True))

    def pop(self, frames: int = 1) -> list[SessionSnapshot]:
        """Remove the newest ``frames`` moments and return the way back, in the order to follow it.

        Going back further than the history reaches goes to its oldest moment; an empty history returns an empty way.
        """
        way: list[SessionSnapshot] = []
        while frames > 0 and self._frames:
            entry = self._drop(self._entries.pop())
            frames -= not entry.anchor
            way.append(entry.snapshot)
        return way

    def _append(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._bytes += entry.size
        self._frames += not entry.anchor
        while self._frames > 1 and (self._frames > self.max_frames or self._bytes > self.max_bytes):
            self._drop(self._entries.popleft())
        while self._entries[0].anchor:  # nothing older is left that it would lead to
            self._drop(self._entries.popleft())

    def _drop(self, entry: _Entry) -> _Entry:
        self._bytes -= entry.size
        self._frames -= not entry.anchor
        return entry

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = self._frames = 0

    def copy(self) -> History:
        """A history with the same entries, which are shared because snapshots never change."""
        twin = History(self.max_frames, self.max_bytes)
        twin._entries = deque(self._entries)
        twin._bytes, twin._frames = self._bytes, self._frames
        return twin


def count_bytes(value: Any) -> int:
    """Memory of all arrays and tensors inside a snapshot (containers are searched)."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if is_dataclass(value) and not isinstance(value, type):
        return sum(count_bytes(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, dict):
        return sum(count_bytes(item) for item in value.values())
    if isinstance(value, (tuple, list)):
        return sum(count_bytes(item) for item in value)
    if hasattr(value, "__dict__"):
        return sum(count_bytes(item) for item in vars(value).values())
    return 0
