"""What every dynamics model promises to training and to the engine."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from playground.core.nn.ring import RingState
from playground.core.registry import DYNAMICS
from playground.core.sampling import make_generator
from tests.contracts.cases import build, generators, parameters, without_gradients

pytestmark = pytest.mark.parametrize("case", parameters(DYNAMICS))


def _codes(model: Any, batch: int, frames: int, seed: int = 0) -> Tensor:
    config, generator = model.config, make_generator(seed)
    if model.discrete:
        shape = (batch, frames, config.tokens_per_frame)
        return torch.randint(0, config.codebook_size, shape, generator=generator)
    return torch.randn(batch, frames, config.tokens_per_frame, config.latent_channels, generator=generator)


def _prompts(model: Any, batch: int, seed: int = 0) -> Tensor:
    return torch.randn(batch, model.config.prompt_dims, generator=make_generator(seed))


def _actions(model: Any, batch: int, frames: int, seed: int = 0) -> Tensor:
    return torch.randint(0, model.num_actions + 1, (batch, frames), generator=make_generator(seed))


def _warm(model: Any, batch: int, frames: int, seed: int = 0) -> RingState:
    """A state that has seen ``frames`` random frames."""
    state = model.new_state(batch)
    codes, actions = _codes(model, batch, frames, seed), _actions(model, batch, frames, seed)
    for t in range(frames):
        noise = generators(*range(100 * t, 100 * t + batch))
        state.write(model.observe(state, codes[:, t], actions[:, t], None, noise))
    return state


def _close(model: Any, left: Tensor, right: Tensor) -> bool:
    return torch.equal(left, right) if model.discrete else torch.allclose(left, right, rtol=1e-4, atol=1e-4)


def _fields(state: RingState) -> list[Tensor]:
    return state.tensors()


@torch.no_grad()
@pytest.mark.parametrize("steps", [None, 1, 2, 4])
def test_shapes_types_and_steps(case: Any, steps: int | None) -> None:
    model = build(case)
    config, state = model.config, _warm(model, 2, 2)
    codes, written = model.generate(state, torch.tensor([0, model.num_actions]), None, generators(0, 1), steps)
    if model.discrete:
        assert codes.shape == (2, config.tokens_per_frame)
        assert codes.dtype == torch.int64
        assert int(codes.min()) >= 0
        assert int(codes.max()) < config.codebook_size
    else:
        assert codes.shape == (2, config.tokens_per_frame, config.latent_channels)
        assert codes.dtype == torch.float32
        assert torch.isfinite(codes).all()
    assert state.slots == model.context_frames - 1
    state.write(written)
    assert state.position_B.tolist() == [3, 3]


@torch.no_grad()
def test_the_number_of_steps_matters(case: Any) -> None:
    model = build(case)
    state, action = _warm(model, 1, 3), torch.tensor([1])
    results = [model.generate(state, action, None, generators(0), steps)[0] for steps in (1, 2, 4, None)]
    assert not torch.equal(results[0], results[1])
    assert not torch.equal(results[1], results[2])
    assert torch.equal(results[2], results[3]), "the default is the config's"


@torch.no_grad()
def test_neither_generate_nor_observe_changes_the_state(case: Any) -> None:
    model = build(case)
    state = _warm(model, 2, 3)
    before = state.clone()
    model.generate(state, torch.tensor([0, 1]), None, generators(0, 1))
    model.observe(state, _codes(model, 2, 1)[:, 0], torch.tensor([0, 1]), None, generators(0, 1))
    assert all(torch.equal(a, b) for a, b in zip(_fields(state), _fields(before), strict=True))


@torch.no_grad()
def test_the_seed_decides(case: Any) -> None:
    model = build(case)
    state, action = _warm(model, 1, 3), torch.tensor([1])
    torch.rand(3)  # the global generator must not matter
    first, second, other = (model.generate(state, action, None, generators(s))[0] for s in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@torch.no_grad()
def test_a_batch_equals_a_loop_of_singles(case: Any) -> None:
    model = build(case)
    batch = _warm(model, 3, 4)
    singles = [batch.row(row) for row in range(3)]
    batch_noise, single_noise = generators(7, 8, 9), generators(7, 8, 9)
    actions, prompts = _actions(model, 3, 6), _prompts(model, 3)
    prompts[1] = 0
    for t in range(6):
        codes, written = model.generate(batch, actions[:, t], prompts, batch_noise)
        batch.write(written)
        for row, state in enumerate(singles):
            rows = slice(row, row + 1)
            alone, kept = model.generate(state, actions[rows, t], prompts[rows], single_noise[rows])
            state.write(kept)
            assert _close(model, alone[0], codes[row]), (t, row)


@torch.no_grad()
def test_a_row_does_not_depend_on_its_neighbours(case: Any) -> None:
    model = build(case)
    state, other = _warm(model, 2, 8, seed=0), _warm(model, 2, 3, seed=1)
    mixed = state.clone()
    mixed.put_row(1, other.row(1))
    first, _ = model.generate(state, torch.tensor([0, 0]), None, generators(0, 1))
    second, _ = model.generate(mixed, torch.tensor([0, 2]), None, generators(0, 99))
    assert _close(model, first[0], second[0])
    assert not _close(model, first[1], second[1])


@torch.no_grad()
def test_restoring_a_snapshot_gives_the_same_frames_again(case: Any) -> None:
    model = build(case)
    state, actions = _warm(model, 2, 4), torch.tensor([1, 2])
    snapshot = state.row(1)

    def play() -> list[Tensor]:
        frames, noise = [], generators(3, 4)
        for _ in range(7):
            codes, written = model.generate(state, actions, None, noise)
            state.write(written)
            frames.append(codes[1])
        return frames

    first = play()
    state.put_row(1, snapshot)
    again = play()
    assert all(_close(model, a, b) for a, b in zip(first, again, strict=True))
    assert not all(_close(model, a, b) for a, b in zip(first, play(), strict=True)), "the memory matters"


@torch.no_grad()
def test_an_action_changes_the_frame(case: Any) -> None:
    model = build(case)
    state = _warm(model, 1, 3)
    for action in range(model.num_actions + 1):
        for other in range(action):
            pairs = [
                [model.generate(state, torch.tensor([a]), None, generators(seed))[0] for a in (action, other)]
                for seed in range(4)
            ]
            assert not all(_close(model, *pair) for pair in pairs), (action, other)


@torch.no_grad()
def test_every_remembered_frame_matters(case: Any) -> None:
    model = build(case)
    frames = model.context_frames + 2
    codes, actions = _codes(model, 1, frames), _actions(model, 1, frames)

    def keys_after(changed: int | None) -> Tensor:
        state = model.new_state(1)
        for t in range(frames):
            given = _codes(model, 1, 1, seed=9)[:, 0] if t == changed else codes[:, t]
            state.write(model.observe(state, given, actions[:, t], None, generators(t)))
        return model.generate(state, torch.tensor([1]), None, generators(0), 1)[1].keys[-1]

    plain = keys_after(None)
    for changed in range(frames - model.context_frames + 1, frames):
        assert not torch.allclose(keys_after(changed), plain, atol=1e-6), changed


@torch.no_grad()
def test_prompts_none_and_zeros_are_the_same_and_real_ones_are_not(case: Any) -> None:
    model = build(case)
    state, action = _warm(model, 2, 3), torch.tensor([0, 1])
    zeros, real = torch.zeros(2, model.config.prompt_dims), _prompts(model, 2)
    none, zero, one, two = (
        model.generate(state, action, prompt, generators(0, 1), 2)[1].keys
        for prompt in (None, zeros, real, _prompts(model, 2, seed=1))
    )
    assert torch.equal(none, zero)
    assert not torch.allclose(none, one, atol=1e-3)
    assert not torch.allclose(one, two, atol=1e-3)


@torch.no_grad()
def test_a_world_without_text_takes_none(case: Any) -> None:
    registry, name, fields = case
    model = build((registry, name, {**fields, "prompt_dims": 0}))
    codes, _ = model.generate(model.new_state(1), torch.tensor([0]), None, generators(0))
    assert codes.shape[1] == model.config.tokens_per_frame


class Recorder:
    """Stands in for the network, as an engine's backend does, and keeps what went through it."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.inputs: list[tuple[Any, ...]] = []
        self.outputs: list[Tensor] = []

    def __call__(self, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        self.inputs.append(tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs))
        out = self.network(*inputs)
        self.outputs.append(out[0])
        return out


def _observed(model: Any, frames: int) -> tuple[list[Tensor], Tensor]:
    """Observe 20 frames; returns the window inputs (B, T, ...) and the outputs of each cached step."""
    batch, state, recorder = 2, model.new_state(2), Recorder(model.network)
    codes, actions, prompts = _codes(model, batch, frames), _actions(model, batch, frames), _prompts(model, batch)
    for t in range(frames):
        noise = generators(2 * t, 2 * t + 1)
        state.write(model.observe(state, codes[:, t], actions[:, t], prompts, noise, run=recorder))
    stacked = [torch.stack(column, dim=1) for column in list(zip(*recorder.inputs, strict=True))[:6]]
    return stacked, torch.stack(recorder.outputs, dim=1)


@torch.no_grad()
def test_cached_steps_equal_the_training_window(case: Any) -> None:
    """Within the context all layers agree; later, keys of old frames still know frames that a window would not."""
    model = build(case)
    inputs, stepped = _observed(model, frames=20)
    seen = model.context_frames
    whole = model.network.window(*(column[:, :seen] for column in inputs))
    torch.testing.assert_close(stepped[:, :seen], whole, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_beyond_the_ring_steps_equal_a_window_of_the_last_frames(case: Any) -> None:
    """With one layer over time, keys know nothing but their own frame, so the two agree for ever."""
    registry, name, fields = case
    model = build((registry, name, {**fields, "depth": 2, "time_every": 2}))
    inputs, stepped = _observed(model, frames=20)
    for last in range(20):
        window = slice(max(0, last + 1 - model.context_frames), last + 1)
        whole = model.network.window(*(column[:, window] for column in inputs))
        torch.testing.assert_close(stepped[:, last], whole[:, -1], rtol=1e-3, atol=1e-4)
    longer = model.network.window(*(column[:, 19 - model.context_frames :] for column in inputs))
    assert not torch.allclose(stepped[:, 19], longer[:, -1], atol=1e-4), "one frame more would make a difference"


@torch.no_grad()
def test_the_window_is_causal(case: Any) -> None:
    model = build(case)
    inputs, _ = _observed(model, frames=5)
    before = model.network.window(*inputs)
    changed = [column.clone() for column in inputs]
    changed[0][:, 3] = _codes(model, 2, 1, seed=9)[:, 0]
    changed[4][:, 3] = (changed[4][:, 3] + 1) % model.num_actions
    after = model.network.window(*changed)
    assert torch.allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert not torch.allclose(before[:, 3], after[:, 3], atol=1e-3)
    assert not torch.allclose(before[:, 4], after[:, 4], atol=1e-5)


@torch.no_grad()
def test_a_replacement_of_the_network_is_used(case: Any) -> None:
    model = build(case)
    recorder, state = Recorder(model.network), _warm(model, 1, 2)
    plain, _ = model.generate(state, torch.tensor([0]), None, generators(0), 2)
    replaced, _ = model.generate(state, torch.tensor([0]), None, generators(0), 2, run=recorder)
    assert torch.equal(plain, replaced)
    assert len(recorder.inputs) == 2, "one pass a step, and no other one"
    shapes = [[getattr(x, "shape", None) for x in inputs] for inputs in recorder.inputs]
    assert shapes[0] == shapes[1], "shapes never change, so that engines can compile the network"


@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_loss_is_reproducible_and_reaches_every_parameter(case: Any, progress: float) -> None:
    model = build(case).train()
    codes, actions = _codes(model, 8, 4), _actions(model, 8, 4)
    prompts = _prompts(model, 8).unsqueeze(1).expand(8, 4, -1).clone()
    prompts[0] = 0
    result = model.loss(codes, actions, prompts, make_generator(0), progress)
    assert result["loss"].shape == ()
    assert torch.isfinite(result["loss"])
    assert all(not value.requires_grad for name, value in result.items() if name != "loss")
    again, other = (model.loss(codes, actions, prompts, make_generator(s), progress)["loss"].item() for s in (0, 1))
    assert again == result["loss"].item()
    assert other != result["loss"].item()
    result["loss"].backward()
    assert without_gradients(model) == []


def test_loss_works_without_prompts_and_listens_to_actions(case: Any) -> None:
    model = build(case).train()
    codes, actions = _codes(model, 4, 3), _actions(model, 4, 3)
    losses = [
        model.loss(codes, given, None, make_generator(0))["loss"].item()
        for given in (actions, (actions + 1) % model.num_actions)
    ]
    assert losses[0] != losses[1]


def _with_outcomes(case: Any) -> Any:
    registry, name, fields = case
    return build((registry, name, {**fields, "outcomes": True}))


@torch.no_grad()
def test_outcomes_come_with_each_frame_and_each_row_has_its_own(case: Any) -> None:
    assert (
        build(case).outcome(build(case).generate(build(case).new_state(1), torch.tensor([0]), None, generators(0))[1])
        is None
    )
    model = _with_outcomes(case)
    state, actions = _warm(model, 2, 3), torch.tensor([0, 1])
    _, written = model.generate(state, actions, None, generators(0, 1))
    both = model.outcome(written)
    assert both.reward_B.shape == both.end_B.shape == (2,)
    assert ((both.end_B >= 0) & (both.end_B <= 1)).all()
    _, alone = model.generate(state.row(1), actions[1:], None, generators(1))
    torch.testing.assert_close(model.outcome(alone).reward_B, both.reward_B[1:], rtol=1e-3, atol=1e-3)
    _, other = model.generate(state, torch.tensor([0, 2]), None, generators(0, 1))
    assert model.outcome(other).reward_B[1] != both.reward_B[1], "the action matters"
    observed = model.observe(state, _codes(model, 2, 1)[:, 0], actions, None, generators(0, 1))
    assert model.outcome(observed).reward_B.isfinite().all()


@torch.no_grad()
def test_training_sees_the_values_that_steps_write(case: Any) -> None:
    model, state = build(case), build(case).new_state(2)
    recorder, wrote = Recorder(model.network), []
    codes, actions = _codes(model, 2, 4), _actions(model, 2, 4)
    for t in range(4):
        written = model.observe(state, codes[:, t], actions[:, t], None, generators(t, 9 + t), run=recorder)
        state.write(written)
        wrote.append(written.values[-1])
    columns = [torch.stack(column, dim=1) for column in list(zip(*recorder.inputs, strict=True))[:5]]
    _, values = model.network.window_and_memory(*columns, None)
    torch.testing.assert_close(values, torch.stack(wrote, dim=1), rtol=1e-3, atol=1e-4)


def test_the_loss_of_outcomes_reaches_every_parameter(case: Any) -> None:
    model = _with_outcomes(case).train()
    codes, actions = _codes(model, 8, 4), _actions(model, 8, 4)
    prompts = _prompts(model, 8).unsqueeze(1).expand(8, 4, -1)
    outcomes = torch.rand(8, 4, 2, generator=make_generator(2))
    outcomes[0] = float("nan")
    result = model.loss(codes, actions, prompts, make_generator(0), 1.0, outcomes_BT2=outcomes)
    assert not result["outcome"].requires_grad
    result["loss"].backward()
    assert without_gradients(model) == []
    plain = model.loss(codes, actions, prompts, make_generator(0), 1.0)
    assert "outcome" not in plain
    assert plain["loss"].item() < result["loss"].item()
