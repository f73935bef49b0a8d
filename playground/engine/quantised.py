"""Static 8-bit copies of a world's networks, for compilers that turn them into integer kernels.

Weights get one scale per output channel. Activations get one range per layer, the smallest and largest value that
rollouts of the world itself put through it; fixed ranges keep the rows of a batch independent of each other. Where a
few channels of a linear layer's input are far larger than the others, all are brought to similar ranges before
rounding and the weights take up the difference (SmoothQuant, Xiao et al. 2023). Rounding is written as fake
quantisation (Jacob et al. 2018), which compilers recognise.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.core.sampling import make_generator

if TYPE_CHECKING:
    from playground.world.bundle import World

CALIBRATION_FRAMES = 6
"""Frames of each calibration rollout; more did not change the measured quality."""

MAX_ROLLOUTS = 4
UNEVEN = 6.0
"""Largest over median channel range from which evening out pays: about 2 in most layers, above 10 behind a gate."""

_LEVELS = 255
_WEIGHT_LIMIT = 127

Ranges = dict[str, tuple[Tensor, Tensor]]
"""Smallest and largest input of each channel of a layer (C,), by the layer's name."""


class QuantisedLayer(nn.Module):
    """A linear or convolution layer whose input and weights are rounded to 8 bits."""

    weight: Tensor
    shrink_C: Tensor
    weight_scale: Tensor
    weight_zero: Tensor

    def __init__(self, layer: nn.Linear | nn.Conv2d, low_C: Tensor, high_C: Tensor) -> None:
        """Args: layer, which is kept; low_C and high_C are the ranges of its input channels."""
        super().__init__()
        self.layer = layer
        weight = layer.weight.detach()
        smooth_C = torch.ones_like(low_C)
        size_C = torch.maximum(low_C.abs(), high_C.abs()).clamp_min(1e-5)
        self.uneven = isinstance(layer, nn.Linear) and float(size_C.max()) > UNEVEN * float(size_C.median())
        if self.uneven:
            smooth_C = (size_C / weight.abs().amax(dim=0).clamp_min(1e-5)).sqrt()
            weight = weight * smooth_C
        # Zero must be exact: convolutions pad with it.
        low = min(float((low_C / smooth_C).min()), 0.0)
        high = max(float((high_C / smooth_C).max()), 1e-6)
        self.scale = (high - low) / _LEVELS
        self.zero = round(-low / self.scale)
        largest = weight.flatten(1).abs().amax(dim=1)
        self.register_buffer("weight", weight)
        self.register_buffer("shrink_C", 1 / smooth_C)
        self.register_buffer("weight_scale", (largest / _WEIGHT_LIMIT).clamp_min(1e-9))
        self.register_buffer("weight_zero", torch.zeros(len(largest), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output for rounded inputs."""
        layer = self.layer
        if self.uneven:
            x = x * self.shrink_C
        x = torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, 0, _LEVELS)
        weight = torch.fake_quantize_per_channel_affine(
            self.weight, self.weight_scale, self.weight_zero, 0, -_WEIGHT_LIMIT, _WEIGHT_LIMIT
        )
        if isinstance(layer, nn.Linear):
            return F.linear(x, weight, layer.bias)
        return F.conv2d(x, weight, layer.bias, layer.stride, layer.padding)


def measured_ranges(world: World) -> tuple[Ranges, Ranges]:
    """Input ranges of the layers of the dynamics network and of the tokenizer, over short rollouts of the world."""
    # A world of texts is watched with and without one, however few prompts it has.
    count = max(2 if world.prompt_dims else 1, min(MAX_ROLLOUTS, len(world.prompts)))
    network, steps, decoder = world.dynamics.network, Ranges(), Ranges()
    # The model of first frames is not rounded, and would make nothing of texts that are random numbers.
    world = copy.copy(world)
    world.sampling = {**world.sampling, "correct_every": None}
    with torch.inference_mode():
        for numbers, frames_BTHWC in _openings(world, count):
            with _watched(network, len(numbers), steps), _watched(world.tokenizer, len(numbers), decoder):
                _roll(world, numbers, frames_BTHWC)
    return steps, decoder


def quantised(module: nn.Module, ranges: Mapping[str, tuple[Tensor, Tensor]]) -> nn.Module:
    """A copy of ``module`` whose layers in ``ranges`` round to 8 bits.

    Layers that are children of ``module`` itself stay as they are: they touch latents directly, where rounding would
    be visible, and are a small part of the work.
    """
    twin = copy.deepcopy(module).eval().requires_grad_(False)
    for name, (low, high) in ranges.items():
        parent, _, last = name.rpartition(".")
        if parent:
            layer = cast("nn.Linear | nn.Conv2d", twin.get_submodule(name))  # others are not measured
            setattr(twin.get_submodule(parent), last, QuantisedLayer(layer, low, high))
    return twin


def _openings(world: World, count: int) -> list[tuple[list[int], Tensor | None]]:
    """Numbers of rollouts and their prompt frames; those of one length go through the models side by side."""
    from playground.world.prompt import prompt_frames

    if not world.prompts:
        return [(list(range(count)), None)]
    by_length: dict[int, list[tuple[int, Tensor]]] = {}
    for number in range(count):
        frames = prompt_frames(world, number % len(world.prompts))[-world.dynamics.context_frames :]
        by_length.setdefault(len(frames), []).append((number, torch.from_numpy(frames.copy())))
    return [
        ([number for number, _ in group], torch.stack([frames for _, frames in group])) for group in by_length.values()
    ]


def _roll(world: World, numbers: list[int], frames_BTHWC: Tensor | None) -> None:
    """Play a few frames of some prompts with changing actions, in every second rollout with a text."""
    dynamics, generators = world.dynamics, [make_generator(number) for number in numbers]
    state, number_B = dynamics.new_state(len(numbers)), torch.tensor(numbers)
    unknown_B = torch.full_like(number_B, dynamics.num_actions)
    prompt_BP = None
    if world.prompt_dims:  # text embeddings are unit vectors; the encoder itself may not be installed
        texts = [torch.randn(world.prompt_dims, generator=make_generator(number)) for number in numbers]
        prompt_BP = F.normalize(torch.stack(texts), dim=-1) * (number_B % 2).unsqueeze(-1)
    if frames_BTHWC is not None:
        codes = world.tokenizer.encode(frames_BTHWC)
        codes = world.tokenizer.quantize(codes) if dynamics.discrete else codes
        for t in range(codes.shape[1]):
            state.write(dynamics.observe(state, codes[:, t], unknown_B, prompt_BP, generators))
    for t in range(CALIBRATION_FRAMES):
        drawn, written = world.draw(state, (number_B + t) % dynamics.num_actions, prompt_BP, generators)
        state.write(written)
        world.tokenizer.decode(world.latents(drawn))


@contextmanager
def _watched(root: nn.Module, batch: int, ranges: Ranges) -> Iterator[None]:
    """Widen ``ranges`` to the input of every linear and convolution layer while the block runs, ``batch`` rollouts.

    Layers that see a single vector a frame (the condition) are left out: they wait for memory, not for arithmetic,
    and integer kernels of such a chain were wrong for small widths.
    """

    def note(name: str, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() == batch * inputs[0].shape[-1]:
            return
        rows = inputs[0].movedim(1, -1) if isinstance(layers[name], nn.Conv2d) else inputs[0]
        low_C, high_C = rows.flatten(0, -2).aminmax(dim=0)
        before = ranges.get(name, (low_C, high_C))
        ranges[name] = (torch.minimum(before[0], low_C), torch.maximum(before[1], high_C))

    layers = {name: layer for name, layer in root.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))}
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs))
        for name, layer in layers.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
