"""Rollouts continue a session exactly and stop where they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.agents.policies import make_policy
from playground.core.errors import PlaygroundError
from playground.world.bundle import World
from tests.tiny_world import make_tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A tiny untrained world."""
    return World.load(make_tiny_world(Path(tmp_path_factory.mktemp("world"))))


def test_rollout_has_a_frame_more_than_actions(world: World) -> None:
    rollout = world.simulate(None, make_policy("random", world.actions, 3), horizon=5)
    assert rollout.frames_THWC.shape == (6, 64, 64, 3)
    assert rollout.actions_T.shape == (5,)


def test_two_rollouts_equal_one_long_one(world: World) -> None:
    script = "scripted:0,1,2,3,1,0"
    whole = world.simulate(None, make_policy(script, world.actions, 0), horizon=6)
    first = world.simulate(None, make_policy("scripted:0,1,2", world.actions, 0), horizon=3)
    second = world.simulate(first.end, make_policy("scripted:3,1,0", world.actions, 0), horizon=3)
    np.testing.assert_array_equal(whole.frames_THWC[4:], second.frames_THWC[1:])


def test_horizon_below_one_is_refused(world: World) -> None:
    with pytest.raises(PlaygroundError, match="at least 1"):
        world.simulate(None, make_policy("random", world.actions, 0), horizon=0)
