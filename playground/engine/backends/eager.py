"""The models as they are, in float32: exact, and available everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from playground.core.registry import BACKENDS

if TYPE_CHECKING:
    from torch import Tensor

    from playground.world.bundle import World


@BACKENDS.register("eager")
class EagerBackend:
    """Runs ``dynamics.network`` and the tokenizer's decoder directly.

    Attributes:
        name: what it is called in reports.
        batched: whether rows of one pass never influence each other.
        fixed_rows: whether a new number of rows costs a compilation.
        world: the models that run.
        run: takes the arguments of ``dynamics.network``.
        run_first_frames: takes the place of ``first_frames`` in corrections; None where it runs as it is.
    """

    name: str = "eager"
    batched: bool = True
    fixed_rows: ClassVar[bool] = False
    run_first_frames: Callable[..., Any] | None = None

    def __init__(self, world: World) -> None:
        """Use the models of ``world``; nothing is copied."""
        from playground.engine.passes import pass_of

        self.world = world
        shape = pass_of(world)
        network = shape.module(world.dynamics.network)
        self.run: Callable[..., Any] = lambda *inputs: network(*shape.inputs(inputs))

    def prepare(self, slots: int) -> None:
        """Get ready for ``slots`` rows; nothing to do here."""

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """Latents (B, T, N, C) to uint8 frames (B, T, H, W, 3)."""
        return self.world.tokenizer.decode(latents_BTNC)
