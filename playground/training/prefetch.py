"""Draws batches in a background thread, so that their assembly overlaps with compute."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


class Prefetcher:
    """A queue of at most ``depth`` batches, each paired with the generator state after it was drawn.

    The state travels with the batch because the thread runs ahead: a checkpoint must hold the state that
    belongs to the last batch that was *used*.
    """

    def __init__(
        self,
        sample: Callable[[np.random.Generator], dict[str, np.ndarray]],
        rng: np.random.Generator,
        depth: int = 2,
    ) -> None:
        """Start drawing with ``sample(rng)``; the thread owns ``rng`` from now on."""
        self.waited = 0.0
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(sample, rng), name="batches", daemon=True)
        self._thread.start()

    def next(self) -> tuple[dict[str, np.ndarray], Mapping[str, Any]]:
        """Return the next batch and the generator state after it; time spent waiting is added to ``waited``.

        Raises:
            BaseException: whatever ``sample`` raised.
        """
        start = time.perf_counter()
        item = self._queue.get()
        self.waited += time.perf_counter() - start
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stop.set()
        self._thread.join()

    def _work(self, sample: Callable[[np.random.Generator], dict[str, np.ndarray]], rng: np.random.Generator) -> None:
        while not self._stop.is_set():
            item: Any
            try:
                item = (sample(rng), rng.bit_generator.state)
            except BaseException as error:
                item = error
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if isinstance(item, BaseException):
                return
