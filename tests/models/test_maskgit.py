"""The discrete head: which places are filled when, and that hidden tokens never come out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dynamics.config import DynamicsConfig
from dynamics.maskgit import MaskgitDynamics
from playground.core.errors import PlaygroundError
from playground.core.sampling import make_generator
from tests.contracts.cases import generators, randomise

TINY: dict[str, Any] = {
    "tokens_per_frame": 16, "latent_channels": 3, "codebook_size": 10, "num_actions": 3, "context_frames": 6,
    "width": 32, "depth": 2,
}  # fmt: skip


def _model(**fields: Any) -> MaskgitDynamics:
    return randomise(MaskgitDynamics(DynamicsConfig(**{**TINY, **fields})), 0).eval()


def test_continuous_latents_are_refused() -> None:
    with pytest.raises(PlaygroundError, match="fsq"):
        MaskgitDynamics(DynamicsConfig(**{**TINY, "codebook_size": 0}))


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 16, 40])
def test_places_are_filled_most_certain_first_and_stay(steps: int) -> None:
    model, inputs = _model(), []
    logits = torch.zeros(1, 16, 10)
    logits[0, :, 7] = torch.arange(16.0) / 2  # the later a place, the more certain is token 7

    def network(tokens: torch.Tensor, *rest: Any) -> Any:
        inputs.append(tokens[0])
        return logits, *model.network(tokens, *rest)[1:]

    state, action = model.new_state(1), torch.tensor([0])
    tokens, written = model.generate(state, action, None, generators(0), steps, run=network, temperature=0.5)
    assert len(inputs) == steps
    assert (inputs[0] == model.hidden).all()
    known = [int((given != model.hidden).sum()) for given in inputs]
    assert known == sorted(known)
    for before, after in zip(inputs, [*inputs[1:], tokens[0]], strict=True):
        filled = before != model.hidden
        assert torch.equal(before[filled], after[filled]), "a filled place is never changed"
    assert int(tokens.max()) < model.hidden
    assert torch.equal(written.codes, tokens)
    if steps == 5:
        assert known == [0, 0, 3, 6, 11], "few at first, many at last"
        assert (inputs[2][-3:] != model.hidden).all(), "the most certain places come first"


@torch.no_grad()
def test_temperature_zero_takes_the_most_likely_token() -> None:
    model, state, action = _model(), _model().new_state(1), torch.tensor([1])
    cold = [model.generate(state, action, None, generators(s), 1, temperature=0.0)[0] for s in (0, 1)]
    assert torch.equal(cold[0], cold[1])
    hot = [model.generate(state, action, None, generators(s), 1, temperature=1.0)[0] for s in (0, 1)]
    assert not torch.equal(hot[0], hot[1])


@torch.no_grad()
def test_draws_follow_the_probabilities() -> None:
    model = _model()
    wanted = torch.tensor([0.5, 0.3, 0.2] + [0.0] * 7)
    logits = wanted.clamp_min(1e-9).log().expand(1, 4000, 10)
    drawn, _ = model._draw(logits, generators(0), temperature=1.0)
    shares = torch.bincount(drawn.flatten(), minlength=10) / 4000
    torch.testing.assert_close(shares, wanted, rtol=0, atol=0.03)


@torch.no_grad()
def test_an_observed_frame_is_partly_hidden_but_remembered_whole() -> None:
    model, seen = _model(steps=4), []
    codes = torch.randint(0, 10, (1, 16), generator=make_generator(0))

    def network(tokens: torch.Tensor, *rest: Any) -> Any:
        seen.append(tokens)
        return model.network(tokens, *rest)

    written = model.observe(model.new_state(1), codes, torch.tensor([0]), None, generators(0), run=network)
    assert torch.equal(written.codes, codes)
    kept = seen[0] != model.hidden
    assert 0 < int(kept.sum()) < 16
    assert torch.equal(seen[0][kept], codes[kept])


def test_it_learns_that_an_action_decides_the_tokens() -> None:
    generator = make_generator(0)
    model = randomise(MaskgitDynamics(DynamicsConfig(**TINY, action_dropout=0.0)), 1).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    accuracies = []
    for _ in range(60):
        actions = torch.randint(0, 3, (16, 2), generator=generator)
        codes = (3 * actions[..., None] + torch.arange(16) % 2).expand(16, 2, 16)
        result = model.loss(codes, actions, None, generator)
        optimiser.zero_grad()
        result["loss"].backward()
        optimiser.step()
        accuracies.append(float(result["accuracy"]))
    assert sum(accuracies[-10:]) / 10 > 0.9 > accuracies[0]
