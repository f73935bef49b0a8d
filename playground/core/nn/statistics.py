"""Latents normalised inside a model, by the mean and spread of its data."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NormalisedLatents(nn.Module):
    """For models that take latents as a tokenizer gives them and work on normalised ones.

    Attributes:
        mean_C: mean of each channel.
        scale_C: standard deviation of each channel.
    """

    mean_C: Tensor
    scale_C: Tensor

    def register_statistics(self, channels: int) -> None:
        """Begin with a mean of 0 and a deviation of 1; to be called once, while the model is built."""
        self.register_buffer("mean_C", torch.zeros(channels))
        self.register_buffer("scale_C", torch.ones(channels))

    def set_statistics(self, latents: Tensor) -> None:
        """From now on normalise latents (..., C) in [-1, 1], inside the model, by the mean and variance of these."""
        flat = latents.reshape(-1, latents.shape[-1]).float()
        self.mean_C.copy_(flat.mean(dim=0))
        self.scale_C.copy_(flat.std(dim=0).clamp_min(1e-3))
