"""A session's clock, past and branches."""

from __future__ import annotations

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.session.history import History
from tests.session.fake import make_session


def test_steps_take_names_keys_and_codes() -> None:
    session = make_session()
    first = session.frame.copy()
    for action in ("left", "right+up", 3, None):
        frame = session.step(action)
    assert session.t == 4
    assert session.action == 0
    assert frame is session.frame
    session.reset()
    assert session.t == 0
    assert session.action is None
    assert np.array_equal(session.frame, first)
    with pytest.raises(PlaygroundError, match="left"):
        session.step("leff")


def test_rewind_gives_the_same_future() -> None:
    session = make_session(seed=5)
    frames = [session.step(code % 5) for code in range(20)]
    session.rewind(7)
    assert session.t == 13
    assert np.array_equal(session.frame, frames[12])
    again = [session.step(code % 5) for code in range(13, 20)]
    assert all(np.array_equal(one, two) for one, two in zip(frames[13:], again, strict=True))
    session.rewind(1000)
    assert session.t == 0
    session.rewind()
    assert session.t == 0
    with pytest.raises(PlaygroundError, match="-1"):
        session.rewind(-1)


@pytest.mark.parametrize("slots", [1, 2])
def test_branches_are_independent(slots: int) -> None:
    session = make_session(slots)
    session.step(2)
    twin = session.branch()
    assert (twin.engine is session.engine) == (slots == 2)
    left, right = session.step(1), twin.step(2)
    assert not np.array_equal(left, right)
    assert twin.t == 2
    twin.rewind(2)
    assert (twin.t, session.t) == (0, 2)
    twin.close()
    twin.close()
    with pytest.raises(PlaygroundError, match="closed"):
        twin.step()


def test_warm_up_leaves_no_trace() -> None:
    session, other = make_session(), make_session()
    session.warm_up()
    assert session.t == 0
    assert np.array_equal(session.step(2), other.step(2))


def test_new_seed_is_another_run() -> None:
    session = make_session(seed=1)
    first = session.step(1)
    session.reset(seed=2)
    assert session.seed == 2
    assert not np.array_equal(first, session.step(1))


def test_history_is_bounded_by_frames_and_memory() -> None:
    session = make_session(history_frames=4)
    for _ in range(10):
        session.step(1)
    session.rewind(100)
    assert session.t == 6
    history = History(max_frames=100, max_bytes=3 * (8 * 8 * 3 + 8))
    for _ in range(10):
        history.push(session.snapshot())
    assert len(history) == 3
    assert history.num_bytes <= history.max_bytes
