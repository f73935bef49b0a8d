"""Ways to run the models of a world, and the choice between them.

A backend is a class that is built from a world and has ``name``, ``world`` (the models that it runs), ``batched``
(whether rows of one pass never influence each other), ``fixed_rows`` (whether a new number of rows costs a
compilation), ``prepare`` (for a number of slots), ``run`` (takes the place of ``dynamics.network``),
``run_first_frames`` (takes the place of ``first_frames`` in corrections; None leaves it) and ``decode`` (latents to
frames).
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.core.config import config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError
from playground.core.registry import BACKENDS
from playground.engine.compiled import cache_folder

if TYPE_CHECKING:
    from playground.world.bundle import World

EXACT = "eager"
"""The backend that others are measured against; it stays unless another is clearly faster."""

ON_GPU = "cudagraph"
"""The backend that ``auto`` takes where torch finds a GPU and the backend draws a frame on it."""

AUTO_CANDIDATES = {EXACT: "torch", "int8": "torch", "openvino": "openvino", "onnx": "onnxruntime"}
"""Backends that ``auto`` tries on a CPU, and the package that each needs."""

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
    import torch

    if name == "auto" and torch.cuda.is_available():
        try:
            backend = pick_backend(ON_GPU, world, slots)
            frame_seconds(backend, 1, slots)
        except Exception as error:  # whatever a driver refuses, the world can still be played
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            logger.warning("the %s backend cannot run world %r, a CPU has to: %s", ON_GPU, world.name, reason)
            world.backends.pop((ON_GPU, torch.get_num_threads()), None)
        else:
            return backend
    if name == "auto":
        name = _fastest(world, slots)
    key = (name, torch.get_num_threads())  # compiled models are made for a number of threads
    if key not in world.backends:
        world.backends[key] = BACKENDS.get(name)(world)
    world.backends[key].prepare(slots)
    return world.backends[key]


def installed_candidates() -> list[str]:
    """The backends that ``auto`` chooses from here."""
    return [name for name, package in AUTO_CANDIDATES.items() if _version(package)]


def frame_seconds(backend: Any, frames: int = 1, slots: int = 1) -> float:
    """Seconds to bring ``slots`` runs one frame on, dynamics and decoder, as the median of ``frames`` times."""
    import torch

    from playground.core.sampling import make_generator

    world = backend.world
    rows, passes = (slots, 1) if backend.batched else (1, slots)
    times = []
    with torch.inference_mode():
        state = world.dynamics.new_state(rows)
        action_B = torch.zeros(rows, dtype=torch.int64, device=state.keys.device)
        generators = [make_generator(row) for row in range(rows)]
        for _ in range(frames):
            started = time.perf_counter()
            for _ in range(passes):
                codes, written = world.draw(state, action_B, None, generators, backend.run, backend.run_first_frames)
                state.write(written)
                backend.decode(world.latents(codes)).cpu()
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _fastest(world: World, slots: int) -> str:
    key, path = _situation(world, slots), cache_folder() / "backends.json"
    remembered = _read(path)
    choice = remembered.get(key, {}).get("backend") if isinstance(remembered.get(key), dict) else None
    if isinstance(choice, str) and choice in installed_candidates():
        return choice
    before = set(world.backends)
    times = _measure(world, slots)
    best = min(times, key=lambda name: times[name])
    choice = best if times[best] < CLEARLY_FASTER * times[EXACT] else EXACT
    for built in set(world.backends) - before:
        if built[0] != choice:  # its copy of the models would stay in memory as long as the world
            world.backends.pop(built, None)
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
    names = installed_candidates()
    if "openvino" in names and "onnx" in names:
        # For worlds of the shipped size never faster than the other, and its export would double a first start.
        names.remove("onnx")
    backends = {}
    for name in names:
        try:
            backends[name] = pick_backend(name, world, slots)
            frame_seconds(backends[name], 2, slots)  # first passes allocate and tune
        except Exception as error:  # an optional engine that cannot run a network must not stop the game
            if name == EXACT:
                raise
            logger.warning("the %s backend cannot run world %r: %s", name, world.name, error)
            backends.pop(name, None)
    times: dict[str, list[float]] = {name: [] for name in backends}
    end = time.perf_counter() + MEASURE_S
    while time.perf_counter() < end or len(times[EXACT]) < 2:
        for name, backend in backends.items():
            times[name].append(frame_seconds(backend, 2, slots))
    return {name: statistics.median(values) for name, values in times.items()}


def _situation(world: World, slots: int) -> str:
    """What the fastest backend depends on, as a short key."""
    import torch

    facts = {
        "versions": {name: _version(package) for name, package in AUTO_CANDIDATES.items()},
        "machine": [platform.machine(), platform.processor(), _processor()],
        "threads": torch.get_num_threads(),
        "slots": slots,
        "dynamics": [world.dynamics.type_name, config_to_dict(world.dynamics.config)],
        "tokenizer": config_to_dict(world.tokenizer.config),
        "sampling": world.sampling,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _version(package: str) -> str:
    """Installed version of a package; empty where it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


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
