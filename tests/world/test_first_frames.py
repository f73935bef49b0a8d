"""Worlds with a model of first frames: it draws what words ask for, as closely as the bundle says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dynamics.first_frames import FirstFrameDiffusion
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS
from playground.core.sampling import make_generator
from playground.world.bundle import World
from playground.world.first_frames import CHOICES, draw_chosen
from tests.tiny_world import make_tiny_world


@pytest.fixture(scope="module", params=["shortcut", "maskgit"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An untrained world of texts, with a model of first frames."""
    folder = Path(tmp_path_factory.mktemp("world")) / "w"
    return World.load(make_tiny_world(folder, head=request.param, texts=True, first_frames=True))


def first_frame(world: World, text: str, guidance: float | None) -> np.ndarray:
    world.sampling["guidance"] = guidance
    return world.draw_first_frame(text, seed=3)


def test_one_is_the_plain_model_and_zero_the_one_without_a_text(world: World) -> None:
    plain, untold = first_frame(world, "a red canyon", None), first_frame(world, "", None)
    assert (plain != untold).any()
    np.testing.assert_array_equal(first_frame(world, "a red canyon", 1.0), plain)
    ignored = first_frame(world, "a red canyon", 0.0).astype(int)
    assert np.abs(ignored - untold).max() <= 1  # two rows at once round differently
    np.testing.assert_array_equal(first_frame(world, "", 5.0), untold)
    assert (first_frame(world, "a red canyon", 5.0) != plain).any()


def test_a_world_without_one_leaves_first_frames_to_its_dynamics(world: World, tmp_path: Path) -> None:
    other = World.load(make_tiny_world(tmp_path / "w", texts=True))
    assert other.first_frames is None
    drawn = [other.draw_first_frame(text, seed=3) for text in ("a red canyon", "a blue one")]
    assert (drawn[0] != drawn[1]).any()


def test_it_is_kept_and_checked(world: World, tmp_path: Path) -> None:
    world.sampling["guidance"] = 2.5
    again = World.load(world.save(tmp_path / "w"))
    assert again.manifest.sampling.guidance == 2.5
    np.testing.assert_array_equal(first_frame(again, "a red canyon", 2.0), first_frame(world, "a red canyon", 2.0))
    state = again.dynamics.new_state(1)
    again.draw(state, torch.tensor([0]), None, [make_generator(0)])  # play takes no notice
    with pytest.raises(ValueError, match="guidance"):
        replace(again.manifest.sampling, guidance=-1.0)
    silent = World.load(make_tiny_world(tmp_path / "silent"))
    silent.sampling["guidance"] = 2.0
    with pytest.raises(PlaygroundError, match="guidance"):
        silent.save(tmp_path / "bad")


@torch.inference_mode()
def test_of_several_drawings_the_one_that_fits_its_text_best_is_kept(world: World) -> None:
    plain = world.first_frames
    model = FirstFrameDiffusion(replace(plain.config, reader=True)).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    told_BP = torch.from_numpy(np.stack([world.embed(text) for text in ("a red canyon", "snow")]))
    pictures = torch.zeros(2, plain.config.tokens_per_frame, plain.config.latent_channels)
    for noise_BNC in (None, model.noise_of(pictures)):
        chosen = draw_chosen(model, told_BP, [make_generator(0), make_generator(1)], 2.0, noise_BNC, 2)
        for row in range(2):
            # What each row would have met: its generator goes on from one drawing to the next.
            generator, told_1P = make_generator(row), told_BP[row : row + 1]
            given = None if noise_BNC is None else noise_BNC[row : row + 1]
            met = torch.cat([draw_chosen(plain, told_1P, [generator], 2.0, given, 2) for _ in range(CHOICES)])
            fit_K = model.fit(met, told_1P.expand(CHOICES, -1))
            assert fit_K.std() > 0
            torch.testing.assert_close(chosen[row], met[fit_K.argmax()], rtol=1e-3, atol=1e-4)
    untold = draw_chosen(model, None, [make_generator(0)], 2.0, passes=2)
    torch.testing.assert_close(untold, plain.draw(None, [make_generator(0)], passes=2))


@torch.inference_mode()
def test_every_nth_frame_is_corrected_and_no_other(tmp_path: Path) -> None:
    world = World.load(make_tiny_world(tmp_path / "w", texts=True, first_frames=True))
    told_BP = torch.from_numpy(np.stack([world.embed(text) for text in ("a red canyon", "snow")]))
    action_B = torch.tensor([1, 2])

    def play(every: int | None, rows: list[int], frames: int = 4, ahead: int = 0) -> list[torch.Tensor]:
        """Latents of frames of some rows; row 1 may be some frames ahead of row 0."""
        world.sampling["correct_every"] = every
        state, noise = world.dynamics.new_state(len(rows)), [make_generator(row) for row in rows]
        state.position_B += torch.tensor([ahead * row for row in rows])
        made = []
        for _ in range(frames):
            drawn, written = world.draw(state, action_B[rows], told_BP[rows], noise)
            state.write(written)
            torch.testing.assert_close(state.previous, (drawn - world.dynamics.mean_C) / world.dynamics.scale_C)
            made.append(drawn)
        return made

    plain, corrected = play(None, [0, 1]), play(3, [0, 1])
    assert torch.equal(plain[1], corrected[1])
    assert not torch.allclose(plain[2], corrected[2])
    # Rows that are due at different frames are corrected as if each were alone.
    apart, first, second = play(3, [0, 1], ahead=1), play(3, [0]), play(3, [1], ahead=1)
    for both, one, two in zip(apart, first, second, strict=True):
        torch.testing.assert_close(both, torch.cat((one, two)), rtol=1e-3, atol=1e-4)


def test_corrections_are_kept_and_checked(world: World, tmp_path: Path) -> None:
    world.sampling |= {"guidance": None, "correct_every": 4}
    if world.dynamics.discrete:
        with pytest.raises(PlaygroundError, match="correct_every"):
            world.save(tmp_path / "w")
    else:
        assert World.load(world.save(tmp_path / "w")).sampling["correct_every"] == 4
    world.sampling["correct_every"] = None
    with pytest.raises(ValueError, match="correct_every"):
        replace(world.manifest.sampling, correct_every=0)


def test_each_part_takes_as_much_of_an_embedding_as_it_knows(tmp_path: Path) -> None:
    world = World.load(make_tiny_world(tmp_path / "a", texts=True, first_frames=True))
    plain = world.draw_first_frame("a red canyon")
    world.dynamics = DYNAMICS.get("shortcut")(replace(world.dynamics.config, prompt_dims=100))
    again = World.load(world.save(tmp_path / "b"))
    assert (again.prompt_dims, again.text_dims, len(again.embed("snow"))) == (100, 384, 384)
    np.testing.assert_array_equal(again.draw_first_frame("a red canyon"), plain)
    with again.generate("a red canyon", backend="eager") as session:
        session.step(0)
        session.prompt("snow")
        assert session.step(1).any()


def test_one_that_does_not_fit_is_refused(world: World, tmp_path: Path) -> None:
    again = World.load(world.save(tmp_path / "w"))
    again.first_frames = FirstFrameDiffusion(replace(again.first_frames.config, latent_channels=7))
    with pytest.raises(PlaygroundError, match="latent_channels is .*, but the model of first frames has 7"):
        again.save(tmp_path / "bad")
