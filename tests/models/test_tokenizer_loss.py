"""The tokenizer's loss: what it counts of a frame."""

from __future__ import annotations

from typing import Any

import torch

from playground.core.nn.blocks import to_pixels
from playground.core.sampling import make_generator
from tokenizer.config import TokenizerConfig
from tokenizer.model import AutoencoderTokenizer

TINY: dict[str, Any] = {
    "frame_size": 16, "grid": 4, "encoder_widths": (8, 16), "decoder_widths": (16, 8), "encoder_depth": 0,
    "latent_noise": 0.0,
}  # fmt: skip


def _model(**fields: Any) -> AutoencoderTokenizer:
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        return AutoencoderTokenizer(TokenizerConfig(**{**TINY, **fields}))


def test_details_are_the_worst_pixels_of_each_frame() -> None:
    frames = torch.randint(0, 256, (3, 1, 16, 16, 3), generator=make_generator(0), dtype=torch.uint8)
    plain, detailed = (_model(detail_weight=weight) for weight in (0.0, 2.0))
    more = detailed.loss(frames, make_generator(1))["loss"] - plain.loss(frames, make_generator(1))["loss"]
    pixels = to_pixels(frames)
    error_BHW = (plain.decode_pixels(plain.encode(frames)[:, 0]) - pixels).square().mean(dim=1)
    worst = torch.stack([error.flatten().sort(descending=True).values[:6] for error in error_BHW])  # 2 % of 256
    torch.testing.assert_close(more, 2.0 * worst.mean())


def test_a_few_odd_pixels_are_learned_sooner_with_it() -> None:
    """Frames of one colour, half of them with a spot of four pixels, which weighs little in a mean."""
    frames = torch.full((32, 1, 16, 16, 3), 60, dtype=torch.uint8)
    frames += torch.randint(0, 40, (32, 1, 1, 1, 3), generator=make_generator(0), dtype=torch.uint8)
    frames[::2, :, 6:8, 6:8] = 220
    spots = []
    for weight in (0.0, 1.0):
        model = _model(detail_weight=weight).train()
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(60):
            optimiser.zero_grad()
            model.loss(frames, make_generator(2))["loss"].backward()
            optimiser.step()
        decoded = model.decode(model.encode(frames)).float()[:, 0, 6:8, 6:8].mean(dim=(1, 2, 3))
        spots.append(float(decoded[::2].mean() - decoded[1::2].mean()))
    assert spots[1] > spots[0] + 10
