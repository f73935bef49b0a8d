"""What every video tokenizer promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.core.registry import TOKENIZERS
from playground.core.sampling import make_generator
from tests.contracts.cases import build, make_frames, parameters, without_gradients

pytestmark = pytest.mark.parametrize("case", parameters(TOKENIZERS))


@torch.no_grad()
def test_shapes_and_types(case: Any) -> None:
    model = build(case)
    frames = make_frames(model.frame_size, batch=2, frames=3)
    latents = model.encode(frames)
    assert latents.shape == (2, 3, model.tokens_per_frame, model.latent_channels)
    assert latents.dtype == torch.float32
    assert model.tokens_per_frame == model.grid**2
    assert float(latents.abs().max()) <= 1.0
    back = model.decode(latents)
    assert back.shape == frames.shape
    assert back.dtype == torch.uint8


@torch.no_grad()
def test_deterministic(case: Any) -> None:
    model = build(case)
    frames = make_frames(model.frame_size)
    latents = model.encode(frames)
    assert torch.equal(latents, model.encode(frames))
    assert torch.equal(model.decode(latents), model.decode(latents))


@torch.no_grad()
def test_latents_and_frames_say_something(case: Any) -> None:
    model = build(case)
    latents = model.encode(make_frames(model.frame_size, seed=0))
    other = model.encode(make_frames(model.frame_size, seed=1))
    assert not torch.allclose(latents, other)
    assert not torch.equal(model.decode(latents), model.decode(other))


@torch.no_grad()
def test_every_frame_stands_alone(case: Any) -> None:
    model = build(case)
    frames = make_frames(model.frame_size, batch=2, frames=3)
    latents = model.encode(frames)
    pictures = model.decode(latents)
    for row in range(2):
        for t in range(3):
            one = model.encode(frames[row : row + 1, t : t + 1])
            torch.testing.assert_close(one[0, 0], latents[row, t], rtol=1e-4, atol=1e-5)
            picture = model.decode(latents[row : row + 1, t : t + 1])[0, 0]
            assert int((picture.int() - pictures[row, t].int()).abs().max()) <= 1


def test_frames_of_another_size_are_refused(case: Any) -> None:
    model = build(case)
    with pytest.raises(PlaygroundError, match="resize"):
        model.encode(make_frames(model.frame_size * 2, batch=1, frames=1))


@torch.no_grad()
def test_tokens_round_trip_or_are_refused(case: Any) -> None:
    model = build(case)
    latents = model.encode(make_frames(model.frame_size))
    if model.codebook_size is None:
        with pytest.raises(PlaygroundError, match="fsq"):
            model.quantize(latents)
        with pytest.raises(PlaygroundError, match="fsq"):
            model.dequantize(torch.zeros(1, 1, model.tokens_per_frame, dtype=torch.int64))
        return
    tokens = model.quantize(latents)
    assert tokens.shape == latents.shape[:-1]
    assert tokens.dtype == torch.int64
    assert int(tokens.min()) >= 0
    assert int(tokens.max()) < model.codebook_size
    assert tokens.unique().numel() > 1
    torch.testing.assert_close(model.dequantize(tokens), latents, rtol=0, atol=1e-5)
    every = torch.arange(model.codebook_size)
    assert torch.equal(model.quantize(model.dequantize(every)), every)


def test_loss_is_reproducible_and_reaches_every_parameter(case: Any) -> None:
    model = build(case).train()
    frames = make_frames(model.frame_size)
    result = model.loss(frames, make_generator(0))
    assert result["loss"].shape == ()
    assert torch.isfinite(result["loss"])
    assert all(not value.requires_grad for name, value in result.items() if name != "loss")
    assert model.loss(frames, make_generator(0))["loss"].item() == result["loss"].item()
    assert model.loss(frames, make_generator(1))["loss"].item() != result["loss"].item()
    result["loss"].backward()
    assert without_gradients(model) == []
