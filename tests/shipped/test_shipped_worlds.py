"""Every shipped world loads, keeps to its size, and obeys its keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from playground.core.component import load_component
from playground.data.worlds.racing_captions import COLOURS
from playground.engine.engine import Engine
from playground.evaluation.metrics import mean_shift
from playground.training.builders import Run, build_model
from playground.training.distributed import ALONE
from playground.training.exports import REGISTRIES
from playground.training.presets import load_preset
from playground.world.bundle import World
from playground.world.prompt import opening
from playground.world.sources import book_of
from weights.manifest import oversized, shipped

HELD_FRAMES = 24
MOST_PROMPTS = 6
"""Prompts that are played, spread over all: ``eval`` plays every one, a test has to be quick."""

LEAST_MOTION = 0.05
"""Pixels a frame below which a key does not count as moving the picture."""


@pytest.fixture(scope="module", params=sorted(shipped()))
def world(request: pytest.FixtureRequest) -> World:
    """Each world that ships."""
    return World.load(request.param)


def held_motion(world: World, *keys: str) -> np.ndarray:
    """Mean motion of the picture to the right, pixels a frame, while a key is held: (prompts, keys).

    All runs go side by side, which costs a third of one after the other.
    """
    every = -(-len(world.prompts) // MOST_PROMPTS)
    starts = [opening(world, prompt) for prompt in range(0, len(world.prompts), every) for _ in keys]
    engine = Engine(world, slots=len(starts), backend="eager")
    slots = [engine.open(start, seed=1) for start in starts]
    books = [book_of(world, start.source) for start in starts]
    codes = {slot: books[slot].resolve(keys[slot % len(keys)]).code for slot in slots}
    shown = [[start.frames_THWC[-1] for start in starts]]
    for _ in range(HELD_FRAMES):
        frames = engine.step(codes)
        shown.append([frames[slot].frame for slot in slots])
    return np.reshape([mean_shift(run)[0] for run in np.stack(shown, axis=1)], (-1, len(keys)))


def test_at_least_one_world_ships() -> None:
    assert shipped()


def test_sizes_fit_ordinary_hosting(world: World) -> None:
    assert oversized(Path(world.folder)) == []


def test_card_states_numbers_data_and_limits(world: World) -> None:
    card = (Path(world.folder) / "README.md").read_text(encoding="utf-8")
    for needed in ("rollout_psnr_16", "## Data", "## Licence and attribution", "## Limits"):
        assert needed in card


def test_left_and_right_scroll_opposite_ways(world: World) -> None:
    right, left = held_motion(world, "right", "left").T
    # The camera follows the player, so the picture of a player who goes right moves left.
    opposite = (right < -LEAST_MOTION) & (left > LEAST_MOTION)
    assert opposite.mean() >= 0.75


def test_the_same_keys_give_the_same_frames(world: World) -> None:
    first, second = (
        np.stack([session.step(action.name) for action in session.actions])
        for session in (world.generate(0, seed=3, backend="eager"), world.generate(0, seed=3, backend="eager"))
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("name", "preset"), [("base", "base-64"), ("coinrun", "cpu")])
def test_its_preset_trains_on_from_it(name: str, preset: str, tmp_path: Path) -> None:
    recipe = load_preset(preset)
    run = Run(recipe, [], tmp_path, 0, "cpu", False, shipped()[name], False, ALONE)
    for part in ("tokenizer", "latent-actions"):
        built = build_model(run, part, recipe.stage(part), {"frame_size": recipe.frame_size})
        sent = load_component(REGISTRIES[part], shipped()[name] / part.replace("-", "_")).state_dict()
        assert built.state_dict().keys() == sent.keys()
        assert all(torch.equal(tensor, sent[key]) for key, tensor in built.state_dict().items())


def test_racing_draws_the_grass_that_was_asked_for() -> None:
    world = World.load("racing")
    right = 0
    for seed, facts in enumerate(world.manifest.prompt_facts.values()):
        drawn = world.draw_first_frame(facts.caption, seed=seed).reshape(-1, 3).astype(float)
        shown = np.median(drawn, axis=0)  # most of a frame is grass
        nearest = min(COLOURS, key=lambda name: float(np.abs(shown - COLOURS[name]).sum()))
        right += nearest == facts.caption.split()[-2]
    assert right >= 6
