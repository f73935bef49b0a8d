"""The tanh and the FSQ bottleneck."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from playground.core.sampling import make_generator
from tokenizer.bottlenecks import ContinuousBottleneck, FsqBottleneck
from tokenizer.config import TokenizerConfig
from tokenizer.model import AutoencoderTokenizer


def test_continuous_latents_are_bounded() -> None:
    bottleneck = ContinuousBottleneck(4)
    latents = bottleneck(torch.tensor([-100.0, 0.0, 0.5, 100.0]))
    assert latents.tolist() == pytest.approx([-1.0, 0.0, 0.46211, 1.0], abs=1e-4)
    assert bottleneck.codebook_size is None


@given(st.lists(st.integers(2, 9), min_size=1, max_size=4).map(tuple))
def test_every_token_has_its_own_latent_and_comes_back(levels: tuple[int, ...]) -> None:
    bottleneck = FsqBottleneck(levels)
    tokens = torch.arange(bottleneck.codebook_size)
    latents = bottleneck.dequantize(tokens)
    assert latents.shape == (bottleneck.codebook_size, len(levels))
    assert latents.unique(dim=0).shape[0] == bottleneck.codebook_size
    assert torch.equal(bottleneck.quantize(latents), tokens)


def test_rounding_stays_on_the_grid_and_uses_all_of_it() -> None:
    levels = (8, 5, 2)
    bottleneck = FsqBottleneck(levels)
    latents = bottleneck(3 * torch.randn(4000, 3, generator=make_generator(0)))
    for channel, count in enumerate(levels):
        values = latents[:, channel].mul(1e4).round().unique()
        assert values.tolist() == pytest.approx(torch.linspace(-1e4, 1e4, count).tolist(), abs=1)
    torch.testing.assert_close(bottleneck.dequantize(bottleneck.quantize(latents)), latents, rtol=0, atol=1e-5)


def test_rounding_takes_the_nearest_level() -> None:
    features = torch.tensor([[-5.0], [-0.8], [0.1], [0.8], [5.0]])
    assert FsqBottleneck((3,)).quantize(torch.tanh(features)).tolist() == [0, 0, 1, 2, 2]
    assert FsqBottleneck((3,))(features).flatten().tolist() == pytest.approx([-1, -1, 0, 1, 1])


def test_latents_outside_the_range_become_the_outermost_tokens() -> None:
    bottleneck = FsqBottleneck((4, 3))
    assert bottleneck.quantize(torch.tensor([[-9.0, -9.0], [9.0, 9.0]])).tolist() == [0, 11]


def test_gradients_pass_the_rounding_unchanged() -> None:
    features = torch.linspace(-2, 2, 9).view(-1, 1).requires_grad_()
    FsqBottleneck((5,))(features).sum().backward()
    torch.testing.assert_close(features.grad, 1 - torch.tanh(features.detach()).square())


def test_the_levels_decide_channels_and_codebook() -> None:
    model = AutoencoderTokenizer(TokenizerConfig(bottleneck="fsq", levels=(8, 5, 5)))
    assert (model.latent_channels, model.codebook_size) == (3, 200)
