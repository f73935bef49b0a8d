"""The real-time loop: steady rate, newest frame, no backlog, pause, rewind, and the key latency."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from playground.agents.policies import ScriptedPolicy
from playground.core.errors import PlaygroundError
from playground.session.controls import Controls
from playground.session.loop import READY, RealtimeLoop
from tests.session.fake import make_session


@contextmanager
def running(delay_s: float = 0.0, fps: float = 100.0, **options: Any) -> Iterator[RealtimeLoop]:
    """A started loop that is stopped in any case."""
    session = make_session()
    session.engine.delay_s = delay_s
    loop = RealtimeLoop(session, Controls(session.world.actions), fps, **options)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition that another thread brings about."""
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "timed out"
        time.sleep(0.001)


def frame_with(loop: RealtimeLoop, **wanted: Any) -> Any:
    """Wait for a published frame with these attributes."""
    until(lambda: all(getattr(loop.latest(), name, "?") == value for name, value in wanted.items()))
    return loop.latest()


def test_holds_the_target_rate() -> None:
    with running(fps=100.0) as loop:
        loop.wait_frame()
        time.sleep(0.6)
        frames = loop.stats.frames
    assert 20 <= frames <= 62


def test_stages_are_told_up_to_ready() -> None:
    session, seen = make_session(), []
    loop = RealtimeLoop(session, Controls(session.world.actions), 100.0, on_frame=lambda: seen.append(loop.stage))
    assert loop.stage == "starting"
    loop.start()
    assert loop.wait_frame() is not None
    loop.stop()
    stages = list(dict.fromkeys(seen))
    assert stages[0].startswith("warming up")
    assert stages[-1] == READY
    assert len(stages) == 3


def test_newest_frame_wins() -> None:
    with running(fps=0.0) as loop:
        shown = loop.wait_frame()
        time.sleep(0.05)
        newer = loop.wait_frame(after=shown.index)
    assert newer.index > shown.index + 1


def test_a_slow_world_queues_no_actions() -> None:
    with running(delay_s=0.08, fps=50.0) as loop:
        until(lambda: loop.stats.frames >= 1)
        for _ in range(20):
            loop.controls.press("left")
            loop.controls.release("left")
            loop.reset()
            loop.controls.press("right")
            loop.controls.release("right")
        until(lambda: loop.latest().action == 2)
        index = loop.latest().index
        until(lambda: loop.latest().index >= index + 2)
        assert loop.latest().action == 0
        assert loop.latest().t <= 4


def test_a_tap_between_two_frames_counts_once() -> None:
    seen = []
    with running(fps=20.0) as loop:
        shown = loop.wait_frame()
        loop.controls.press("up")
        loop.controls.release("up")
        for _ in range(4):
            shown = loop.wait_frame(after=shown.index)
            seen.append(shown.action)
    assert seen.count(3) == 1


def test_pause_single_step_and_resume() -> None:
    with running(fps=200.0) as loop:
        until(lambda: loop.stats.frames > 3)
        loop.pause()
        time.sleep(0.05)
        t = loop.latest().t
        time.sleep(0.05)
        assert loop.latest().t == t
        loop.step_once()
        frame_with(loop, t=t + 1)
        time.sleep(0.05)
        assert loop.latest().t == t + 1
        loop.resume()
        until(lambda: loop.latest().t > t + 2)


def test_rewind_while_held_and_tapped() -> None:
    with running(fps=200.0) as loop:
        until(lambda: loop.latest() is not None and loop.latest().t > 20)
        loop.pause()
        time.sleep(0.05)
        t = loop.latest().t
        loop.rewinding = True
        loop.rewinding = False
        frame_with(loop, t=t - 1)
        loop.rewinding = True
        frame_with(loop, t=0)
        loop.rewinding = False


def test_reset_with_a_new_seed_and_calls() -> None:
    with running(fps=100.0) as loop:
        until(lambda: loop.stats.frames > 3)
        loop.pause()
        loop.reset(seed=9)
        frame_with(loop, seed=9, t=0)
        ran: list[int] = []
        loop.call("work", lambda: ran.append(1))
        until(lambda: bool(ran))


def test_key_latency_runs_from_the_event_to_the_screen() -> None:
    with running(fps=100.0) as loop:
        loop.wait_frame()
        pressed = time.perf_counter()
        loop.controls.press("right", pressed)
        shown = frame_with(loop, action=2)
        loop.presented(shown, pressed + 0.25)
        loop.presented(shown, pressed + 9.0)
    assert loop.stats.key_to_frame_ms(0.95) == pytest.approx(250.0)


def test_latency_counts_frames_that_were_never_shown() -> None:
    with running(fps=100.0) as loop:
        first = loop.wait_frame()
        loop.controls.press("right", time.perf_counter())
        changed = frame_with(loop, action=2)
        later = loop.wait_frame(after=changed.index)
        loop.presented(first)
        assert loop.stats.key_to_frame_ms(0.5) == 0.0
        loop.presented(later)
        assert loop.stats.key_to_frame_ms(0.5) > 0.0


def test_agent_and_human_take_turns() -> None:
    session = make_session()
    policy = ScriptedPolicy(session.world.actions, actions="right*100000")
    with running(policy=policy, policy_name="script") as loop:
        assert loop.controller == "human" or loop.controller == "script"
        frame_with(loop, action=2, controller="script")
        loop.human = True
        frame_with(loop, action=0, controller="human")


def test_errors_end_the_loop_and_garbage_collection_comes_back() -> None:
    session = make_session()
    session.engine.fail_at = 5
    loop = RealtimeLoop(session, Controls(session.world.actions), 0.0)
    loop.start()
    until(lambda: not loop.running)
    assert isinstance(loop.error, PlaygroundError)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
