"""Keys become actions: chords, opposites, direct codes, and taps that are shorter than a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.session.controls import Controls
from tests.session.fake import FakeBook

KEYS = ("left", "right", "up", "down", "space", "#2")
EVENTS = st.lists(st.tuples(st.sampled_from(["press", "release", "take"]), st.sampled_from(KEYS)), max_size=60)


@given(EVENTS)
def test_every_press_is_in_exactly_the_frames_it_belongs_to(events: list[tuple[str, str]]) -> None:
    """A key counts in a frame when it was down at any time since the frame before, and only then."""
    controls = Controls(FakeBook())
    held: set[str] = set()
    seen_down: set[str] = set()
    for kind, key in [*events, ("take", "left"), ("take", "left")]:
        if kind == "press":
            controls.press(key)
            seen_down |= {key} - held  # a repeat of a held key is not a new press
            held.add(key)
        elif kind == "release":
            controls.release(key)
            held.discard(key)
        else:
            assert set(controls.take().keys) == held | seen_down
            seen_down = set()
    assert set(controls.held()) == held


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ((), 0),
        (("right",), 2),
        (("right", "up"), 4),
        (("up", "right"), 4),
        (("left", "up"), 1),
        (("left", "right"), 2),
        (("right", "left"), 1),
        (("right", "#3"), 3),
        (("#3", "#1"), 1),
        (("#77",), 0),
        (("#x",), 0),
        (("q",), 0),
    ],
)
def test_chords_opposites_and_codes(keys: tuple[str, ...], code: int) -> None:
    controls = Controls(FakeBook())
    for key in keys:
        controls.press(key)
    assert controls.current().code == code


def test_letting_go_of_the_newer_opposite_returns_to_the_older() -> None:
    controls = Controls(FakeBook())
    controls.press("left")
    controls.press("right")
    assert controls.current().code == 2
    controls.release("right")
    assert controls.current().code == 1


def test_release_all_forgets_taps() -> None:
    controls = Controls(FakeBook())
    controls.press("left")
    controls.release("left")
    controls.press("right")
    controls.release_all()
    sample = controls.take()
    assert (sample.action.code, sample.keys, sample.event_time) == (0, (), None)


def test_event_time_is_the_oldest_unseen_change() -> None:
    controls = Controls(FakeBook())
    controls.press("left", 1.0)
    controls.press("left", 2.0)
    controls.release("left", 3.0)
    assert controls.take().event_time == 1.0
    assert controls.take().event_time is None
    controls.press("up", 4.0)
    assert controls.take().event_time == 4.0
