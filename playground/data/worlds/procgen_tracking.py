"""Keeps the captions of Procgen games true while they are played, with as few readings of their states as possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from playground.data.worlds.procgen_state import GameState, StateReader

DescribeLevel = Callable[[GameState], int]
"""Caption id of a whole episode from the state at its first frame."""
DescribeFrames = Callable[[GameState, "GameState | None", int], np.ndarray]
"""Caption ids (frames,) from the state at the first of them, the state behind the last or None when the episode ended
there, and their number."""


class CaptionTrack(Protocol):
    """Follows the games of one rollout."""

    def step(self, first_S: np.ndarray, last: bool) -> np.ndarray | None:
        """Note that a step was made.

        Args:
            first_S: bool, the step ended the episode.
            last: no step follows.

        Returns:
            int32 (F, S) caption ids of all frames since the last answer; None when they are not known yet.
        """
        ...


class LevelCaptions:
    """One caption an episode: one reading an episode."""

    def __init__(self, reader: StateReader, skip: int, streams: int, describe: DescribeLevel) -> None:
        """Follow ``streams`` games from game ``skip`` on."""
        self._reader, self._skip, self._describe = reader, skip, describe
        self._captions_S = np.array([self._read(row) for row in range(streams)], np.int32)

    def step(self, first_S: np.ndarray, last: bool) -> np.ndarray:
        """See ``CaptionTrack``; always knows."""
        captions_1S = self._captions_S[None].copy()
        for row in np.flatnonzero(first_S).tolist():
            self._captions_S[row] = self._read(row)
        return captions_1S

    def _read(self, row: int) -> int:
        return self._describe(self._reader.read(self._skip + row))


class ViewCaptions:
    """Captions that follow what is in view: a reading every ``period`` frames and at the start of an episode.

    With a period above 1 the answer for some frames waits for the next reading, so that what lies between two
    readings is worked out from both of them.
    """

    def __init__(self, reader: StateReader, skip: int, streams: int, period: int, describe: DescribeFrames) -> None:
        """Follow ``streams`` games from game ``skip`` on."""
        self._reader, self._skip, self._describe = reader, skip, describe
        self._states = [reader.read(skip + row) for row in range(streams)]
        self._ids_FS = np.empty((period, streams), np.int32)
        # Frames of the present period, and the one at which each stream was read.
        self._frames, self._read_at_S = 0, np.zeros(streams, np.int64)

    def step(self, first_S: np.ndarray, last: bool) -> np.ndarray | None:
        """See ``CaptionTrack``."""
        self._frames += 1
        full = last or self._frames == len(self._ids_FS)
        for row in np.flatnonzero(first_S | full).tolist():
            after, begin = self._reader.read(self._skip + row), int(self._read_at_S[row])
            self._ids_FS[begin : self._frames, row] = self._describe(
                self._states[row], None if first_S[row] else after, self._frames - begin
            )
            self._states[row], self._read_at_S[row] = after, self._frames
        if not full:
            return None
        ids_FS = self._ids_FS[: self._frames].copy()
        self._frames = 0
        self._read_at_S[:] = 0
        return ids_FS
