"""The models as they are, in float32: exact, and available everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
        run: takes the arguments of ``dynamics.network``.
    """

    name: str = "eager"
    batched: bool = True

    def __init__(self, world: World) -> None:
        """Use the models of ``world``; nothing is copied."""
        self.run: Callable[..., Any] = world.dynamics.network
        self._tokenizer = world.tokenizer

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """Latents (B, T, N, C) to uint8 frames (B, T, H, W, 3)."""
        return self._tokenizer.decode(latents_BTNC)
