"""The continuous head: denoising arithmetic, normalisation, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dynamics.config import DynamicsConfig
from dynamics.shortcut import FIRST_FRAME_PASSES, ShortcutDynamics
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


def test_first_frames_take_small_steps_only_where_they_were_learned() -> None:
    passes: list[float] = []
    for model in (_model(), _model(first_frames=0.5)):
        passes.clear()

        def count(noisy: torch.Tensor, previous: torch.Tensor, level: Any, *rest: Any, model: Any = model) -> Any:
            passes.append(float(level[0]))
            return model.network(noisy, previous, level, *rest)

        with torch.no_grad():
            drawn = model.draw_first(None, generators(0, 1), run=count)
        assert drawn.shape == (2, 16, 4)
        assert len(passes) == (FIRST_FRAME_PASSES if model.config.first_frames else model.config.steps)
        assert passes == [index / len(passes) for index in range(len(passes))]


def test_first_frames_come_from_anywhere_in_a_clip_and_follow_the_text() -> None:
    """Text 0 shows +0.5 or -0.5 all over, text 1 stripes of either sign; a mixture would be zero everywhere."""
    model = _model(first_frames=1.0, prompt_dims=2, prompt_dropout=0.1, first_frame_weight=1.0).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    generator, stripes = make_generator(0), torch.tensor([1.0, -1.0]).repeat(8)[:, None].expand(16, 4)
    for _ in range(250):
        text = torch.randint(0, 2, (16,), generator=generator)
        sign = torch.randint(0, 2, (16,), generator=generator) * 2.0 - 1
        picture = torch.where(text[:, None, None] == 1, stripes, torch.ones(16, 4)) * sign[:, None, None] * 0.5
        # The first frame of every clip shows nothing; what is learned comes from the frames behind it.
        codes = torch.stack((torch.zeros_like(picture), picture, picture), dim=1)
        prompts = torch.eye(2)[text][:, None].expand(16, 3, 2) * torch.tensor([0.0, 1.0, 1.0])[:, None]
        loss = model.loss(codes, torch.zeros(16, 3).long(), prompts, generator, progress=0.0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        drawn = [model.draw_first(torch.eye(2)[[text]].expand(8, 2), generators(*range(8))) for text in (0, 1)]
    for made, pattern in zip(drawn, (torch.ones(16, 4), stripes), strict=True):
        sign = (made * pattern).mean(dim=(1, 2))
        assert {-1.0, 1.0} == set(torch.sign(sign).tolist())  # both kinds are drawn, and not their mean
        assert (made - sign.sign()[:, None, None] * pattern * 0.5).abs().mean() < 0.3  # a mixture would be 0.5 away
