"""What backends keep between passes: equal to the whole network, also when action, prompt or noise level change."""

from __future__ import annotations

import pytest
import torch

from playground.engine.passes import SplitPass, WholePass, pass_of
from playground.world.bundle import World
from tests.tiny_world import make_tiny_world


@pytest.fixture(scope="module", params=["shortcut", "maskgit", "texts"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    texts = request.param == "texts"
    head = "shortcut" if texts else request.param
    return World.load(make_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny", head=head, texts=texts))


@torch.inference_mode()
def test_a_split_pass_is_the_whole_network(world: World) -> None:
    network, shape = world.dynamics.network, pass_of(world)
    assert isinstance(shape, SplitPass)
    split = shape.module(network)
    state = world.dynamics.new_state(1)
    one, other = (torch.randn(1, world.prompt_dims) if world.prompt_dims else None for _ in range(2))
    for level, action, prompt_BP in ((0.0, 1, one), (0.5, 1, one), (0.5, 2, one), (0.5, 2, other), (0.0, 1, None)):
        given = (
            *(state.previous, state.previous, torch.tensor([level]), torch.tensor([0]), torch.tensor([action])),
            *(prompt_BP, *state.rotary(), state.keys, state.values, state.bias_BR),
        )
        for got, expected in zip(split(*shape.inputs(given)), network(*given), strict=True):
            assert torch.equal(got, expected)


@torch.inference_mode()
def test_no_condition_of_play_is_computed_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    network, shape, state = world.dynamics.network, pass_of(world), world.dynamics.new_state(1)
    computed, compute = [], network.modulations
    monkeypatch.setattr(network, "modulations", lambda *parts: computed.append(parts) or compute(*parts))
    steps, actions = world.dynamics.config.steps, world.dynamics.num_actions + 1
    for _ in range(2):
        for level in (index / steps for index in range(steps)):
            for action in range(actions):
                condition = torch.tensor([level]), torch.tensor([0]), torch.tensor([action]), None
                memory = *state.rotary(), state.keys, state.values, state.bias_BR
                shape.inputs((state.previous, state.previous, *condition, *memory))
    assert len(computed) == steps * actions


def test_other_networks_run_as_a_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(type(world.dynamics.network).__mro__[1], "advance")
    assert type(pass_of(world)) is WholePass


@torch.inference_mode()
def test_angles_follow_the_position(world: World) -> None:
    state = world.dynamics.new_state(2)
    before = state.rotary()
    assert state.rotary()[0] is before[0]
    _, written = world.draw(state, torch.zeros(2, dtype=torch.int64), None, [torch.Generator(), torch.Generator()])
    state.write(written, [1])
    assert torch.equal(state.rotary()[0][0], before[0][0])
    assert not torch.equal(state.rotary()[0][1], before[0][1])
    one = state.row(1)
    state.put_row(0, one)
    assert torch.equal(state.rotary()[0][0], one.rotary()[0][0])
