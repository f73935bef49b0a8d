"""The one place that decides in which number format a stage computes."""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


def uses_bfloat16(device: str) -> bool:
    """Whether training on ``device`` computes in bfloat16; weights and optimiser state stay float32.

    On a CPU matrix units (AMX) make it worth while, and so do AMD's AVX-512 instructions for it (1.5 to 1.9 times as
    fast as float32). With Intel's a training step was measured twice as slow; elsewhere bfloat16 is emulated.
    """
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    if device != "cpu":
        return False
    return _cpu_has("_is_amx_tile_supported") or (_cpu_has("_is_avx512_bf16_supported") and _made_by_amd())


@contextlib.contextmanager
def autocast(device: str, enabled: bool | None = None) -> Iterator[None]:
    """Context in which losses are computed; ``enabled`` None decides by the hardware."""
    if not (uses_bfloat16(device) if enabled is None else enabled):
        yield
        return
    kind = device.split(":")[0]
    # On a CPU torch's fused attention goes backwards fifteen times slower in bfloat16 than in float32, and that was
    # half of a dynamics step; plain matrix products use the matrix units.
    attention = sdpa_kernel(SDPBackend.MATH) if kind == "cpu" else contextlib.nullcontext()
    with torch.autocast(kind, dtype=torch.bfloat16), attention:
        yield


@functools.cache  # the optimiser asks at every step
def _made_by_amd() -> bool:
    name = platform.processor()  # names the maker on Windows; Linux has it in a file
    with contextlib.suppress(OSError):
        name += Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return "AuthenticAMD" in name


def _cpu_has(probe: str) -> bool:
    # torch keeps these probes private and may rename them; without them float32 is always right.
    function = getattr(torch.cpu, probe, None)
    with contextlib.suppress(RuntimeError):
        return bool(function is not None and function())
    return False
