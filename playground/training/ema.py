"""A running average of the weights: what is exported, evaluated and played."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ExponentialMovingAverage(Generic[ModuleT]):
    """Keeps ``module``, a copy of a model whose weights trail the trained ones.

    The decay is ``min(decay, (1 + n) / (10 + n))`` after ``n`` updates, so that a short run is not held back
    by its random start.
    """

    def __init__(self, model: ModuleT, decay: float) -> None:
        """Copy ``model``; ``decay`` lies in [0, 1), 0 keeps the average equal to the model."""
        self.decay = decay
        self.updates = 0
        self.module = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards ``model``; buffers are copied."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        ours: list[torch.Tensor] = list(self.module.parameters())
        theirs = [parameter.detach() for parameter in model.parameters()]
        torch._foreach_lerp_(ours, theirs, 1.0 - decay)
        for mine, other in zip(self.module.buffers(), model.buffers(), strict=True):
            mine.copy_(other)
