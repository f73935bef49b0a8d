"""Ways to run the models of a world, and the choice between them.

A backend is a class that is built from a world and has ``name``, ``batched`` (whether rows of one pass never
influence each other), ``run`` (takes the place of ``dynamics.network``) and ``decode`` (latents to frames).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.core.config import config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError
from playground.core.registry import BACKENDS

if TYPE_CHECKING:
    from playground.world.bundle import World

AUTO_CANDIDATES = ("eager", "int8")
"""Backends that ``auto`` tries; the first is exact and stays unless another is clearly faster."""

MEASURE_S = 1.0
CLEARLY_FASTER = 0.9
_MAX_REMEMBERED = 64

logger = logging.getLogger(__name__)


def pick_backend(name: str, world: World, slots: int = 1) -> Any:
    """Return a backend for a world; the same world gets the same object again.

    Args:
        name: of a registered backend, or ``auto`` for the fastest one on this machine. ``auto`` measures for about a
            second the first time and remembers the result in the user's cache folder.
        world: what is to be run.
        slots: how many runs at once ``auto`` should be fast for.

    Raises:
        PlaygroundError: there is no such backend, or it cannot run here.
    """
    if name == "auto":
        name = _fastest(world, slots)
    if name not in world.backends:
        world.backends[name] = BACKENDS.get(name)(world)
    return world.backends[name]


def cache_folder() -> Path:
    """The user's cache folder of this program; it may not exist yet."""
    try:
        from platformdirs import user_cache_dir
    except ImportError:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "playground"
    return Path(user_cache_dir("playground", appauthor=False))


def frame_seconds(backend: Any, world: World, frames: int = 1, slots: int = 1) -> float:
    """Seconds to bring ``slots`` runs one frame on, dynamics and decoder, as the median of ``frames`` times."""
    import torch

    from playground.core.sampling import make_generator

    rows, passes = (slots, 1) if backend.batched else (1, slots)
    times = []
    with torch.inference_mode():
        state, action_B = world.dynamics.new_state(rows), torch.zeros(rows, dtype=torch.int64)
        generators = [make_generator(row) for row in range(rows)]
        for _ in range(frames):
            started = time.perf_counter()
            for _ in range(passes):
                codes, written = world.draw(state, action_B, None, generators, backend.run)
                state.write(written)
                backend.decode(world.latents(codes))
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _fastest(world: World, slots: int) -> str:
    key, path = _situation(world, slots), cache_folder() / "backends.json"
    remembered = _read(path)
    choice = remembered.get(key, {}).get("backend") if isinstance(remembered.get(key), dict) else None
    if choice in AUTO_CANDIDATES:
        return str(choice)
    times = _measure(world, slots)
    exact = AUTO_CANDIDATES[0]
    best = min(times, key=lambda name: times[name])
    choice = best if times[best] < CLEARLY_FASTER * times[exact] else exact
    remembered[key] = {
        "backend": choice,
        "milliseconds": {name: round(1000 * seconds, 2) for name, seconds in times.items()},
    }
    newest = dict(list(remembered.items())[-_MAX_REMEMBERED:])
    try:
        write_json(path, newest)
    except OSError as error:
        logger.info("cannot remember the fastest backend: %s", error)
    return choice


def _measure(world: World, slots: int) -> dict[str, float]:
    """Median seconds per frame of every candidate, taken in turns so that other load hits all alike."""
    backends = {name: pick_backend(name, world) for name in AUTO_CANDIDATES}
    for backend in backends.values():
        frame_seconds(backend, world, 2, slots)  # first passes allocate and tune
    times: dict[str, list[float]] = {name: [] for name in backends}
    end = time.perf_counter() + MEASURE_S
    while time.perf_counter() < end or len(times[AUTO_CANDIDATES[0]]) < 2:
        for name, backend in backends.items():
            times[name].append(frame_seconds(backend, world, 2, slots))
    return {name: statistics.median(values) for name, values in times.items()}


def _situation(world: World, slots: int) -> str:
    """What the fastest backend depends on, as a short key."""
    import torch

    facts = {
        "torch": torch.__version__,
        "machine": [platform.machine(), platform.processor(), _processor()],
        "threads": torch.get_num_threads(),
        "slots": slots,
        "dynamics": [world.dynamics.type_name, config_to_dict(world.dynamics.config)],
        "sampling": world.sampling,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return ""


def _read(path: Path) -> dict[str, Any]:
    """What was remembered; a missing or damaged file counts as nothing."""
    try:
        return read_json(path)
    except (PlaygroundError, OSError):
        return {}
