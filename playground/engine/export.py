"""A world's play step and decoder as ONNX files, for runtimes without torch.

``step.onnx`` takes the arguments of ``dynamics.network`` in their order and ``decoder.onnx`` latents; the ring of keys
and values stays with the caller, as in :mod:`playground.core.nn.ring`.
"""

from __future__ import annotations

import copy
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from playground.core.errors import PlaygroundError

if TYPE_CHECKING:
    from playground.world.bundle import World

OPSET = 18
STEP_INPUTS = (
    *("frame", "previous", "level", "step", "action", "prompt"),
    *("cos", "sin", "keys", "values", "bias"),
)
STEP_OUTPUTS = ("out", "new_keys", "new_values")


def export_onnx(world: World, folder: Path | str, rows: int = 1) -> list[Path]:
    """Write ``step.onnx`` and ``decoder.onnx`` for ``rows`` worlds at once and return their paths.

    Raises:
        PlaygroundError: the ``onnx`` package is missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "step.onnx", folder / "decoder.onnx"]
    for path, data in zip(paths, (step_onnx(world, rows), decoder_onnx(world, rows)), strict=True):
        path.write_bytes(data)
    return paths


def step_names(world: World) -> list[str]:
    """Names of the step's inputs, in their order; ``prompt`` is missing for a world that knows no texts."""
    return [name for name in STEP_INPUTS if name != "prompt" or world.prompt_dims]


class _PlainNorm(nn.Module):
    """``nn.RMSNorm`` in operations that every ONNX version has."""

    def __init__(self, norm: nn.RMSNorm) -> None:
        super().__init__()
        self.weight = norm.weight
        self.eps = torch.finfo(torch.float32).eps if norm.eps is None else norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        normal = x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps)
        return normal if self.weight is None else normal * self.weight


def step_onnx(world: World, rows: int) -> bytes:
    """The dynamics step for ``rows`` rows."""
    from playground.engine.static import StaticStep, step_inputs

    step = StaticStep(world.dynamics.network, bool(world.prompt_dims))
    return _onnx(step, step_inputs(world, rows), step_names(world), STEP_OUTPUTS)


def decoder_onnx(world: World, rows: int) -> bytes:
    """The decoder for ``rows`` rows: latents (B, N, C) to uint8 frames (B, H, W, 3)."""
    from playground.engine.static import StaticDecoder, decoder_input

    return _onnx(StaticDecoder(world.tokenizer), [decoder_input(world, rows)], ["latents"], ["frames"])


def _onnx(module: nn.Module, example: list[Tensor], inputs: list[str], outputs: tuple[str, ...] | list[str]) -> bytes:
    try:
        import onnx  # noqa: F401  the exporter needs it and says so less clearly
    except ImportError as error:
        raise PlaygroundError("ONNX export needs a package; install it with: pip install onnx") from error
    module = copy.deepcopy(module).eval()
    for name, norm in list(module.named_modules()):
        if isinstance(norm, nn.RMSNorm):
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, _PlainNorm(norm))
    target = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about every shape that becomes a constant, which is the point
        torch.onnx.export(
            module,
            tuple(example),
            target,  # type: ignore[arg-type]  # torch's stubs leave out files in memory
            input_names=inputs,
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=False,  # the newer exporter needs one more package and takes several times longer
        )
    return target.getvalue()
