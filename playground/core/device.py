"""Where models run and on how many threads."""

from __future__ import annotations

import contextlib
import ctypes
import os


def physical_cores() -> int:
    """Number of physical cores that this process may use, at least 1."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        allowed = os.cpu_count() or 1
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return max(1, allowed)
    pairs = set()
    for block in text.split("\n\n"):
        fields = dict(line.split(":", 1) for line in block.splitlines() if ":" in line)
        fields = {name.strip(): value.strip() for name, value in fields.items()}
        if "physical id" in fields and "core id" in fields:
            pairs.add((fields["physical id"], fields["core id"]))
    return max(1, min(allowed, len(pairs) or allowed))


def quiet_waiting() -> None:
    """Let idle OpenMP threads sleep instead of spin. Must run before torch is imported.

    With one core taken by another program, spinning barriers stall whole scheduler slices and frames arrive late.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def prepare_training(threads: int | None = None) -> int:
    """Set this process up for training on a CPU and return the number of compute threads.

    Numbers too small for the normal float format are rounded to zero: layers that start at zero have such gradients,
    and CPUs compute with them many times slower. Freed memory is kept instead of returned to the system: training
    takes the same large tensors every step, and fresh pages for each of them halve the speed of matrix products.
    """
    count = prepare_threads(threads)
    import torch

    torch.set_flush_denormal(True)
    _keep_memory()
    return count


def _keep_memory() -> None:
    trim_threshold, mmap_max = -1, -4  # names of mallopt's parameters in malloc.h
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(mmap_max, 0)
        library.mallopt(trim_threshold, 2**31 - 1)


def prepare_threads(threads: int | None = None) -> int:
    """Set torch's compute threads and return how many it uses.

    Args:
        threads: wanted number, or None for every physical core.
    """
    quiet_waiting()
    import torch

    count = threads or physical_cores()
    torch.set_num_threads(max(1, count))
    return torch.get_num_threads()


def pick_device(name: str = "auto") -> str:
    """Resolve ``auto`` to ``cuda``, ``mps`` or ``cpu``; any other name is returned as it is."""
    if name != "auto":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
