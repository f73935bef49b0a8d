"""The one place that decides in which number format a stage computes."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch


def uses_bfloat16(device: str) -> bool:
    """Whether training on ``device`` computes in bfloat16; weights and optimiser state stay float32.

    On a CPU only matrix units (AMX) make it worth while. With the older AVX-512 instructions a training step was
    measured twice as slow as in float32; elsewhere bfloat16 is emulated.
    """
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return device == "cpu" and _cpu_has("_is_amx_tile_supported")


def autocast(device: str, enabled: bool | None = None) -> AbstractContextManager[object]:
    """Context in which losses are computed; ``enabled`` None decides by the hardware."""
    if not (uses_bfloat16(device) if enabled is None else enabled):
        return contextlib.nullcontext()
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)


def _cpu_has(probe: str) -> bool:
    # torch keeps these probes private and may rename them; without them float32 is always right.
    function = getattr(torch.cpu, probe, None)
    with contextlib.suppress(RuntimeError):
        return bool(function is not None and function())
    return False
