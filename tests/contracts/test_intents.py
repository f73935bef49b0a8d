"""What every intent model must do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from playground.core.interfaces import IntentModel
from playground.core.registry import INTENT_MODELS
from playground.core.sampling import make_generator
from tests.contracts.cases import build, parameters, without_gradients

every_model = pytest.mark.parametrize("case", parameters(INTENT_MODELS))


def frames(model: Any, rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of two frames for some rows."""
    shape = (rows, model.config.tokens_per_frame, model.config.latent_channels)
    earlier, latest = torch.tanh(torch.randn(2, *shape, generator=make_generator(seed)))
    return earlier, latest


@every_model
@torch.no_grad()
def test_it_names_latent_actions_and_rows_do_not_matter_to_each_other(case: Any) -> None:
    model = build(case)
    assert isinstance(model, IntentModel)
    earlier, latest = frames(model, 6)
    names = torch.tensor([0, 1, 2, 0, 1, 2])
    codes = model.read(earlier, latest, names)
    assert codes.dtype == torch.int64
    assert codes.shape == (6,)
    assert 0 <= int(codes.min()) <= int(codes.max()) < model.num_actions
    for row in range(6):
        alone = model.read(earlier[row : row + 1], latest[row : row + 1], names[row : row + 1])
        assert int(alone[0]) == int(codes[row])


@every_model
def test_every_parameter_is_trained(case: Any) -> None:
    model = build(case).train()
    earlier, latest = frames(model, 32)
    names = torch.arange(32) % (len(model.names) + 1) - 1
    found = model.loss(earlier, latest, names, torch.arange(32) % model.num_actions, make_generator(0))
    found["loss"].backward()
    assert without_gradients(model) == []


@every_model
def test_the_same_name_means_another_code_where_the_picture_is_another(case: Any) -> None:
    model = build(case).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    scenes = frames(model, 4, seed=1)

    def batch(rows: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        scene = torch.randint(4, (rows,), generator=generator)
        name = torch.randint(len(model.names), (rows,), generator=generator)
        return scenes[0][scene], scenes[1][scene], name, (scene + name) % model.num_actions

    generator = make_generator(2)
    for _ in range(150):
        loss = model.loss(*batch(64, generator), generator)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    earlier, latest, name, wanted = batch(200, generator)
    with torch.no_grad():
        assert (model.read(earlier, latest, name) == wanted).float().mean() > 0.95
