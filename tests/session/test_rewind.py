"""Going back in a real world: every kept moment comes back to the last bit, whatever happened since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.engine.engine import Engine
from playground.session.history import count_bytes
from playground.session.session import Session
from playground.world.bundle import World
from tests.tiny_world import CONTEXT_FRAMES, make_tiny_world

STEPS = 3 * CONTEXT_FRAMES


@pytest.fixture(scope="module", params=[False, True], ids=["texts steer", "texts redraw"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "tiny"
    world = World.load(make_tiny_world(folder, texts=True, first_frames=request.param))
    world.sampling["correct_every"] = 3 if request.param else None
    return world


def play(session: Session, steps: int = STEPS) -> list[Any]:
    """Whole snapshots before each step and after the last."""
    moments = [session.snapshot()]
    for step in range(steps):
        if step == 2:
            session.prompt("snow begins to fall")
            moments[-1] = session.snapshot()
        session.step(step % 4)
        moments.append(session.snapshot())
    return moments


def assert_same(now: Any, then: Any) -> None:
    for name in ("keys", "values", "bias_BR", "position_B", "previous"):
        assert torch.equal(getattr(now.engine.state, name), getattr(then.engine.state, name)), name
    assert torch.equal(now.engine.generator, then.engine.generator)
    texts = [item.engine.prompt_P for item in (now, then)]
    assert (texts[0] is texts[1] is None) or torch.equal(*texts)
    assert (now.t, now.engine.t, now.action, now.seed) == (then.t, then.engine.t, then.action, then.seed)
    np.testing.assert_array_equal(now.frame, then.frame)


@pytest.mark.parametrize("prompt", [0, 1, 2])  # of one frame, of two, and longer than the memory
def test_every_kept_moment_comes_back(world: World, prompt: int) -> None:
    session = Session(world, Engine(world, slots=2, backend="eager", threads=1), prompt, seed=3)
    moments = play(session)
    for back in (1, 2, 1, CONTEXT_FRAMES + 1):
        session.rewind(back)
        moments = moments[:-back]
        assert_same(session.snapshot(), moments[-1])
    again = play(session, 4)[-1]
    session.rewind(4)
    twin = session.branch()
    assert twin.engine is session.engine
    assert_same(play(twin, 4)[-1], again)
    twin.rewind(1000)
    assert_same(twin.snapshot(), moments[0])
    assert_same(session.snapshot(), moments[-1])
    session.rewind(1000)
    assert_same(session.snapshot(), moments[0])


def test_the_oldest_kept_moment_needs_nothing_older(world: World) -> None:
    engine = Engine(world, backend="eager", threads=1)
    session = Session(world, engine, 1, seed=3, history_frames=CONTEXT_FRAMES - 2)
    moments = play(session)
    session.rewind(1000)
    assert_same(session.snapshot(), moments[STEPS - (CONTEXT_FRAMES - 2)])


def test_a_jump_elsewhere_keeps_the_way_back(world: World) -> None:
    session = Session(world, Engine(world, backend="eager", threads=1), 0, seed=3)
    moments = play(session, 6)
    elsewhere = moments[1]
    session.restore(elsewhere)
    session.restore(moments[3])
    session.restore(elsewhere)
    session.step(3)
    session.step(2)
    session.rewind()
    session.rewind()
    assert_same(session.snapshot(), elsewhere)
    for t in (5, 4):
        session.rewind()
        assert_same(session.snapshot(), moments[t])
    session.rewind(1000)
    assert_same(session.snapshot(), moments[0])


def test_an_entry_is_a_small_part_of_a_slot(world: World) -> None:
    session = Session(world, Engine(world, backend="eager", threads=1), 0)
    for _ in range(3):
        session.step(1)
    whole = count_bytes(session.snapshot().engine.state)
    apart = count_bytes(session.frame) + count_bytes(session.snapshot().engine.generator)
    assert session.history.num_bytes / 3 - apart < whole / (CONTEXT_FRAMES - 2)


def test_steps_are_taken_back_newest_first(world: World) -> None:
    engine = Engine(world, backend="eager", threads=1)
    session = Session(world, engine, 0)
    undo = engine.before_step(0)
    session.step(1)
    session.step(1)
    with pytest.raises(PlaygroundError, match="newest first"):
        engine.undo(0, undo)


def test_words_draw_the_frame_at_hand_anew(tmp_path: Path) -> None:
    world = World.load(make_tiny_world(tmp_path / "w", texts=True, first_frames=True))
    session, other = (Session(world, Engine(world, slots=1, backend="eager", threads=1), 0, seed=3) for _ in range(2))
    for run in (session, other):
        run.step(1)
    before = session.frame
    told = session.prompt("snow begins to fall")
    assert (told != before).any()
    assert session.t == 1
    np.testing.assert_array_equal(told, other.prompt("snow begins to fall"))
    np.testing.assert_array_equal(session.step(2), other.step(2))
    session.prompt("")  # nothing to draw
    np.testing.assert_array_equal(session.frame, other.frame)
