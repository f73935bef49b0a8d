"""What every intent model must do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from playground.core.interfaces import IntentModel
from playground.core.nn.ring import HEARD
from playground.core.registry import INTENT_MODELS
from playground.core.sampling import make_generator
from tests.contracts.cases import build, parameters, without_gradients

every_model = pytest.mark.parametrize("case", parameters(INTENT_MODELS))


def frames(model: Any, rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of two frames for some rows."""
    shape = (rows, model.config.tokens_per_frame, model.config.latent_channels)
    earlier, latest = torch.tanh(torch.randn(2, *shape, generator=make_generator(seed)))
    return earlier, latest


def heard(model: Any, rows: int, seed: int = 0) -> torch.Tensor:
    """Newest latent actions of some rows, a few of them not known."""
    return torch.randint(-1, model.num_actions + 1, (rows, HEARD), generator=make_generator(seed))


@every_model
@torch.no_grad()
def test_it_names_latent_actions_and_rows_do_not_matter_to_each_other(case: Any) -> None:
    model = build(case)
    assert isinstance(model, IntentModel)
    earlier, latest = frames(model, 6)
    names = torch.tensor([0, 1, 2, 0, 1, 2])
    past = heard(model, 6)
    codes = model.read(earlier, latest, past, names)
    assert codes.dtype == torch.int64
    assert codes.shape == (6,)
    assert 0 <= int(codes.min()) <= int(codes.max()) < model.num_actions
    for row in range(6):
        alone = model.read(*(part[row : row + 1] for part in (earlier, latest, past, names)))
        assert int(alone[0]) == int(codes[row])


@every_model
def test_every_parameter_is_trained(case: Any) -> None:
    model = build(case).train()
    earlier, latest = frames(model, 32)
    names = torch.arange(32) % (len(model.names) + 1) - 1
    next_codes = torch.arange(32) % model.num_actions
    found = model.loss(earlier, latest, heard(model, 32), names, next_codes, make_generator(0))
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
        past = torch.full((rows, HEARD), -1)
        return scenes[0][scene], scenes[1][scene], past, name, (scene + name) % model.num_actions

    generator = make_generator(2)
    for _ in range(150):
        loss = model.loss(*batch(64, generator), generator)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    *asked, wanted = batch(200, generator)
    with torch.no_grad():
        assert (model.read(*asked) == wanted).float().mean() > 0.95


@every_model
@torch.no_grad()
@pytest.mark.parametrize(
    ("with_name", "without", "chosen"),
    [
        # Likely enough, and likelier with the name: better than what is likely anyway.
        ((0.60, 0.30, 0.09, 0.01), (0.80, 0.10, 0.09, 0.01), 1),
        # A thousand times likelier with the name, and still next to impossible.
        ((0.60, 0.30, 0.09, 0.01), (0.80, 0.10, 0.09, 0.00001), 1),
        # Nothing else is plausible.
        ((0.95, 0.02, 0.02, 0.01), (0.99, 0.0001, 0.0001, 0.0001), 0),
    ],
)
def test_a_name_counts_for_more_than_it_says_among_plausible_codes(
    case: Any, monkeypatch: pytest.MonkeyPatch, with_name: Any, without: Any, chosen: int
) -> None:
    model = build(case)
    rows = {True: torch.tensor([with_name]).log(), False: torch.tensor([without]).log()}
    monkeypatch.setattr(model, "_logits", lambda seen, name_B: rows[int(name_B[0]) < len(model.names)])
    assert int(model.read(*frames(model, 1), heard(model, 1), torch.tensor([0]))[0]) == chosen


@every_model
@torch.no_grad()
def test_what_was_heard_counts_as_far_back_as_the_model_reads(case: Any) -> None:
    model = build(case)
    for table in model.past:
        torch.nn.init.normal_(table)
    earlier, latest = frames(model, 1)
    known = model(earlier, latest, torch.zeros(1, HEARD, dtype=torch.int64), torch.tensor([0]))
    for back in range(1, HEARD + 1):
        past = torch.zeros(1, HEARD, dtype=torch.int64)
        past[0, -back] = 1
        same = torch.equal(model(earlier, latest, past, torch.tensor([0])), known)
        assert same == (back > model.config.past_actions)
    unknown = [
        model(earlier, latest, torch.full((1, HEARD), code), torch.tensor([0])) for code in (-1, model.num_actions)
    ]
    torch.testing.assert_close(*unknown)
