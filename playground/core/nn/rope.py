"""Rotary position embedding over time (Su et al. 2021), with positions that may grow without limit."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_angles(positions: Tensor, head_dim: int, base: float = 1000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines for integer ``positions`` (...) as float32 (..., E).

    Angles are taken in double precision, so that the last hour of a session is as exact as its first second.
    """
    half = head_dim // 2
    frequencies = base ** (-torch.arange(half, dtype=torch.float64, device=positions.device) / half)
    angles = positions.to(torch.float64).unsqueeze(-1) * frequencies
    return torch.cos(angles).repeat_interleave(2, -1).float(), torch.sin(angles).repeat_interleave(2, -1).float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs of the last axis of ``x`` (..., E); cos and sin broadcast against it."""
    pairs = x.unflatten(-1, (-1, 2))
    turned = torch.stack((-pairs[..., 1], pairs[..., 0]), dim=-1).flatten(-2)
    return x * cos.to(x.dtype) + turned * sin.to(x.dtype)


def swapped_pairs(sin: Tensor) -> tuple[Tensor, Tensor]:
    """What ``rotate_swapped`` needs for sines (..., E): the sines with alternating signs, and each pair's other index.

    Made once for many rotations by the same angles. Gathering swapped pairs is the fastest way in compiled graphs.
    """
    index_E = torch.arange(sin.shape[-1], device=sin.device)
    swap_E = index_E.unflatten(-1, (-1, 2)).flip(-1).flatten()
    return torch.where(swap_E > index_E, -sin, sin), swap_E


def rotate_swapped(x: Tensor, cos: Tensor, signed_sin: Tensor, swap_E: Tensor) -> Tensor:
    """``rotate`` with the results of ``swapped_pairs``; equal to the last bit."""
    return x * cos + x.index_select(-1, swap_E) * signed_sin
