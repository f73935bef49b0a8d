"""A complete world with tiny untrained models, for tests that need a real bundle and no real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dynamics.config import DynamicsConfig
from playground.core.registry import DYNAMICS, FIRST_FRAME_MODELS, LATENT_ACTION_MODELS, TOKENIZERS
from playground.core.sampling import make_generator
from playground.world.actions import Action, ActionBook
from playground.world.bundle import save_world
from tokenizer.config import TokenizerConfig

FRAME_SIZE = 64
NUM_ACTIONS = 4
CONTEXT_FRAMES = 4
LEVELS = (4, 4, 4)


def make_tiny_world(
    folder: Path | str,
    head: str = "shortcut",
    texts: bool = False,
    latent_actions: bool = False,
    outcomes: bool = False,
    first_frames: bool = False,
) -> Path:
    """Write a bundle of a tiny untrained world.

    Args:
        folder: where to.
        head: ``shortcut`` or ``maskgit``.
        texts: whether it takes text prompts (with the hashed encoder).
        latent_actions: whether it has a latent action model.
        outcomes: whether it tells rewards and ends.
        first_frames: whether it has a model of first frames; for worlds of texts.

    Returns:
        The folder.
    """
    discrete = head == "maskgit"
    channels = len(LEVELS) if discrete else 4
    parts = {
        "tokenizer": TOKENIZERS.get("autoencoder")(
            TokenizerConfig(
                frame_size=FRAME_SIZE,
                grid=8,
                bottleneck="fsq" if discrete else "continuous",
                channels=channels,
                levels=LEVELS,
                encoder_widths=(8, 16, 32),
                decoder_widths=(32, 16, 8),
            )
        ),
        "dynamics": DYNAMICS.get(head)(_dynamics_config(channels, discrete, texts, outcomes)),
    }
    if latent_actions:
        model = LATENT_ACTION_MODELS.get("latent")
        parts["latent_actions"] = model(model.Config(frame_size=FRAME_SIZE, num_actions=NUM_ACTIONS))
    if first_frames:
        drawer = FIRST_FRAME_MODELS.get("diffusion")
        parts["first_frames"] = drawer(drawer.Config(latent_channels=channels, width=32, depth=1))
    for number, part in enumerate(parts.values()):
        shake(part, number)
    return save_world(
        folder,
        name=f"tiny-{head}",
        fps=15,
        actions=tiny_actions(),
        prompts=tiny_prompts(),
        text_encoder="hashed" if texts else None,
        data_statement="Untrained: random weights.",
        **parts,
    )


def _dynamics_config(channels: int, discrete: bool, texts: bool, outcomes: bool) -> DynamicsConfig:
    return DynamicsConfig(
        tokens_per_frame=64,
        latent_channels=channels,
        codebook_size=int(np.prod(LEVELS)) if discrete else 0,
        num_actions=NUM_ACTIONS,
        prompt_dims=384 if texts else 0,
        context_frames=CONTEXT_FRAMES,
        width=64,
        depth=2,
        steps=2,
        outcomes=outcomes,
    )


def tiny_actions() -> ActionBook:
    """Four actions, one of them a chord."""
    return ActionBook(
        [
            Action(0, "stay", (), noop=True),
            Action(1, "left", ("left", "a")),
            Action(2, "right", ("right", "d")),
            Action(3, "jump right", ("right+up",)),
        ]
    )


def tiny_prompts() -> dict[str, np.ndarray]:
    """Three prompts of 1, 2 and 6 frames, the last longer than the memory."""
    rng = np.random.default_rng(0)
    shapes = {"dots": 1, "stripes": 2, "long": 6}
    return {
        name: rng.integers(0, 256, (frames, FRAME_SIZE, FRAME_SIZE, 3)).astype(np.uint8)
        for name, frames in shapes.items()
    }


def shake(module: torch.nn.Module, seed: int) -> None:
    """Give every parameter values that follow from the seed: many layers start at zero, where nothing reacts."""
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise / fan_in**0.5)
            else:
                # Scales start at one and many biases at small random numbers, which would differ from run to run.
                parameter.copy_(parameter.round() + 0.1 * noise)
