"""The outcome head: an unbiased mean, true odds, unknown targets left out, and a rule that is found."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from dynamics.config import DynamicsConfig
from dynamics.outcome import BINS, OutcomeHead, reward_bins
from playground.core.component import load_component, save_component
from playground.core.registry import DYNAMICS
from playground.core.sampling import make_generator

CONFIG = DynamicsConfig(width=16, head_dim=8)


def head_that_learned(rewards: list[float], ends: list[float], end_share: float = 0.5) -> OutcomeHead:
    """A head after many steps on one and the same input with these targets."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = OutcomeHead(CONFIG)
    head.set_end_share(end_share)
    outcomes = torch.stack((torch.tensor(rewards), torch.tensor(ends)), dim=-1)[None]
    values = torch.ones(1, len(rewards), 3, 2, 8)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(values, outcomes).backward()
        optimizer.step()
    return head


def test_the_mean_of_rare_and_negative_rewards_is_unbiased() -> None:
    rewards = [10.0] + [0.0] * 16 + [-0.3] * 3
    read = head_that_learned(rewards, [0.0] * 20).read(torch.ones(1, 3, 2, 8))
    assert read.reward_B.item() == pytest.approx(sum(rewards) / 20, abs=0.05)


def test_weighing_rare_ends_keeps_their_true_odds() -> None:
    head = head_that_learned([0.0] * 20, [1.0] + [0.0] * 19, end_share=0.05)
    assert head.end_weight.item() == pytest.approx(19.0)
    assert torch.sigmoid(head(torch.ones(1, 3, 2, 8))[0, -1]).item() == pytest.approx(0.5, abs=0.05)
    assert head.read(torch.ones(1, 3, 2, 8)).end_B.item() == pytest.approx(0.05, abs=0.02)


def test_an_untrained_head_expects_no_reward() -> None:
    read = OutcomeHead(CONFIG).read(torch.ones(4, 3, 2, 8))
    assert read.reward_B.abs().max() < 1e-3
    bins = reward_bins(torch.device("cpu"))
    assert len(bins) == BINS
    assert bins[BINS // 2] == 0.0
    assert (bins.diff() > 0).all()


def test_unknown_targets_are_left_out() -> None:
    head = OutcomeHead(CONFIG)
    values = torch.randn(2, 3, 5, 2, 8, generator=make_generator(0))
    outcomes = torch.rand(2, 3, 2, generator=make_generator(1))
    masked = outcomes.clone()
    masked[1] = math.nan
    assert head.loss(values, masked).item() == pytest.approx(head.loss(values[:1], outcomes[:1]).item(), rel=1e-5)
    nothing = head.loss(values, torch.full_like(outcomes, math.nan))
    nothing.backward()
    assert nothing.item() == 0.0
    assert all(bool((p.grad == 0).all()) for p in head.parameters() if p.grad is not None)
    assert head.loss(values, torch.full_like(outcomes, 1e9)).isfinite()


@pytest.mark.parametrize("name", ["shortcut", "maskgit"])
def test_rewards_of_an_action_and_ends_in_a_picture_are_found(name: str) -> None:
    model = make_model(name)
    optimizer, generator = torch.optim.Adam(model.parameters(), lr=3e-3), make_generator(1)
    for step in range(120):
        optimizer.zero_grad()
        codes, actions, outcomes = clips(model, 16, step)
        model.loss(codes, actions, None, generator, progress=1.0, outcomes_BT2=outcomes)["loss"].backward()
        optimizer.step()
    codes, actions, outcomes = clips(model.eval(), 64, seed=999)
    state, noise = model.new_state(64), [make_generator(row) for row in range(64)]
    with torch.no_grad():
        for t in range(4):
            written = model.observe(state, codes[:, t], actions[:, t], None, noise)
            state.write(written)
    read = model.outcome(written)
    assert torch.corrcoef(torch.stack((read.reward_B, outcomes[:, 3, 0])))[0, 1] > 0.95
    ended = outcomes[:, 3, 1] > 0
    assert read.end_B[ended].median() > 0.5 > read.end_B[~ended].median()


def make_model(name: str) -> torch.nn.Module:
    """A tiny one; the same on every call."""
    cls = DYNAMICS.get(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cls(
            DynamicsConfig(
                tokens_per_frame=16, latent_channels=4, codebook_size=8 if cls.discrete else 0, num_actions=3,
                context_frames=4, width=32, depth=3, steps=2, outcomes=True,
            )
        )  # fmt: skip


def clips(model: torch.nn.Module, batch: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clips in which action 2 earns 10 and a bright frame is the last of its episode."""
    generator = make_generator(seed)
    actions = torch.randint(0, 3, (batch, 4), generator=generator)
    ends = torch.rand(batch, 4, generator=generator) < 0.3
    if model.discrete:
        codes = torch.randint(0, 4, (batch, 4, 16), generator=generator) + 4 * ends[..., None]
    else:
        codes = 0.1 * torch.randn(batch, 4, 16, 4, generator=generator) + ends[..., None, None]
    return codes, actions, torch.stack((10.0 * (actions == 2), ends.float()), dim=-1)


@pytest.mark.parametrize("name", ["shortcut", "maskgit"])
def test_heads_survive_saving_and_are_absent_by_default(name: str, tmp_path: Path) -> None:
    model = make_model(name)
    model.outcome_head.set_end_share(0.1)
    save_component(model, tmp_path, torch.float32)
    again = load_component(DYNAMICS, tmp_path)
    assert again.config.outcomes
    assert again.outcome_head.end_weight.item() == pytest.approx(9.0)
    values = torch.randn(2, 7, 1, 32, generator=make_generator(0))
    torch.testing.assert_close(again.outcome_head(values), model.outcome_head(values))
    plain = type(model)(DynamicsConfig(codebook_size=model.config.codebook_size))
    assert not [key for key in plain.state_dict() if key.startswith("outcome")]
    assert plain.outcome_head is None
