"""Rollouts continue a session exactly and stop where they should."""

from __future__ import annotations

from functools import partial
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


@pytest.mark.parametrize("head", ["shortcut", "maskgit"])
def test_rewards_and_ends_come_with_each_frame_where_the_world_has_them(
    world: World, head: str, tmp_path: Path
) -> None:
    plain = world.simulate(None, make_policy("scripted:0,1", world.actions, 0), horizon=2)
    assert plain.rewards_T is None
    assert plain.ends_T is None
    telling = World.load(make_tiny_world(tmp_path / "w", head=head, outcomes=True))
    telling.generate = partial(telling.generate, backend="eager")  # others would compile first
    whole = telling.simulate(None, make_policy("scripted:0,1,2,3", telling.actions, 0), horizon=4)
    assert whole.rewards_T is not None
    assert whole.ends_T is not None
    assert whole.rewards_T.shape == whole.ends_T.shape == (4,)
    assert len(set(whole.rewards_T.tolist())) == 4
    assert ((whole.ends_T > 0) & (whole.ends_T < 1)).all()
    first = telling.simulate(None, make_policy("scripted:0,1", telling.actions, 0), horizon=2)
    rest = telling.simulate(first.end, make_policy("scripted:2,3", telling.actions, 0), horizon=2)
    np.testing.assert_allclose(rest.rewards_T, whole.rewards_T[2:], rtol=1e-5)


def test_a_session_tells_the_outcome_of_its_frame(tmp_path: Path) -> None:
    world = World.load(make_tiny_world(tmp_path / "w", outcomes=True))
    for backend in ("eager", "int8"):
        with world.generate(backend=backend) as session:
            assert session.reward is None
            session.step("left")
            before = session.reward, session.end
            session.step("right")
            assert None not in before
            assert (session.reward, session.end) != before
            session.rewind()
            assert (session.reward, session.end) == before
            session.reset()
            assert session.end is None
