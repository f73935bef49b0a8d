"""What the training loop needs from a stage."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from playground.core.component import Component


class Stage(Protocol):
    """One thing to train: a model, where its batches come from and how its result is looked at.

    Attributes:
        name: folder name inside the run: ``tokenizer``, ``latent-actions`` or ``dynamics``.
        model: what is trained.
        frames_per_step: frames in one batch, for the frames-per-second figure.
    """

    name: str
    model: Component
    frames_per_step: int

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one batch; runs in a background thread and uses no randomness but ``rng``."""
        ...

    def loss(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator, progress: float
    ) -> dict[str, torch.Tensor]:
        """Return ``"loss"`` (differentiable) and metrics for a batch that is on the model's device."""
        ...

    def after_step(self) -> dict[str, float]:
        """Upkeep after an optimiser step, such as re-seeding dead codes; returns extra metrics."""
        ...

    def inspect(self, model: Component) -> tuple[np.ndarray | None, dict[str, float]]:
        """Return a contact sheet (H, W, 3 uint8) and slower metrics of ``model``, the averaged weights."""
        ...

    def alarms(self, metrics: dict[str, float]) -> list[str]:
        """Name what looks wrong in ``metrics``, one line each."""
        ...
