"""A world's networks as pure functions of fixed shapes: what compilers and exporters take.

Legend: B rows, N latents, C channels, H W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from playground.core.nn.blocks import to_frames

if TYPE_CHECKING:
    from playground.world.bundle import World

PROMPT_INPUT = 5
"""Place of the text prompt among the arguments of ``dynamics.network``; left out for a world without texts."""


class StaticStep(nn.Module):
    """``dynamics.network`` over tensors only: no input may be None."""

    def __init__(self, network: nn.Module, takes_prompt: bool) -> None:
        """Wrap a network, which is shared and not copied; ``takes_prompt`` says whether the world knows texts."""
        super().__init__()
        self.network = network
        self.takes_prompt = takes_prompt

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One pass; the inputs are those of ``step_inputs``."""
        if self.takes_prompt:
            return self.network(*inputs)
        return self.network(*inputs[:PROMPT_INPUT], None, *inputs[PROMPT_INPUT:])


class StaticDecoder(nn.Module):
    """The tokenizer's decoder up to finished pixels."""

    # A module that also has ``decode_pixels``.
    tokenizer: Any

    def __init__(self, tokenizer: nn.Module) -> None:
        """Wrap a tokenizer, which is shared and not copied."""
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, latents_BNC: Tensor) -> Tensor:
        """Latents (B, N, C) to uint8 frames (B, H, W, 3)."""
        return to_frames(self.tokenizer.decode_pixels(latents_BNC), latents_BNC.shape[0])[:, 0]


def step_inputs(world: World, rows: int) -> list[Tensor]:
    """Inputs of ``StaticStep`` for ``rows`` worlds that have seen nothing, in the order of ``dynamics.network``."""
    dynamics = world.dynamics
    state = dynamics.new_state(rows)
    device = state.keys.device
    angles_BE = torch.ones(rows, dynamics.config.head_dim, device=device)
    index_B = torch.zeros(rows, dtype=torch.int64, device=device)
    inputs = [state.previous.clone(), state.previous, torch.zeros(rows, device=device), index_B, index_B.clone()]
    if world.prompt_dims:
        inputs.append(torch.zeros(rows, world.prompt_dims, device=device))
    return [*inputs, angles_BE, angles_BE.clone(), state.keys, state.values, state.bias_BR]


def decoder_input(world: World, rows: int) -> Tensor:
    """Latents (B, N, C) of ``rows`` frames, all zero."""
    tokenizer, device = world.tokenizer, world.tokenizer.from_latent.weight.device
    return torch.zeros(rows, tokenizer.tokens_per_frame, tokenizer.latent_channels, device=device)


def first_frame_inputs(model: Any, rows: int) -> list[Tensor]:
    """Arguments of a model of first frames for ``rows`` rows of nothing."""
    config = model.config
    noisy_BNC = torch.zeros(rows, config.tokens_per_frame, config.latent_channels)
    return [noisy_BNC, torch.zeros(rows), torch.zeros(rows, config.prompt_dims)]


def without_absent_prompt(world: World, inputs: tuple[Tensor | None, ...]) -> list[Tensor]:
    """Arguments of ``dynamics.network`` as inputs of ``StaticStep``: no prompt becomes zeros or is left out."""
    prompt_BP = inputs[PROMPT_INPUT]
    filled = [tensor for index, tensor in enumerate(inputs) if index != PROMPT_INPUT and tensor is not None]
    if world.prompt_dims:
        rows = filled[0].shape[0]
        empty = torch.zeros(rows, world.prompt_dims, device=filled[0].device)
        filled.insert(PROMPT_INPUT, empty if prompt_BP is None else prompt_BP)
    return filled
