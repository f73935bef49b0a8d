"""CUDA graphs: a frame is some hundred small kernels, and replaying them as one recording spares their launches.

The models run as a copy on the GPU, under bfloat16 autocast. The memory of the slots lives there too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from playground.core.errors import PlaygroundError
from playground.core.registry import BACKENDS
from playground.engine.backends.fixed import FixedRowsBackend, Graph

if TYPE_CHECKING:
    from torch import Tensor, nn

    from playground.world.bundle import World

_WARM_UPS = 3
"""Runs before recording, so that libraries choose their kernels and allocate what they keep."""


@BACKENDS.register("cudagraph")
class CudaGraphBackend(FixedRowsBackend):
    """Recorded once for each number of rows; playing replays the recording."""

    name: str = "cudagraph"
    filling_pays: ClassVar[float] = 0.0  # kernels this small take the same time for one row and for many
    device: ClassVar[str] = "cuda"

    def __init__(self, world: World) -> None:
        """Copy the models to the GPU and record a single row.

        Raises:
            PlaygroundError: torch finds no GPU.
        """
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise PlaygroundError("the cudagraph backend needs an NVIDIA GPU and a torch built for CUDA; found none")
        moved = copy.copy(world)
        moved.dynamics = copy.deepcopy(world.dynamics).to(self.device)
        moved.tokenizer = copy.deepcopy(world.tokenizer).to(self.device)
        moved.intents = copy.deepcopy(world.intents).to(self.device) if world.intents is not None else None
        super().__init__(moved)

    def compile_step(self, rows: int) -> Graph:
        """The dynamics step for ``rows`` rows."""
        from playground.engine.static import StaticStep, step_inputs

        world = self.world
        step = StaticStep(world.dynamics.network, bool(world.prompt_dims)).eval()
        return self._replayed(step, step_inputs(world, rows))

    def compile_decoder(self, rows: int) -> Graph:
        """The decoder for ``rows`` rows."""
        from playground.engine.static import StaticDecoder, decoder_input

        return self._replayed(StaticDecoder(self.world.tokenizer).eval(), [decoder_input(self.world, rows)])

    def record(self, module: nn.Module, inputs: list[Tensor]) -> tuple[Callable[[], None], list[Tensor]]:
        """Record one run over ``inputs``; returns how to repeat it and the tensors that a repeat overwrites."""
        import torch

        # Casts of weights are part of the recording: a cache of them would be gone when it is replayed.
        mixed = torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), mixed, torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                module(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on using the GPU meanwhile.
        with torch.inference_mode(), mixed, torch.cuda.graph(graph, capture_error_mode="thread_local"):
            made = module(*inputs)
        return graph.replay, list(made) if isinstance(made, tuple) else [made]

    def _replayed(self, module: nn.Module, example: list[Tensor]) -> Graph:
        # The recording reads and writes these very tensors: callers copy in before it and out after it.
        own = [tensor.clone() for tensor in example]
        replay, outputs = self.record(module, own)

        def call(inputs: list[Tensor]) -> list[Tensor]:
            for mine, given in zip(own, inputs, strict=True):
                mine.copy_(given)
            replay()
            return [_full(output) for output in outputs]

        return call


def _full(output: Tensor) -> Tensor:
    """A copy in float32, or in the integers that it already has."""
    return output.float().clone() if output.is_floating_point() else output.clone()
