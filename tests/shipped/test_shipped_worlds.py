"""Every shipped world loads, keeps to its size, and obeys its keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.engine.engine import Engine
from playground.evaluation.metrics import mean_shift
from playground.session.session import Session
from playground.world.bundle import World
from weights.manifest import oversized, shipped

HELD_FRAMES = 40
LEAST_MOTION = 0.05
"""Pixels a frame below which a key does not count as moving the picture."""


@pytest.fixture(scope="module", params=sorted(shipped()))
def world(request: pytest.FixtureRequest) -> World:
    """Each world that ships."""
    return World.load(request.param)


def held_motion(session: Session, key: str) -> float:
    """Mean motion of the picture to the right, pixels a frame, while a key is held from the session's prompt."""
    session.reset(seed=1)
    frames = [session.frame, *(session.step(key) for _ in range(HELD_FRAMES))]
    return mean_shift(np.stack(frames))[0]


def test_at_least_one_world_ships() -> None:
    assert shipped()


def test_sizes_fit_ordinary_hosting(world: World) -> None:
    assert oversized(Path(world.folder)) == []


def test_card_states_numbers_data_and_limits(world: World) -> None:
    card = (Path(world.folder) / "README.md").read_text(encoding="utf-8")
    for needed in ("rollout_psnr_16", "## Data", "## Licence and attribution", "## Limits"):
        assert needed in card


def test_left_and_right_scroll_opposite_ways(world: World) -> None:
    opposite = 0
    engine = Engine(world, backend="eager")
    for prompt in range(len(world.prompts)):
        with Session(world, engine, prompt=prompt) as session:
            right, left = held_motion(session, "right"), held_motion(session, "left")
        # The camera follows the player, so the picture of a player who goes right moves left.
        opposite += int(right < -LEAST_MOTION and left > LEAST_MOTION)
    assert opposite >= 6


def test_the_same_keys_give_the_same_frames(world: World) -> None:
    first, second = (
        np.stack([session.step(action.name) for action in world.actions])
        for session in (world.generate(0, seed=3, backend="eager"), world.generate(0, seed=3, backend="eager"))
    )
    np.testing.assert_array_equal(first, second)
