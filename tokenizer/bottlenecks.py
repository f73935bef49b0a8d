"""The two bottlenecks: a bounded continuous vector, or the same vector rounded to a finite grid.

Legend: B batch, T frames, N latents, C channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ContinuousBottleneck(nn.Module):
    """Squash features into (-1, 1) with tanh, as Dreamer 4 (Hafner et al. 2025) does; no KL term needed."""

    codebook_size: int | None = None

    def __init__(self, channels: int) -> None:
        """Args: channels C of a latent."""
        super().__init__()
        self.channels = channels

    def forward(self, features: Tensor) -> Tensor:
        """(..., C) any real to (..., C) in (-1, 1)."""
        return torch.tanh(features)


class FsqBottleneck(nn.Module):
    """Finite scalar quantisation (Mentzer et al. 2023): round each bounded dimension to a few levels.

    The codebook is implicit, so no code can die. Gradients pass straight through the rounding.
    """

    levels_C: Tensor
    strides_C: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        """Args: levels per dimension; C is their number."""
        super().__init__()
        self.channels = len(levels)
        self.codebook_size = math.prod(levels)
        strides = [math.prod(levels[:index]) for index in range(len(levels))]
        self.register_buffer("levels_C", torch.tensor(levels), persistent=False)
        self.register_buffer("strides_C", torch.tensor(strides), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(..., C) any real to (..., C) in [-1, 1], on the grid, with straight-through gradients."""
        half = (self.levels_C - 1) / 2
        bounded = torch.tanh(features)
        rounded = torch.round((bounded + 1) * half) / half - 1
        return bounded + (rounded - bounded).detach()

    def quantize(self, latents: Tensor) -> Tensor:
        """Latents (..., C) in [-1, 1] to token ids (...) int64 in [0, codebook_size)."""
        half = (self.levels_C - 1) / 2
        indices = torch.round((latents.float() + 1) * half).long().clamp_min(0)
        return (torch.minimum(indices, self.levels_C - 1) * self.strides_C).sum(dim=-1)

    def dequantize(self, tokens: Tensor) -> Tensor:
        """Token ids (...) to latents (..., C) float32 in [-1, 1]."""
        indices = (tokens.unsqueeze(-1) // self.strides_C) % self.levels_C
        return indices / ((self.levels_C - 1) / 2) - 1
