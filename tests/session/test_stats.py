"""What the timings of a session say, and of which frames."""

from __future__ import annotations

import pytest

from playground.session.stats import RECENT, Stats


def test_the_display_follows_a_change_of_pace_that_the_session_outweighs() -> None:
    stats, now = Stats(), 0.0
    for seconds, frames in ((1 / 8, 200), (1 / 16, RECENT)):
        for _ in range(frames):
            now += seconds
            stats.add_frame(0.01, now)
    assert stats.fps_now == pytest.approx(16)
    assert stats.fps_median == pytest.approx(8)


def test_a_pause_is_not_a_slow_frame() -> None:
    stats = Stats()
    for now in (0.0, 0.1, 0.2):
        stats.add_frame(0.01, now)
    stats.break_interval()
    for now in (60.0, 60.1):
        stats.add_frame(0.01, now)
    assert stats.fps_now == pytest.approx(10)
    assert stats.fps_p5 == pytest.approx(10)


def test_before_two_frames_nothing_is_known() -> None:
    stats = Stats()
    stats.add_frame(0.01, 1.0)
    assert stats.fps_now == 0.0
