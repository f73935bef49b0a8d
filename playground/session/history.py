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
        engine: what the engine needs to go on from here.
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


class History:
    """Snapshots of the latest frames, oldest first."""

    def __init__(self, max_frames: int = 300, max_bytes: int = 512 << 20) -> None:
        """Create an empty history.

        Args:
            max_frames: entries to keep at most.
            max_bytes: memory to hold at most, counted over arrays and tensors; the newest entry always stays.
        """
        self.max_frames = max_frames
        self.max_bytes = max_bytes
        self._entries: deque[tuple[SessionSnapshot, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        """Number of moments to go back to."""
        return len(self._entries)

    @property
    def num_bytes(self) -> int:
        """Memory held by the entries."""
        return self._bytes

    def push(self, snapshot: SessionSnapshot) -> None:
        """Remember a moment, dropping the oldest ones when a limit is passed."""
        size = count_bytes(snapshot)
        self._entries.append((snapshot, size))
        self._bytes += size
        while len(self._entries) > 1 and (len(self._entries) > self.max_frames or self._bytes > self.max_bytes):
            self._bytes -= self._entries.popleft()[1]

    def pop(self, frames: int = 1) -> SessionSnapshot | None:
        """Remove the newest ``frames`` entries and return the last one removed.

        Going back further than the history reaches returns its oldest entry; an empty history returns
        ``None``.
        """
        taken: SessionSnapshot | None = None
        for _ in range(min(frames, len(self._entries))):
            taken, size = self._entries.pop()
            self._bytes -= size
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def copy(self) -> History:
        """A history with the same entries, which are shared because snapshots never change."""
        twin = History(self.max_frames, self.max_bytes)
        twin._entries = deque(self._entries)
        twin._bytes = self._bytes
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
