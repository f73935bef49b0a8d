"""The one place that decides in which number format a stage computes."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import nn


def uses_bfloat16(device: str, model: nn.Module) -> bool:
    """Whether ``model`` computes in bfloat16 on ``device``; weights and optimiser state stay float32.

    On a CPU, matrix units (AMX) make everything faster in bfloat16. The older AVX-512 instructions do so for
    matrix products only: convolutions were measured slower than in float32 there. Elsewhere it is emulated.
    """
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    if device != "cpu":
        return False
    if _cpu_has("_is_amx_tile_supported"):
        return True
    convolutions = any(isinstance(module, nn.modules.conv._ConvNd) for module in model.modules())
    return _cpu_has("_is_avx512_bf16_supported") and not convolutions


def autocast(device: str, model: nn.Module, enabled: bool | None = None) -> AbstractContextManager[object]:
    """Context in which losses are computed; ``enabled`` None decides by the hardware and the model."""
    if not (uses_bfloat16(device, model) if enabled is None else enabled):
        return contextlib.nullcontext()
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)


def _cpu_has(probe: str) -> bool:
    # torch keeps these probes private and may rename them; without them float32 is always right.
    function = getattr(torch.cpu, probe, None)
    with contextlib.suppress(RuntimeError):
        return bool(function is not None and function())
    return False
