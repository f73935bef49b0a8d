"""Other ways to draw a frame, rebuilt by us for their cost alone: random weights, the published sizes.

Only the arithmetic is like the originals'. Nothing here says anything about picture quality, and the originals run on
other frameworks. Sizes: Genie's sampler on CoinRun as in the open re-implementation Jafar (Willi et al. 2024: 512 wide,
12 blocks, 256 tokens, 16 frames, 25 MaskGIT steps, no cache); DIAMOND's denoiser (Alonso et al. 2024: 64 channels, 4
levels, 4 past frames, 3 steps); IRIS (Micheli et al. 2023: 256 wide, 10 layers, 17 passes a frame).

Legend: B batch, T frames, S tokens, D width, C channels, H W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


def _attend(qkv: nn.Linear, out: nn.Linear, x_BSD: Tensor, head_dim: int, causal: bool = False) -> Tensor:
    q, k, v = rearrange(qkv(x_BSD), "b s (three h e) -> three b h s e", three=3, e=head_dim)
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return out(rearrange(mixed, "b h s e -> b s (h e)"))


class GenieBlock(nn.Module):
    """Attention in space, causal attention in time, one dense layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_dim = width // heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.qkvs = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(2))
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.dense = nn.Linear(width, width)

    def forward(self, x_TSD: Tensor) -> Tensor:
        x_TSD = x_TSD + _attend(self.qkvs[0], self.outs[0], self.norms[0](x_TSD), self.head_dim)
        x_STD = x_TSD.transpose(0, 1)
        x_STD = x_STD + _attend(self.qkvs[1], self.outs[1], self.norms[1](x_STD), self.head_dim, causal=True)
        x_TSD = x_STD.transpose(0, 1)
        return x_TSD + F.gelu(self.dense(self.norms[2](x_TSD)))


class GenieDynamics(nn.Module):
    """One MaskGIT pass over the whole window of 16 frames, as a sampler without a cache makes it 25 times a frame."""

    passes = 25

    def __init__(
        self, width: int = 512, blocks: int = 12, tokens: int = 256, frames: int = 16, codes: int = 1024
    ) -> None:
        super().__init__()
        self.shape = (frames, tokens)
        self.codes = codes
        self.embed = nn.Embedding(codes + 1, width)
        self.blocks = nn.Sequential(*[GenieBlock(width, heads=8) for _ in range(blocks)])
        self.logits = nn.Linear(width, codes)

    def forward(self) -> Tensor:
        tokens_TS = torch.full(self.shape, self.codes)
        return self.logits(self.blocks(self.embed(tokens_TS)))


class UNetBlock(nn.Module):
    """Two 3x3 convolutions with group norms that a condition scales and shifts; attention where asked for."""

    def __init__(self, channels_in: int, channels: int, condition: int = 256, attention: bool = False) -> None:
        super().__init__()
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        self.convs = nn.ModuleList(
            [nn.Conv2d(channels_in, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1)]
        )
        self.modulations = nn.ModuleList([nn.Linear(condition, 2 * channels_in), nn.Linear(condition, 2 * channels)])
        self.qkv = nn.Linear(channels, 3 * channels) if attention else None
        self.out = nn.Linear(channels, channels) if attention else None

    def forward(self, x_BCHW: Tensor, condition: Tensor) -> Tensor:
        h = x_BCHW
        for conv, modulation in zip(self.convs, self.modulations, strict=True):
            scale, shift = modulation(condition)[:, :, None, None].chunk(2, dim=1)
            h = conv(F.silu(F.group_norm(h, max(1, h.shape[1] // 32)) * (1 + scale) + shift))
        x_BCHW = self.skip(x_BCHW) + h
        if self.qkv is not None and self.out is not None:
            height = x_BCHW.shape[2]
            mixed = _attend(self.qkv, self.out, rearrange(x_BCHW, "b c h w -> b (h w) c"), head_dim=8)
            x_BCHW = x_BCHW + rearrange(mixed, "b (h w) c -> b c h w", h=height)
        return x_BCHW


class DiamondDenoiser(nn.Module):
    """U-Net on 64 x 64 pixels with four past frames beside the noisy one; three Euler steps make a frame."""

    passes = 3

    def __init__(self, channels: int = 64, levels: int = 4, past: int = 4) -> None:
        super().__init__()
        self.channels_in = 3 * (past + 1)
        self.first = nn.Conv2d(self.channels_in, channels, 3, padding=1)
        self.down = nn.ModuleList(nn.ModuleList(UNetBlock(channels, channels) for _ in range(2)) for _ in range(levels))
        self.shrink = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(levels - 1))
        self.middle = nn.ModuleList(UNetBlock(channels, channels, attention=True) for _ in range(2))
        self.up = nn.ModuleList(
            nn.ModuleList(UNetBlock(2 * channels, channels) for _ in range(3)) for _ in range(levels)
        )
        self.grow = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(levels - 1))
        self.last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self) -> Tensor:
        condition, x = torch.zeros(1, 256), self.first(torch.zeros(1, self.channels_in, 64, 64))
        kept: list[list[Tensor]] = []
        for level, blocks in enumerate(self.down):
            x = self.shrink[level - 1](x) if level else x
            kept.append([x])
            for block in blocks:
                x = block(x, condition)
                kept[-1].append(x)
        for block in self.middle:
            x = block(x, condition)
        for level, blocks in enumerate(self.up):
            x = self.grow[level - 1](F.interpolate(x, scale_factor=2.0)) if level else x
            for block, before in zip(blocks, reversed(kept.pop()), strict=True):
                x = block(torch.cat((x, before), dim=1), condition)
        return self.last(F.silu(x))


class TokenByToken(nn.Module):
    """One pass of a GPT with a cache that draws one token; a frame takes one pass a token and one for the action."""

    def __init__(self, tokens: int, width: int = 256, layers: int = 10, context: int = 340, codes: int = 512) -> None:
        super().__init__()
        self.passes = tokens + 1
        self.head_dim, heads = 64, width // 64
        self.embed, self.logits = nn.Embedding(codes, width), nn.Linear(width, codes)
        self.qkvs = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(layers))
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.ups = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(layers))
        self.downs = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.keys = torch.zeros(layers, heads, self.head_dim, context)
        self.values = torch.zeros(layers, heads, context, self.head_dim)

    def forward(self) -> Tensor:
        x_1D = self.embed(torch.zeros(1, dtype=torch.int64))
        for layer, (qkv, out, up, down) in enumerate(zip(self.qkvs, self.outs, self.ups, self.downs, strict=True)):
            q, _, _ = rearrange(qkv(self.norms[2 * layer](x_1D)), "b (three h e) -> three h b e", three=3, e=64)
            weights = (q @ self.keys[layer] * self.head_dim**-0.5).softmax(dim=-1)
            x_1D = x_1D + out(rearrange(weights @ self.values[layer], "h b e -> b (h e)"))
            x_1D = x_1D + down(F.gelu(up(self.norms[2 * layer + 1](x_1D))))
        return self.logits(x_1D)
