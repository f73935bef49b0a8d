"""Randomness that is passed, never global."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def make_generator(seed: int, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator with its own stream; any non-negative or negative integer is a valid seed."""
    return torch.Generator(device=device).manual_seed(seed % (1 << 63))


def row_noise(shape: Sequence[int], generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Standard normal noise of ``shape`` whose row ``b`` comes from ``generators[b]`` alone.

    A row's noise therefore never depends on what else is in the batch.
    """
    return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators])


class Draw:
    """Random tensors from one generator, on its device."""

    def __init__(self, generator: torch.Generator) -> None:
        """Take the source of all that is drawn."""
        self.generator = generator

    def uniform(self, *shape: int) -> torch.Tensor:
        """Numbers evenly spread over [0, 1)."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def rows(self, batch: int, share: float) -> int:
        """Rows that make up a share of a batch; what is left of a row is one row in as many batches.

        Cut off, an eighth of a batch of four would never be drawn.
        """
        whole, rest = divmod(batch * share, 1)
        return int(whole) + int(rest > 0 and self.uniform(1).item() < rest)
