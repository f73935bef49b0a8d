"""The continuous head: denoising arithmetic, normalisation, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dynamics.config import DynamicsConfig
from dynamics.shortcut import ShortcutDynamics
from playground.core.errors import PlaygroundError
from playground.core.sampling import make_generator
from tests.contracts.cases import generators, randomise

TINY: dict[str, Any] = {
    "tokens_per_frame": 16, "latent_channels": 4, "num_actions": 3, "context_frames": 6, "width": 32, "depth": 2,
}  # fmt: skip


def _model(**fields: Any) -> ShortcutDynamics:
    return randomise(ShortcutDynamics(DynamicsConfig(**{**TINY, **fields})), 0).eval()


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_perfect_network_is_reached_exactly(steps: int) -> None:
    model = _model()
    wanted = torch.rand(1, 16, 4, generator=make_generator(0)) * 2 - 1
    seen: list[tuple[float, int]] = []

    def perfect(noisy: torch.Tensor, previous: torch.Tensor, level: Any, step: Any, *rest: Any) -> Any:
        seen.append((float(level), int(step)))
        return wanted, *model.network(noisy, previous, level, step, *rest)[1:]

    latents, written = model.generate(model.new_state(1), torch.tensor([0]), None, generators(0), steps, run=perfect)
    torch.testing.assert_close(latents, wanted)
    torch.testing.assert_close(written.codes, wanted)
    assert seen == [(index / steps, steps.bit_length() - 1) for index in range(steps)]


@torch.no_grad()
def test_noise_shrinks_along_a_straight_line() -> None:
    model, inputs = _model(), []

    def to_zero(noisy: torch.Tensor, *rest: Any) -> Any:
        inputs.append(noisy)
        return torch.zeros_like(noisy), *model.network(noisy, *rest)[1:]

    model.generate(model.new_state(1), torch.tensor([0]), None, generators(0), 4, run=to_zero)
    for index, noisy in enumerate(inputs):
        torch.testing.assert_close(noisy, inputs[0] * (1 - index / 4))


@pytest.mark.parametrize("steps", [-1, 3, 8])
def test_step_numbers_that_were_not_trained_are_refused(steps: int) -> None:
    model = _model(steps=4)
    with pytest.raises(PlaygroundError, match="power of two"):
        model.generate(model.new_state(1), torch.tensor([0]), None, generators(0), steps)


@torch.no_grad()
def test_statistics_normalise_inside_and_undo_outside() -> None:
    model = _model()
    data = torch.tanh(torch.randn(500, 16, 4, generator=make_generator(0)) * torch.tensor([0.1, 1, 2, 3]) + 0.5)
    model.set_statistics(data)
    noise = generators(*range(500))
    written = model.observe(model.new_state(500), data, torch.zeros(500).long(), None, noise)
    torch.testing.assert_close(written.codes.mean(dim=(0, 1)), torch.zeros(4), rtol=0, atol=1e-3)
    torch.testing.assert_close(written.codes.std(dim=(0, 1)), torch.ones(4), rtol=0, atol=1e-2)

    def copy(noisy: torch.Tensor, *rest: Any) -> Any:
        return written.codes[:1], *model.network(noisy, *rest)[1:]

    latents, _ = model.generate(model.new_state(1), torch.tensor([0]), None, generators(0), run=copy)
    torch.testing.assert_close(latents, data[:1], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_constant_channels_do_not_divide_by_zero() -> None:
    model = _model()
    model.set_statistics(torch.ones(50, 16, 4))
    result = model.loss(torch.ones(2, 3, 16, 4), torch.zeros(2, 3).long(), None, make_generator(0))
    assert torch.isfinite(result["loss"])


@torch.no_grad()
def test_a_fresh_model_repeats_the_previous_frame() -> None:
    model = ShortcutDynamics(DynamicsConfig(**TINY)).eval()
    state, frame = model.new_state(1), torch.rand(1, 16, 4, generator=make_generator(3)) * 2 - 1
    state.write(model.observe(state, frame, torch.tensor([0]), None, generators(0)))
    latents, _ = model.generate(state, torch.tensor([1]), None, generators(0))
    torch.testing.assert_close(latents, frame)


def test_the_shortcut_loss_starts_half_way() -> None:
    model = _model()
    codes, actions = torch.randn(8, 3, 16, 4), torch.zeros(8, 3).long()
    assert "shortcut" not in model.loss(codes, actions, None, make_generator(0), progress=0.5)
    assert "shortcut" in model.loss(codes, actions, None, make_generator(0), progress=0.6)


def test_it_learns_that_an_action_moves_the_picture() -> None:
    """Latents turn by one place for action 0 and the other way for action 1; repeating the frame is the baseline."""
    generator = make_generator(0)
    model = randomise(ShortcutDynamics(DynamicsConfig(**TINY, action_dropout=0.0, context_noise=0.0)), 1).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    ratios = []
    for _ in range(120):
        actions = torch.randint(0, 2, (16, 3), generator=generator)
        signs = torch.where(actions == 0, 1.0, -1.0).cumsum(dim=1)
        codes = signs[..., None, None].expand(16, 3, 16, 4) * 0.5
        result = model.loss(codes, actions, None, generator, progress=0.0)
        optimiser.zero_grad()
        result["loss"].backward()
        optimiser.step()
        ratios.append(float(result["copy_ratio"]))
    assert sum(ratios[-10:]) / 10 < 0.3 < ratios[0]


@torch.no_grad()
def test_generated_latents_stay_where_the_tokenizer_has_some() -> None:
    model = _model()
    model.set_statistics(torch.tanh(torch.randn(500, 16, 4, generator=make_generator(0))))

    def far_out(noisy: torch.Tensor, *rest: Any) -> Any:
        return 50.0 * torch.sign(noisy), *model.network(noisy, *rest)[1:]

    state = model.new_state(1)
    latents, _ = model.generate(state, torch.tensor([0]), None, generators(0), run=far_out)
    torch.testing.assert_close(latents.abs(), torch.ones_like(latents))
