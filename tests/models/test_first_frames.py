"""First frames: a text gives one of its pictures, not their mixture, and a badly sized model is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dynamics.first_frames import PASSES, FirstFrameConfig, FirstFrameDiffusion
from playground.core.sampling import make_generator, row_noise

CONFIG = FirstFrameConfig(tokens_per_frame=16, latent_channels=4, prompt_dims=2, width=64, depth=2)
READS = replace(CONFIG, reader=True)


STRIPES = torch.tensor([1.0, -1.0]).repeat(8)[:, None].expand(16, 4)


@pytest.fixture(scope="module")
def trained() -> FirstFrameDiffusion:
    """Text 0 shows +0.5 or -0.5 all over, text 1 stripes of either sign; a mixture would be zero everywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        model = FirstFrameDiffusion(READS).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    generator = make_generator(0)
    for _ in range(200):
        text_B = torch.randint(0, 2, (32,), generator=generator)
        sign_B = torch.randint(0, 2, (32,), generator=generator) * 2.0 - 1
        picture = torch.where(text_B[:, None, None] == 1, STRIPES, torch.ones(16, 4)) * sign_B[:, None, None] * 0.5
        loss = model.loss(picture, torch.eye(2)[text_B], generator)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


@torch.no_grad()
def test_a_text_draws_one_of_the_pictures_that_it_was_shown_with(trained: FirstFrameDiffusion) -> None:
    for text, pattern in enumerate((torch.ones(16, 4), STRIPES)):
        drawn = trained.draw(torch.eye(2)[[text]].expand(8, 2), [make_generator(seed) for seed in range(8)])
        sign_B = (drawn * pattern).mean(dim=(1, 2))
        assert set(torch.sign(sign_B).tolist()) == {-1.0, 1.0}  # both kinds are drawn, and not their mean
        assert (drawn - sign_B.sign()[:, None, None] * pattern * 0.5).abs().mean() < 0.2  # a mixture: 0.5


@torch.no_grad()
def test_a_reader_tells_what_a_picture_shows(trained: FirstFrameDiffusion) -> None:
    pictures = 0.5 * torch.stack((torch.ones(16, 4), -torch.ones(16, 4), STRIPES, -STRIPES))
    told = torch.eye(2)[[0, 0, 1, 1]]
    assert (trained.fit(pictures, told) > trained.fit(pictures, told.flip(1)) + 1).all()
    # Texts may have more numbers than this model takes, as for drawing.
    wide = torch.cat((told, torch.ones(4, 3)), dim=1)
    assert torch.equal(trained.fit(pictures, wide), trained.fit(pictures, told))


def test_a_reader_needs_texts_and_learns_from_pictures_that_have_one() -> None:
    with pytest.raises(ValueError, match="nothing to read"):
        FirstFrameConfig(prompt_dims=0, reader=True)
    pictures, told = torch.randn(4, 16, 4, generator=make_generator(0)), torch.eye(2)[[0, 1, 0, 1]]
    with pytest.raises(ValueError, match="no reader"):
        FirstFrameDiffusion(CONFIG).fit(pictures, told)
    model = FirstFrameDiffusion(READS).train()
    assert float(model.loss(pictures, told, make_generator(0))["unread"]) > 0
    silent = model.loss(pictures, torch.zeros(4, 2), make_generator(0))
    assert "unread" not in silent
    assert torch.isfinite(silent["loss"])


def test_pictures_of_one_caption_are_no_wrong_answers_to_each_other() -> None:
    model = FirstFrameDiffusion(READS).train()
    pictures, told = torch.randn(4, 16, 4, generator=make_generator(0)), torch.eye(2)[[0, 1, 0, 1]]

    def unread(captions: list[int] | None) -> torch.Tensor:
        numbers_B = None if captions is None else torch.tensor(captions)
        return model.loss(pictures, told, make_generator(0), numbers_B)["unread"]

    assert float(unread([7, 7, 7, 7])) == 0
    assert 0 < float(unread([0, 1, 0, 1])) < float(unread(None))
    torch.testing.assert_close(unread([0, 1, 2, 3]), unread(None))
    # A row without a caption has no text, and its number says nothing.
    untold = model.loss(
        pictures, told * torch.tensor([[1.0], [1], [0], [0]]), make_generator(0), torch.tensor([0, 1, -1, -1])
    )
    assert float(untold["unread"]) > 0


@torch.no_grad()
def test_the_noise_of_a_picture_gives_it_back_or_another_to_other_words(trained: FirstFrameDiffusion) -> None:
    generators = [make_generator(seed) for seed in range(4)]
    pictures = 0.5 * torch.stack((torch.ones(16, 4), -torch.ones(16, 4), STRIPES, -STRIPES))
    noise = trained.noise_of(pictures)
    told = torch.eye(2)[[0, 0, 1, 1]]
    again = trained.draw(told, generators, noise_BNC=noise)
    assert (again - pictures).abs().mean() < 0.1  # another picture is 0.5 away, or 1
    other = trained.draw(told.flip(1), generators, 2.0, noise_BNC=noise)
    as_asked = 0.5 * torch.stack((STRIPES, STRIPES, torch.ones(16, 4), torch.ones(16, 4)))
    assert torch.minimum((other - as_asked).abs(), (other + as_asked).abs()).mean() < 0.2


@torch.no_grad()
def test_a_picture_that_is_begun_with_stands_as_far_as_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model, picture = FirstFrameDiffusion(CONFIG).eval(), torch.linspace(-1, 1, 64).reshape(1, 16, 4)
    seen: list[tuple[torch.Tensor, float]] = []

    def forward(noisy: torch.Tensor, level: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        seen.append((noisy, float(level)))
        return torch.zeros_like(noisy)

    monkeypatch.setattr(model, "forward", forward)
    noise = row_noise((16, 4), [make_generator(5)])
    for kept, passes in ((0.0, PASSES), (0.25, 24), (0.75, 4)):
        seen.clear()
        model.draw(None, [make_generator(5)], start_BNC=picture, kept=kept, passes=passes)
        wanted = [kept + (1 - kept) * index / passes for index in range(passes)]
        assert [level for _, level in seen] == pytest.approx(wanted)
        torch.testing.assert_close(seen[0][0], noise + kept * (picture - noise))


@torch.no_grad()
def test_what_prompts_share_does_not_count() -> None:
    """Captions whose embeddings differ in the third digit are told apart like any others."""
    rows_RP = torch.tensor([[1.0, 0.001], [1.0, -0.001]])
    model = FirstFrameDiffusion(CONFIG)
    model.set_statistics(torch.rand(100, 16, 4), rows_RP)
    scaled_RP = (rows_RP - model.prompt_mean_P) / model.prompt_scale_P
    torch.testing.assert_close(scaled_RP[:, 0], torch.zeros(2))
    assert (scaled_RP[:, 1].abs() > 0.5).all()


@pytest.mark.parametrize(
    ("field", "value"), [("tokens_per_frame", 15), ("packing", 3), ("width", 40), ("depth", 0), ("prompt_tokens", 0)]
)
def test_sizes_that_do_not_fit_are_named(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field if field != "tokens_per_frame" else "packing"):
        FirstFrameConfig(**{field: value})


@torch.no_grad()
def test_guidance_leads_at_middle_levels_only(trained: FirstFrameDiffusion, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, int]] = []
    plain = trained.forward

    def counted(noisy_BNC: torch.Tensor, level_B: torch.Tensor, prompt_BP: torch.Tensor) -> torch.Tensor:
        asked.append((float(level_B[0]), len(noisy_BNC)))
        return plain(noisy_BNC, level_B, prompt_BP)

    monkeypatch.setattr(trained, "forward", counted)
    trained.draw(torch.eye(2)[[0]], [make_generator(0)], guidance=4.0)
    assert [level for level, _ in asked] == [index / PASSES for index in range(PASSES)]
    assert [rows == 2 for _, rows in asked] == [0.1 <= level < 0.8 for level, _ in asked]
