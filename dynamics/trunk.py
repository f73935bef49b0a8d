"""The block-causal space-time transformer under both heads.

The tokens of one frame (packed latents, an action token, a prompt token, registers) attend to each other in every
block; in every ``time_every``-th block each token also attends to the same token of past frames. The condition
(noise level, step size, action) additionally scales and shifts the input of each layer (adaLN, Peebles and Xie
2022): on small data an action that arrives only as one token among many is easily ignored.

Legend: B batch, T frames, S tokens per frame, D width, K heads, E head dims, R ring slots, L time layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dynamics.config import DynamicsConfig
from playground.core.nn.blocks import RMSNorm, SpaceAttention, SwiGLU
from playground.core.nn.rope import rotary_angles, rotate, rotate_swapped, swapped_pairs


def level_waves(level: Tensor, width: int) -> Tensor:
    """Sines and cosines (..., D) of noise levels (...) in [0, 1]."""
    frequencies = torch.exp(torch.arange(width // 2, device=level.device) * (-6.0 / (width // 2)))
    angles = 100.0 * level.float().unsqueeze(-1) * frequencies
    return torch.cat((torch.cos(angles), torch.sin(angles)), dim=-1)


class TimeAttention(nn.Module):
    """Causal attention of each token to the same token of past frames."""

    def __init__(self, width: int, head_dim: int) -> None:
        """Args: width D, a multiple of head_dim E."""
        super().__init__()
        self.head_dim = head_dim
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_q = RMSNorm(head_dim)
        self.norm_k = RMSNorm(head_dim)
        self.norm_both = RMSNorm(head_dim, elementwise_affine=False)
        nn.init.zeros_(self.out.weight)

    def window(self, x_BTSD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> tuple[Tensor, Tensor]:
        """All frames of a clip at once: outputs (B, T, S, D) and values (B, T, S, K, E)."""
        batch = x_BTSD.shape[0]
        q, k, v = rearrange(self.qkv(x_BTSD), "b t s (three k e) -> three (b s) k t e", three=3, e=self.head_dim)
        q = rotate(self.norm_q(q), cos_TE, sin_TE).to(v.dtype)
        k = rotate(self.norm_k(k), cos_TE, sin_TE).to(v.dtype)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out = self.out(rearrange(mixed, "(b s) k t e -> b t s (k e)", b=batch))
        return out, rearrange(v, "(b s) k t e -> b t s k e", b=batch)

    def step(
        self,
        x_BSD: Tensor,
        rotary: tuple[Tensor, Tensor, Tensor],
        keys: Tensor,
        values: Tensor,
        bias_BR: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One new frame against the ring; returns output (B, S, D) and its own key and value (B, S, K, E).

        The frame's own key and value join as one extra softmax column instead of being copied into the ring.
        Queries and keys are normalised and rotated together: at this size an operation costs more than its numbers.

        Args:
            x_BSD: tokens.
            rotary: cosines and signed sines (B, 1, 1, 1, E), and the index that swaps pairs.
            keys: this layer's (B, S, K, E, R).
            values: this layer's (B, S, K, R, E).
            bias_BR: 0 where a ring slot is filled.
        """
        qkv = self.qkv(x_BSD).unflatten(-1, (3, -1, self.head_dim))
        scale = torch.stack((self.norm_q.weight, self.norm_k.weight)).unsqueeze(1)
        both = rotate_swapped(self.norm_both(qkv[:, :, :2]) * scale, *rotary)
        (q, k), v = both.unbind(2), qkv[:, :, 2]
        q = q * self.head_dim**-0.5
        past = (q.unsqueeze(-2) @ keys).squeeze(-2) + bias_BR[:, None, None]
        own = (q * k).sum(dim=-1, keepdim=True)
        weights = torch.cat((past, own), dim=-1).softmax(dim=-1)
        mixed = (weights[..., :-1].unsqueeze(-2) @ values).squeeze(-2) + weights[..., -1:] * v
        return self.out(mixed.flatten(-2)), k, v


class TrunkBlock(nn.Module):
    """Time attention (in some blocks), space attention and a feed-forward layer, each scaled by the condition."""

    def __init__(self, config: DynamicsConfig, over_time: bool) -> None:
        """Args: config; over_time: whether this block attends over time."""
        super().__init__()
        width = config.width
        self.time = TimeAttention(width, config.head_dim) if over_time else None
        self.norm_time = RMSNorm(width) if over_time else None
        self.norm_space = RMSNorm(width, elementwise_affine=False)
        self.norm_mlp = RMSNorm(width, elementwise_affine=False)
        self.space = SpaceAttention(width, config.head_dim)
        self.mlp = SwiGLU(width)
        # Low rank: one number per frame and channel does not need a full matrix, a fifth of all weights otherwise.
        scales_and_shifts = nn.Linear(width // 4, 4 * width)
        self.modulation = nn.Sequential(nn.Linear(width, width // 4, bias=False), scales_and_shifts)
        nn.init.zeros_(scales_and_shifts.weight)
        nn.init.zeros_(scales_and_shifts.bias)

    def mix_frame(self, x_BSD: Tensor, condition_BD: Tensor) -> Tensor:
        """Space attention and feed-forward of single frames (frames folded into B)."""
        return self.mix_modulated(x_BSD, self.modulation(condition_BD).unsqueeze(-2))

    def mix_modulated(self, x_BSD: Tensor, modulation: Tensor) -> Tensor:
        """``mix_frame`` with scales and shifts (B, 1, 4 D) that are known already."""
        scale_a, shift_a, scale_m, shift_m = modulation.chunk(4, dim=-1)
        x_BSD = x_BSD + self.space(self.norm_space(x_BSD) * (1 + scale_a) + shift_a)
        return x_BSD + self.mlp(self.norm_mlp(x_BSD) * (1 + scale_m) + shift_m)


class Trunk(nn.Module):
    """Blocks, extra tokens and the condition; heads bring the embedding of latents and the output layer."""

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__()
        width = config.width
        self.head_dim = config.head_dim
        self.packed = config.tokens_per_frame // config.packing**2
        self.has_prompt = config.prompt_dims > 0
        self.extras = 1 + int(self.has_prompt) + config.registers
        self.action = nn.Embedding(config.num_actions + 1, width)
        self.step_size = nn.Embedding(config.steps.bit_length(), width)
        self.level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        if self.has_prompt:
            self.prompt = nn.Linear(config.prompt_dims, width)
            self.no_prompt_D = nn.Parameter(torch.zeros(width))
        self.registers_SD = nn.Parameter(torch.randn(config.registers, width) * 0.02)
        self.position_SD = nn.Parameter(torch.randn(self.packed, width) * 0.02)
        blocks = [TrunkBlock(config, over_time=index % config.time_every == 0) for index in range(config.depth)]
        self.blocks = cast("Sequence[TrunkBlock]", nn.ModuleList(blocks))
        self.time_layers = sum(block.time is not None for block in self.blocks)
        self.norm = RMSNorm(width)
        nn.init.normal_(self.action.weight, std=0.5)
        nn.init.normal_(self.step_size.weight, std=0.02)

    @property
    def tokens(self) -> int:
        """Tokens S of one frame inside the trunk."""
        return self.packed + self.extras

    def condition(self, level: Tensor, step: Tensor, action: Tensor) -> Tensor:
        """Noise level in [0, 1], step-size index and action id, each (...), to a condition (..., D)."""
        waves = level_waves(level, self.action.embedding_dim)
        return F.silu(self.level(waves) + self.step_size(step) + self.action(action))

    def modulations(self, condition_BD: Tensor) -> Tensor:
        """Scales and shifts of every block for a condition, (B, blocks, 1, 4 D)."""
        return torch.stack([block.modulation(condition_BD) for block in self.blocks], dim=1).unsqueeze(2)

    def assemble(self, packed: Tensor, action: Tensor, prompt: Tensor | None) -> Tensor:
        """Put action, prompt and register tokens in front of the packed latents: (..., N', D) to (..., S, D)."""
        return self.put_behind(self.extra_tokens(action, prompt), packed)

    def put_behind(self, extras: Tensor, packed: Tensor) -> Tensor:
        """Put packed latents (..., N', D) behind ``extra_tokens`` (..., S - N', D)."""
        return torch.cat((extras.to(packed.dtype), packed + self.position_SD), dim=-2)

    def extra_tokens(self, action: Tensor, prompt: Tensor | None) -> Tensor:
        """Action (...), prompt (..., P) and register tokens side by side: (..., S - N', D)."""
        lead = action.shape
        parts = [self.action(action).unsqueeze(-2)]
        if self.has_prompt:
            if prompt is None:
                parts.append(self.no_prompt_D.expand(*lead, 1, -1))
            else:  # an all-zero embedding means "no prompt"
                absent = (prompt == 0).all(dim=-1, keepdim=True)
                # Embeddings have length 1; unscaled, one would start far below the other tokens and be learned late.
                scaled = prompt * prompt.shape[-1] ** 0.5
                parts.append(torch.where(absent, self.no_prompt_D, self.prompt(scaled)).unsqueeze(-2))
        parts.append(self.registers_SD.expand(*lead, -1, -1))
        return torch.cat([part.to(parts[0].dtype) for part in parts], dim=-2)

    def window(self, x_BTSD: Tensor, condition_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """A whole clip, causal over time.

        Returns:
            Packed outputs (B, T, N', D) and the values (B, T, S, K, E) of the last layer over time.
        """
        batch, frames = x_BTSD.shape[:2]
        cos_TE, sin_TE = rotary_angles(torch.arange(frames, device=x_BTSD.device), self.head_dim)
        condition = rearrange(condition_BTD, "b t d -> (b t) d")
        for block in self.blocks:
            if block.time is not None and block.norm_time is not None:
                out, values = block.time.window(block.norm_time(x_BTSD), cos_TE, sin_TE)
                x_BTSD = x_BTSD + out
            mixed = block.mix_frame(rearrange(x_BTSD, "b t s d -> (b t) s d"), condition)
            x_BTSD = rearrange(mixed, "(b t) s d -> b t s d", b=batch)
        return self.norm(x_BTSD[:, :, self.extras :]), values

    def step(
        self, x_BSD: Tensor, modulations: Tensor, rotary: tuple[Tensor, Tensor], ring: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One frame against the ring.

        Args:
            x_BSD: assembled tokens.
            modulations: from the method of that name.
            rotary: cosines and sines (B, E) of the frame's position.
            ring: keys (L, B, S, K, E, R), values (L, B, S, K, R, E) and bias (B, R).

        Returns:
            Packed outputs (B, N', D) and the new keys and values (L, B, S, K, E).
        """
        keys, values, bias_BR = ring
        cos, sin = (angles[:, None, None, None] for angles in rotary)
        turn = (cos, *swapped_pairs(sin))
        new_keys: list[Tensor] = []
        new_values: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            if block.time is not None and block.norm_time is not None:
                layer = len(new_keys)
                out, key, value = block.time.step(block.norm_time(x_BSD), turn, keys[layer], values[layer], bias_BR)
                x_BSD = x_BSD + out
                new_keys.append(key)
                new_values.append(value)
            x_BSD = block.mix_modulated(x_BSD, modulations[:, index])
        return self.norm(x_BSD[:, self.extras :]), torch.stack(new_keys), torch.stack(new_values)
