"""How fast a world plays on this machine: every backend in one run, so that they meet the same other load."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import BACKENDS
from playground.evaluation.rollouts import Progress
from playground.evaluation.run import world_prompts
from playground.session.stats import LoadMeter, rss_mb

WARM_UP_FRAMES = 3
"""Frames generated before the clock starts; the first one of a backend may compile or allocate."""

BenchNumbers = dict[str, float | int | str]


def bench(
    world: Any,
    backend: str = "auto",
    threads: int | None = None,
    seconds: float = 5.0,
    progress: Progress | None = None,
) -> BenchNumbers:
    """Time one backend; see ``bench_backends`` for the keys."""
    return bench_backends(world, [backend], threads, seconds, progress=progress)[backend]


def bench_backends(
    world: Any,
    backends: Sequence[str] | None = None,
    threads: int | None = None,
    seconds: float = 5.0,
    rounds: int = 4,
    progress: Progress | None = None,
) -> dict[str, BenchNumbers]:
    """Time backends side by side, in turns, generating frames one after another in one slot.

    Args:
        world: a loaded ``World``, or a name or folder of one (then ``load_s`` is measured).
        backends: names to compare; None takes every one that runs here.
        threads: threads of the model; None lets the engine choose.
        seconds: measured time for each backend, warm-up not counted.
        rounds: turns that the time is split into.
        progress: called after every turn.

    Returns:
        For each backend the flat keys ``fps_median``, ``fps_p5`` (95 % of frames are at least this fast),
        ``frame_ms_p50``, ``frame_ms_p95``, ``first_frame_s`` (load, engine, prompt and first frame; without
        imports), ``load_s``, ``rss_mb`` (of the whole process, so with all backends of this run in it),
        ``threads``, ``backend``, ``other_load`` (cores that other processes kept busy meanwhile), ``frames``.

    Raises:
        PlaygroundError: a named backend is unknown or does not run on this machine.
    """
    loaded, load_s = _load(world)
    chosen = list(backends) if backends is not None else BACKENDS.names()
    runners: dict[str, _Runner] = {}
    for name in chosen:
        try:
            runners[name] = _Runner(loaded, name, threads)
        except (ImportError, PlaygroundError, RuntimeError) as error:
            if backends is not None:
                raise PlaygroundError(f"backend {name!r} does not run here: {error}") from error
    if not runners:
        raise PlaygroundError("no backend runs here; reinstall playground")
    for turn in range(rounds):
        for index, runner in enumerate(runners.values()):
            runner.run(seconds / rounds)
            if progress is not None:
                progress("bench", turn * len(runners) + index + 1, rounds * len(runners))
    return {name: runner.numbers(load_s) for name, runner in runners.items()}


class _Runner:
    """One backend with an open slot and the times of its frames."""

    def __init__(self, world: Any, backend: str, threads: int | None) -> None:
        from playground.engine.engine import Engine

        started = time.perf_counter()
        self.engine = Engine(world, slots=1, backend=backend, threads=threads)
        self.slot = self.engine.open(_first_prompt(world), seed=0)
        self.codes = [int(action.code) for action in world.actions] or [0]
        self.rng = np.random.default_rng(0)
        self.name, self.frame_s, self.loads = backend, [], []
        self._step()
        self.first_frame_s = time.perf_counter() - started
        for _ in range(WARM_UP_FRAMES):
            self._step()

    def run(self, seconds: float) -> None:
        """Generate frames for ``seconds``, at least one."""
        meter, end = LoadMeter(), time.perf_counter() + seconds
        while True:
            started = time.perf_counter()
            self._step()
            finished = time.perf_counter()
            self.frame_s.append(finished - started)
            if finished >= end:
                break
        self.loads.append(meter.other_load())

    def numbers(self, load_s: float) -> BenchNumbers:
        """The flat report of this backend."""
        p50, p95 = np.percentile(self.frame_s, [50, 95])
        return {
            "fps_median": round(float(1.0 / p50), 3),
            "fps_p5": round(float(1.0 / p95), 3),
            "frame_ms_p50": round(float(1000.0 * p50), 3),
            "frame_ms_p95": round(float(1000.0 * p95), 3),
            "first_frame_s": round(load_s + self.first_frame_s, 3),
            "load_s": round(load_s, 3),
            "rss_mb": round(rss_mb(), 1),
            "threads": _threads(self.engine),
            "backend": str(getattr(self.engine, "backend_name", None) or self.name),
            "other_load": round(float(np.mean(self.loads)), 3),
            "frames": len(self.frame_s),
        }

    def _step(self) -> None:
        # Keys change now and then, as a player's do.
        if not self.frame_s or len(self.frame_s) % 8 == 0:
            self.code = int(self.rng.choice(self.codes))
        self.engine.step({self.slot: self.code})


def _load(world: Any) -> tuple[Any, float]:
    """The loaded world and the seconds that loading it takes, 0.0 for a world that is not from a folder."""
    source = world if isinstance(world, (str, Path)) else getattr(world, "folder", None)
    if source is None:
        return world, 0.0
    from playground.world.bundle import World

    started = time.perf_counter()
    fresh = World.load(source)
    return fresh, time.perf_counter() - started


def _first_prompt(world: Any) -> np.ndarray:
    prompts = world_prompts(world)
    if prompts:
        return prompts[0]
    size = int(world.frame_size)
    return np.full((1, size, size, 3), 128, np.uint8)


def _threads(engine: Any) -> int:
    import torch

    return int(getattr(engine, "threads", None) or torch.get_num_threads())
