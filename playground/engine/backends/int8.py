"""The dynamics with 8-bit linear layers in plain torch: about 2.5 times as fast as float32, at a small loss.

Weights are quantised once, activations at every pass. A pass is recorded as a graph, because it is some hundred small
operations and calling them from Python takes as long as computing them. The decoder stays float32; it is convolutions.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from playground.core.registry import BACKENDS
from playground.engine.backends.eager import EagerBackend

if TYPE_CHECKING:
    from torch import Tensor, nn

    from playground.world.bundle import World

# In order of measured speed; "x86" is a front for the other two that may take the slower one.
_ENGINES = ("fbgemm", "qnnpack")

logger = logging.getLogger(__name__)


@BACKENDS.register("int8")
class Int8Backend(EagerBackend):
    """Dynamic int8 in plain torch; where torch has no int8 kernels it is the eager backend under a warning."""

    name: str = "int8"
    # One activation scale covers all rows of a pass, so a neighbour's values would shift a slot's rounding.
    batched: bool = False

    def __init__(self, world: World) -> None:
        """Quantise and record a copy of the dynamics network."""
        super().__init__(world)
        engine = int8_engine()
        if engine is None:
            logger.warning("this build of torch has no int8 kernels; playing with the eager backend instead")
            self.name, self.batched = EagerBackend.name, EagerBackend.batched
            return
        self.network = quantise(world.dynamics.network, engine)
        self.run = recorded(world, self.network)
        if world.sampling.get("correct_every"):
            self.run_first_frames = recorded_first_frames(world)


def int8_engine() -> str | None:
    """Name of the int8 engine that torch was built with, the fastest first; None without one."""
    import torch

    supported = torch.backends.quantized.supported_engines
    return next((name for name in _ENGINES if name in supported), None)


def quantise(network: nn.Module, engine: str) -> nn.Module:
    """A copy of ``network`` whose inner linear layers are int8.

    The network's own first and last layers stay float32: they are a small part of the work, and they touch the
    latents directly, where rounding would be visible.
    """
    import torch
    from torch import nn

    twin = copy.deepcopy(network).eval().requires_grad_(False)
    outer = {name for name, child in twin.named_children() if isinstance(child, nn.Linear)}
    names = {name for name, module in twin.named_modules() if isinstance(module, nn.Linear)} - outer
    with warnings.catch_warnings(), _selected(engine):
        warnings.simplefilter("ignore")  # upstream announces a successor that needs a compiler at run time
        quantization = torch.ao.quantization
        spec = {name: quantization.per_channel_dynamic_qconfig for name in names}
        return quantization.quantize_dynamic(twin, spec, dtype=torch.qint8, inplace=True)


def recorded(world: World, network: nn.Module) -> Callable[..., Any]:
    """``network`` as a graph for a single row, under the arguments of ``dynamics.network``."""
    from playground.engine.passes import pass_of

    shape = pass_of(world)
    graph = _graph(shape.module(network), shape.example(1))

    def run(*inputs: Any) -> Any:
        return graph(*shape.inputs(inputs))

    return run


def recorded_first_frames(world: World) -> Callable[..., Tensor]:
    """``first_frames`` as graphs, in float32: for one row, and for the two that a text is followed by."""
    from playground.engine.static import first_frame_inputs

    model: Any = world.first_frames
    graphs = {rows: _graph(model, first_frame_inputs(model, rows)) for rows in (1, 2)}

    def run(*inputs: Tensor) -> Tensor:
        made: Tensor = graphs.get(len(inputs[0]), model)(*inputs)
        return made

    return run


def _graph(module: Any, example: list[Tensor]) -> Callable[..., Any]:
    """``module`` recorded, or as it is where this torch cannot record."""
    import torch

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about shapes that become constants, which is the point
            graph: Callable[..., Any] = torch.jit.freeze(torch.jit.trace(module, tuple(example), check_trace=False))
    except RuntimeError as error:
        logger.info("playing without a recorded graph: %s", error)
        return cast("Callable[..., Any]", module)
    return graph


@contextmanager
def _selected(engine: str) -> Iterator[None]:
    """Pack weights for ``engine`` without changing torch's setting for anybody else."""
    import torch

    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        yield
    finally:
        torch.backends.quantized.engine = before
