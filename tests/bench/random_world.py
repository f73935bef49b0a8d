"""A world with random weights in the size of a training preset, to measure speed before anything is trained.

``python -m tests.bench.random_world FOLDER [--preset base] [--frame-size 64]``, then ``playground bench FOLDER``.
Arithmetic costs the same with random weights; the pictures mean nothing. A frame size below the preset's leaves out the
finest levels of the tokenizer; the dynamics stay as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dynamics.config import DynamicsConfig
from playground.core.config import config_from_dict
from playground.core.registry import DYNAMICS, TOKENIZERS
from playground.training.presets import load_preset
from playground.world.bundle import save_world
from tests.tiny_world import shake, tiny_actions
from tokenizer.config import TokenizerConfig

PROMPT_FRAMES = 4
NUM_PROMPTS = 4


def make_random_world(folder: Path, preset_name: str = "base", frame_size: int | None = None) -> Path:
    """Write the bundle and return its folder.

    Args:
        folder: where to.
        preset_name: name of a training preset, or the path of one.
        frame_size: pixels; None for the preset's own.

    Raises:
        PlaygroundError: no such preset.
        ValueError: a frame size that the preset's levels cannot be cut down to.
    """
    preset = load_preset(preset_name)
    size = frame_size or preset.frame_size
    sizes = dict(preset.tokenizer.model)
    levels = (size // sizes.get("grid", TokenizerConfig.grid)).bit_length() - 1
    sizes["encoder_widths"] = list(sizes.get("encoder_widths", TokenizerConfig.encoder_widths))[-levels:]
    sizes["decoder_widths"] = list(sizes.get("decoder_widths", TokenizerConfig.decoder_widths))[:levels]
    shape = config_from_dict(TokenizerConfig, {**sizes, "frame_size": size}, f"preset {preset_name!r}")
    tokenizer = TOKENIZERS.get(preset.tokenizer.type)(shape)
    model = {
        "tokens_per_frame": tokenizer.tokens_per_frame,
        "latent_channels": tokenizer.latent_channels,
        "num_actions": 8,
        **preset.dynamics.model,
    }
    dynamics = DYNAMICS.get(preset.dynamics.type)(config_from_dict(DynamicsConfig, model, f"preset {preset_name!r}"))
    for seed, part in enumerate((tokenizer, dynamics)):
        shake(part, seed)
    rng = np.random.default_rng(0)
    return save_world(
        folder,
        name=f"random-{preset.name}-{size}",
        fps=20,
        tokenizer=tokenizer,
        dynamics=dynamics,
        actions=tiny_actions(),
        prompts=[rng.integers(0, 256, (PROMPT_FRAMES, size, size, 3)).astype(np.uint8) for _ in range(NUM_PROMPTS)],
        text_encoder="hashed" if dynamics.config.prompt_dims else None,
        data_statement="Untrained: random weights.",
    )


def main() -> None:
    """Write a bundle from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="base")
    parser.add_argument("--frame-size", type=int)
    args = parser.parse_args()
    print(make_random_world(args.folder, args.preset, args.frame_size))


if __name__ == "__main__":
    main()
