"""Muon and AdamW reach the minimum of simple losses, and parameters land in the right group."""

from __future__ import annotations

import torch
from torch import nn

from playground.core.sampling import make_generator
from playground.training.ema import ExponentialMovingAverage
from playground.training.optim import build_optimizer, hidden_matrices, orthogonalise, parameter_groups


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 16)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(16, 48), nn.SiLU(), nn.Linear(48, 16))])
        self.conv = nn.Conv2d(3, 16, 3)
        self.head = nn.Linear(16, 4)


def test_orthogonalise_brings_singular_values_near_one():
    generator = make_generator(0)
    for shape in ((16, 16), (48, 16), (16, 48), (3, 16, 24)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=generator), steps=8))
        assert values.min() > 0.5
        assert values.max() < 1.5


def test_only_hidden_matrices_of_blocks_use_muon():
    model = Model()
    assert hidden_matrices(model) == ["blocks.0.0.weight", "blocks.0.2.weight"]
    groups = parameter_groups(model, 1e-3, muon_lr=2e-3, weight_decay=0.1)
    assert [group["rule"] for group in groups] == ["muon", "adamw", "adamw"]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.1, 0.0]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert all(group["rule"] == "adamw" for group in parameter_groups(model, 1e-3))


def test_muon_reduces_a_quadratic():
    generator = make_generator(1)
    model = nn.Module()
    model.blocks = nn.ModuleList([nn.Linear(16, 16, bias=False)])
    target = torch.randn(16, 16, generator=generator)
    optimizer = build_optimizer(model, adam_lr=1e-3, muon_lr=0.2, weight_decay=0.0)
    losses = []
    for step in range(200):
        optimizer.set_scale(1 - step / 200)
        loss = (model.blocks[0].weight - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


def test_adamw_matches_torch():
    generator = make_generator(2)
    ours, theirs = nn.Linear(6, 3), nn.Linear(6, 3)
    theirs.load_state_dict(ours.state_dict())
    mine = build_optimizer(ours, adam_lr=1e-2, muon_lr=0.0, weight_decay=0.0)
    reference = torch.optim.AdamW(theirs.parameters(), lr=1e-2, betas=(0.9, 0.95), weight_decay=0.0)
    for _ in range(20):
        x = torch.randn(8, 6, generator=generator)
        for model, optimizer in ((ours, mine), (theirs, reference)):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-5)


def test_average_starts_fast_and_ends_slow():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    average = ExponentialMovingAverage(model, decay=0.99)
    with torch.no_grad():
        model.weight.fill_(1.0)
    average.update(model)
    assert abs(average.module.weight.item() - 0.9) < 1e-6
    for _ in range(50):
        average.update(model)
    assert average.module.weight.item() > 0.999
