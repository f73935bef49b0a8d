"""A counting world for tests of collection; in a module of its own so that worker processes can import it quickly."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.worlds import StepBatch

EPISODE = 7


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class CounterCollector:
    """A world whose frame shows the stream, the step of the episode and the action that produced it.

    Options make it fail at stream ``fail_at``: by a PlaygroundError, a bug, an interrupt, or the death of its process;
    ``wait_ms`` slows every step down.
    """

    version = 1
    fps = 5.0
    action_names = ["a", "b", "c", "d"]
    captions: list[str] = []
    licence = "CC0-1.0"
    streams_per_rollout = 3

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        self.size, self.seed_range = size, [0, 10]
        self._fail_at, self._failure = int(options.get("fail_at", 10**6)), options.get("failure", "error")
        self._wait = float(options.get("wait_ms", 0)) / 1000
        self.options: dict[str, Any] = {}

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Yield frames whose first pixel is (stream, step, action that produced the frame + 1)."""
        rngs = [np.random.default_rng([seed, first_stream + row]) for row in range(streams)]
        produced = np.zeros(streams, int)
        for t in range(frames):
            if first_stream >= self._fail_at and t == 5:
                self._fail()
            if self._wait:
                time.sleep(self._wait)
            frames_SHWC = np.zeros((streams, self.size, self.size, 3), np.uint8)
            frames_SHWC[:, 0, 0, 0] = first_stream + np.arange(streams)
            frames_SHWC[:, 0, 0, 1] = t % EPISODE
            frames_SHWC[:, 0, 0, 2] = produced
            actions_S = np.array([rng.integers(4) for rng in rngs])
            ended = t % EPISODE == EPISODE - 1
            produced = np.zeros(streams, int) if ended else actions_S + 1
            yield StepBatch(
                frames_SHWC,
                actions_S,
                np.full(streams, float(ended)),
                np.full(streams, ended),
                np.zeros(streams, bool),
                np.full(streams, -1),
            )

    def _fail(self) -> None:
        if self._failure == "interrupt":
            raise KeyboardInterrupt
        if self._failure == "bug":
            raise ValueError("a bug\nin the world")
        if self._failure == "death":
            os._exit(7)
        raise PlaygroundError("the world needs a package; install it")
