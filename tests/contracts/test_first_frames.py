"""What every model of first frames must do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from playground.core.interfaces import FirstFrameModel
from playground.core.registry import FIRST_FRAME_MODELS
from playground.core.sampling import make_generator
from tests.contracts.cases import build, generators, parameters, without_gradients

every_model = pytest.mark.parametrize("case", parameters(FIRST_FRAME_MODELS))


def prompts(*rows: int, dims: int = 6) -> torch.Tensor:
    """One of a few unit vectors a row."""
    return torch.eye(dims)[list(rows)]


@every_model
@torch.no_grad()
def test_pictures_fit_the_tokenizer_and_depend_on_seed_and_prompt(case: Any) -> None:
    model = build(case)
    assert isinstance(model, FirstFrameModel)
    drawn = model.draw(prompts(0, 0, 1), generators(3, 4, 3))
    assert drawn.shape == (3, model.config.tokens_per_frame, model.config.latent_channels)
    assert drawn.abs().max() <= 1 + 1e-5
    assert not torch.allclose(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    torch.testing.assert_close(model.draw(prompts(1), generators(3))[0], drawn[2], rtol=1e-4, atol=1e-5)


@every_model
@torch.no_grad()
def test_guidance_of_one_is_the_plain_model_and_of_zero_the_one_without_a_prompt(case: Any) -> None:
    model = build(case)
    plain, untold = model.draw(prompts(2), generators(0)), model.draw(None, generators(0))
    assert not torch.allclose(plain, untold)
    torch.testing.assert_close(model.draw(prompts(2), generators(0), 1.0), plain)
    torch.testing.assert_close(model.draw(prompts(2), generators(0), 0.0), untold)
    torch.testing.assert_close(model.draw(None, generators(0), 5.0), untold)
    torch.testing.assert_close(model.draw(0 * prompts(2), generators(0)), untold)
    assert not torch.allclose(model.draw(prompts(2), generators(0), 4.0), plain)


@every_model
def test_every_parameter_is_trained(case: Any) -> None:
    model = build(case).train()
    latents = torch.tanh(torch.randn(8, model.config.tokens_per_frame, model.config.latent_channels))
    told = prompts(0, 1, 2, 3, 0, 1, 2, 3) * torch.tensor([1.0, 1, 1, 1, 1, 1, 0, 0])[:, None]
    found = model.loss(latents, told, make_generator(0))
    found["loss"].backward()
    assert without_gradients(model) == []
    assert float(found["explained"]) <= 1
