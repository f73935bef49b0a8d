"""Transformer and convolution blocks.

Legend: B batch (any leading axis folded in), S tokens, D width, K heads, E head dims, C channels, H W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

HEAD_DIM = 32
"""Dimensions of one attention head where a model does not choose its own."""

COARSEST = 4
"""Side of the grid at which what a picture shows is read from its latents."""


class RMSNorm(nn.RMSNorm):
    """Root mean square norm (Zhang and Sennrich 2019) in the number format of what comes in.

    torch's own takes its fused kernel only where the weights have that format too, which they do not under autocast.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        weight = None if self.weight is None else self.weight.to(x.dtype)
        return F.rms_norm(x, list(self.normalized_shape), weight, self.eps)


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020), with the hidden width chosen to cost as much as a plain 4x MLP."""

    def __init__(self, width: int, expansion: float = 8 / 3) -> None:
        """Args: width D; expansion times D (rounded to a multiple of 32) is the hidden width."""
        super().__init__()
        hidden = max(32, int(width * expansion / 32 + 0.5) * 32)
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(self, x_BSD: Tensor) -> Tensor:
        """(B, S, D) to (B, S, D)."""
        value, gate = self.up(x_BSD).chunk(2, dim=-1)
        return self.down(value * F.silu(gate))


class SpaceAttention(nn.Module):
    """Attention among the tokens of one frame, with normalised queries and keys (Dehghani et al. 2023)."""

    def __init__(self, width: int, head_dim: int = HEAD_DIM) -> None:
        """Args: width D, a multiple of head_dim."""
        super().__init__()
        self.head_dim = head_dim
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_q = RMSNorm(head_dim)
        self.norm_k = RMSNorm(head_dim)
        nn.init.zeros_(self.out.weight)

    def forward(self, x_BSD: Tensor) -> Tensor:
        """(B, S, D) to (B, S, D)."""
        q, k, v = rearrange(self.qkv(x_BSD), "b s (three k e) -> three b k s e", three=3, e=self.head_dim)
        mixed = F.scaled_dot_product_attention(self.norm_q(q).to(v.dtype), self.norm_k(k).to(v.dtype), v)
        return self.out(rearrange(mixed, "b k s e -> b s (k e)"))


class SpaceBlock(nn.Module):
    """Pre-norm transformer block over the tokens of one frame."""

    def __init__(self, width: int, head_dim: int = HEAD_DIM) -> None:
        """Args: width D, a multiple of head_dim."""
        super().__init__()
        self.norm_attention = RMSNorm(width)
        self.attention = SpaceAttention(width, head_dim)
        self.norm_mlp = RMSNorm(width)
        self.mlp = SwiGLU(width)

    def forward(self, x_BSD: Tensor) -> Tensor:
        """(B, S, D) to (B, S, D)."""
        x_BSD = x_BSD + self.attention(self.norm_attention(x_BSD))
        return x_BSD + self.mlp(self.norm_mlp(x_BSD))


class ConvBlock(nn.Module):
    """Residual block of two 3x3 convolutions without normalisation.

    The second convolution starts at zero, so that the block starts as the identity and depth is free at first
    (the idea of Fixup, Zhang et al. 2019); norms would cost as much time as the convolutions on a CPU.
    """

    def __init__(self, channels: int) -> None:
        """Args: channels in and out."""
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x_BCHW + self.second(F.silu(self.first(F.silu(x_BCHW))))


def grid_features(side: int, channels_in: int, channels: int, width: int) -> nn.Sequential:
    """Latents on a grid (B, C, side, side) to one vector (B, width), places told apart at a side of ``COARSEST``."""
    layers: list[nn.Module] = [nn.Conv2d(channels_in, channels, 3, padding=1), nn.SiLU()]
    while side > COARSEST:
        layers += [nn.Conv2d(channels, channels, 3, stride=2, padding=1), nn.SiLU()]
        side = (side + 1) // 2
    layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(channels * side * side, width))


def conv_down(widths: tuple[int, ...], channels_in: int = 3, blocks: int = 1) -> nn.Sequential:
    """Halve the resolution once per entry of ``widths``: pixel unshuffle, 3x3 convolution, residual blocks.

    The finest level has no residual blocks: few channels on many pixels are what a CPU computes slowest.
    """
    layers: list[nn.Module] = []
    for index, width in enumerate(widths):
        layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * channels_in, width, 3, padding=1)]
        layers += [ConvBlock(width) for _ in range(blocks if index else 0)]
        channels_in = width
    return nn.Sequential(*layers)


def conv_up(widths: tuple[int, ...], channels_out: int = 3, blocks: int = 1, finest_blocks: int = 0) -> nn.Sequential:
    """Double the resolution once per entry of ``widths``: residual blocks, 3x3 convolution, pixel shuffle.

    Shuffling as the last operation keeps every convolution at half resolution or below, which makes it about ten
    times cheaper than a decoder that ends in full-resolution convolutions. ``finest_blocks`` come before the last of
    them, ``blocks`` before every other.
    """
    layers: list[nn.Module] = []
    for index, width in enumerate(widths):
        finest = index + 1 == len(widths)
        following = channels_out if finest else widths[index + 1]
        layers += [ConvBlock(width) for _ in range(finest_blocks if finest else blocks)]
        layers += [nn.Conv2d(width, 4 * following, 3, padding=1), nn.PixelShuffle(2)]
    return nn.Sequential(*layers)


def to_pixels(frames_BTHWC: Tensor) -> Tensor:
    """uint8 frames (B, T, H, W, 3) in [0, 255] to float (B*T, 3, H, W) in [-1, 1], channels last in memory."""
    pixels = rearrange(frames_BTHWC, "b t h w c -> (b t) c h w")
    return pixels.to(torch.float32).div_(127.5).sub_(1.0)


def to_frames(pixels_BCHW: Tensor, batch: int) -> Tensor:
    """Float (B*T, 3, H, W) in [-1, 1] to uint8 frames (B, T, H, W, 3)."""
    scaled = pixels_BCHW.float().add(1.0).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)
    return rearrange(scaled, "(b t) c h w -> b t h w c", b=batch)
