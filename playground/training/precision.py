"""The one place that decides in which number format a stage computes."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively; elsewhere it would be emulated and slow."""
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        probe = getattr(torch.cpu, name, None)
        with contextlib.suppress(RuntimeError):
            if probe is not None and probe():
                return True
    return False


def uses_bfloat16(device: str) -> bool:
    """Whether training on ``device`` computes in bfloat16; weights and optimiser state stay float32."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return device == "cpu" and cpu_has_bfloat16()


def autocast(device: str, enabled: bool | None = None) -> AbstractContextManager[object]:
    """Context in which losses are computed on ``device``; ``enabled`` None decides by the hardware."""
    wanted = uses_bfloat16(device) if enabled is None else enabled
    if not wanted:
        return contextlib.nullcontext()
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)
