"""The one table of tiny configs that the contract suites run on: a new class in a registry adds one row here.

A row lists one or more sets of constructor fields of the class's ``Config``. Sizes are as small as they go, so that
every contract runs in milliseconds.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from playground.core.registry import (
    DYNAMICS,
    FIRST_FRAME_MODELS,
    INTENT_MODELS,
    LATENT_ACTION_MODELS,
    TOKENIZERS,
    Registry,
)
from playground.core.sampling import make_generator

ModuleT = TypeVar("ModuleT", bound=nn.Module)
Fields = dict[str, Any]

_TOKENIZER: Fields = {
    "frame_size": 32, "grid": 8, "channels": 4, "encoder_widths": (16, 32), "decoder_widths": (32, 16),
}  # fmt: skip
_ACTIONS: Fields = {
    "frame_size": 32, "input_size": 16, "num_actions": 4, "code_channels": 8, "widths": (16, 32), "blocks": 1,
    "reseed_after": 3,
}  # fmt: skip
_DYNAMICS: Fields = {
    "tokens_per_frame": 16, "latent_channels": 4, "num_actions": 3, "prompt_dims": 6, "context_frames": 6,
    "width": 32, "depth": 3, "steps": 4,
}  # fmt: skip

_FIRST_FRAMES: Fields = {
    "tokens_per_frame": 16, "latent_channels": 4, "prompt_dims": 6, "width": 32, "depth": 2,
}  # fmt: skip

_INTENTS: Fields = {
    "names": ("noop", "left", "right"), "tokens_per_frame": 16, "latent_channels": 4, "num_actions": 5, "channels": 8,
    "width": 16,
}  # fmt: skip

ROWS: dict[str, dict[str, tuple[Fields, ...]]] = {
    TOKENIZERS.kind: {
        "autoencoder": (_TOKENIZER, {**_TOKENIZER, "bottleneck": "fsq", "levels": (4, 3, 3), "latent_mask": 0.5}),
    },
    LATENT_ACTION_MODELS.kind: {
        "latent": (_ACTIONS, {**_ACTIONS, "num_labels": 4}),
        "labelled": (_ACTIONS,),
    },
    DYNAMICS.kind: {
        "shortcut": (_DYNAMICS,),
        "maskgit": ({**_DYNAMICS, "codebook_size": 12},),
    },
    FIRST_FRAME_MODELS.kind: {
        "diffusion": (_FIRST_FRAMES, {**_FIRST_FRAMES, "reader": True}),
    },
    INTENT_MODELS.kind: {
        "latents": (_INTENTS, {**_INTENTS, "tokens_per_frame": 81, "past_actions": 2}),
    },
}


def parameters(registry: Registry) -> list[Any]:
    """One pytest parameter ``(name, fields)`` per row of every name in ``registry``; a name without a row fails."""
    found = []
    for name in registry.names():
        for index, fields in enumerate(ROWS[registry.kind].get(name, ({},))):
            found.append(pytest.param((registry, name, fields), id=f"{name}-{index}" if index else name))
    return found


def build(case: tuple[Registry, str, Fields], seed: int = 0) -> Any:
    """The tiny model of a case in eval mode, with random numbers in every parameter."""
    registry, name, fields = case
    assert name in ROWS[registry.kind], f"add a row for {registry.kind} {name!r} to tests/contracts/cases.py"
    cls = registry.get(name)
    return randomise(cls(cls.Config(**fields)), seed).eval()


def randomise(module: ModuleT, seed: int) -> ModuleT:
    """Random numbers in every parameter, also those that start at zero; the same ones on every call."""
    generator = make_generator(seed)
    embeddings = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    norms = {id(part.weight) for part in module.modules() if isinstance(part, nn.RMSNorm | nn.LayerNorm)}
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim < 2:
                parameter.copy_(float(id(parameter) in norms) + 0.2 * noise)
            elif id(parameter) in embeddings:
                parameter.copy_(noise)
            else:
                parameter.copy_(noise / math.sqrt(parameter[0].numel()))
    return module


def make_frames(size: int, batch: int = 2, frames: int = 3, seed: int = 0) -> Tensor:
    """Frames (B, T, H, W, 3) uint8 of noise with a bright square that jumps about."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 120, (batch, frames, size, size, 3), dtype=np.uint8)
    for row in range(batch):
        for t in range(frames):
            y, x = rng.integers(0, size - size // 4, 2)
            pixels[row, t, y : y + size // 4, x : x + size // 4] = 250
    return torch.from_numpy(pixels)


def generators(*seeds: int) -> list[torch.Generator]:
    """One generator per seed."""
    return [make_generator(seed) for seed in seeds]


def without_gradients(model: nn.Module) -> list[str]:
    """Names of parameters that no gradient reached."""
    return [name for name, p in model.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
