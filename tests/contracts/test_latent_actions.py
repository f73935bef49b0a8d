"""What every latent action model promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.core.registry import LATENT_ACTION_MODELS
from playground.core.sampling import make_generator
from tests.contracts.cases import build, make_frames, parameters, without_gradients

pytestmark = pytest.mark.parametrize("case", parameters(LATENT_ACTION_MODELS))


def _frames(model: Any, **options: int) -> torch.Tensor:
    return make_frames(model.config.frame_size, **options)


def _labels(model: Any, batch: int, frames: int) -> torch.Tensor:
    labels_BT = torch.arange(batch * frames).reshape(batch, frames) % model.num_actions
    labels_BT[:, 0] = -1
    labels_BT[0, 1] = -1
    return labels_BT


@torch.no_grad()
def test_shapes_types_and_the_unknown_first_action(case: Any) -> None:
    model = build(case)
    actions = model.infer(_frames(model, batch=3, frames=5))
    assert actions.shape == (3, 5)
    assert actions.dtype == torch.int64
    assert (actions[:, 0] == model.num_actions).all()
    assert int(actions[:, 1:].min()) >= 0
    assert int(actions[:, 1:].max()) < model.num_actions
    assert model.infer(_frames(model, batch=2, frames=1)).tolist() == [[model.num_actions]] * 2


@torch.no_grad()
def test_deterministic_and_not_constant(case: Any) -> None:
    model = build(case)
    frames = _frames(model, batch=4, frames=8)
    actions = model.infer(frames)
    assert torch.equal(actions, model.infer(frames))
    assert actions[:, 1:].unique().numel() > 1


@torch.no_grad()
def test_an_action_depends_on_the_two_frames_around_it_only(case: Any) -> None:
    model = build(case)
    frames = _frames(model, batch=2, frames=8)
    actions = model.infer(frames)
    for row in range(2):
        for t in range(1, 8):
            assert model.infer(frames[row : row + 1, t - 1 : t + 1])[0, 1] == actions[row, t]


def test_frames_of_another_size_are_refused(case: Any) -> None:
    model = build(case)
    with pytest.raises(PlaygroundError, match="resize"):
        model.infer(make_frames(model.config.frame_size * 2))


def test_loss_is_reproducible_and_reaches_every_parameter(case: Any) -> None:
    model = build(case).train()
    frames, labels = _frames(model, batch=4, frames=6), _labels(model, 4, 6)
    result = model.loss(frames, make_generator(0), labels)
    assert result["loss"].shape == ()
    assert torch.isfinite(result["loss"])
    assert all(not value.requires_grad for name, value in result.items() if name != "loss")
    assert model.loss(frames, make_generator(0), labels)["loss"].item() == result["loss"].item()
    result["loss"].backward()
    assert without_gradients(model) == []


def test_labels_are_used_where_known_and_missing_ones_are_clear(case: Any) -> None:
    model = build(case).train()
    frames, labels = _frames(model, batch=2, frames=4), _labels(model, 2, 4)
    other = torch.where(labels >= 0, (labels + 1) % model.num_actions, labels)
    losses = [model.loss(frames, make_generator(0), given)["loss"].item() for given in (labels, other)]
    uses_labels = case[1] == "labelled" or getattr(model.config, "num_labels", 0) > 0
    assert (losses[0] != losses[1]) == uses_labels
    for unknown in (None, torch.full_like(labels, -1)):
        if case[1] == "labelled":
            with pytest.raises(PlaygroundError, match="labels"):
                model.loss(frames, make_generator(0), unknown)
        else:
            assert torch.isfinite(model.loss(frames, make_generator(0), unknown)["loss"])


def test_after_step_says_how_many_codes_it_moved(case: Any) -> None:
    model = build(case).train()
    model.loss(_frames(model, batch=2, frames=4), make_generator(0), _labels(model, 2, 4))
    assert isinstance(model.after_step(), int)
