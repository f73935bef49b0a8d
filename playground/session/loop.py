"""Plays a session in its own thread at a steady rate.

The newest frame wins: whoever shows frames takes the latest one and skips the ones in between. Actions are
never queued; a slow world answers the keys that are held when its next frame starts. The loop does not draw
and does not know where keys come from.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.session.controls import Controls
from playground.session.stats import Stats

if TYPE_CHECKING:
    from playground.core.interfaces import Policy
    from playground.session.session import Session

# Young-generation sweeps are cheap, but only in time that is left over before the next frame.
_SWEEP_EVERY_S = 5.0
_SWEEP_SLACK_S = 0.006

READY = "ready"
"""Last stage of a loop's start."""


@dataclass(frozen=True)
class LoopFrame:
    """One frame as the loop published it.

    Attributes:
        index: counts published frames; grows by one each time, also over resets and rewinds.
        t: step of the session that this frame belongs to.
        frame: uint8 (H, W, 3), 0..255.
        action: code of the action that produced it, ``None`` right after a reset.
        keys: keys that counted for it, oldest press first.
        seed: seed of the run.
        controller: ``"human"`` or the policy's name.
        paused: whether the loop was paused when it was published.
        input_time: ``time.perf_counter()`` of the oldest key event not yet on the screen, or ``None``.
    """

    index: int
    t: int
    frame: np.ndarray
    action: int | None
    keys: tuple[str, ...]
    seed: int
    controller: str
    paused: bool
    input_time: float | None


@dataclass
class _Wishes:
    """Commands since the last tick. Each kind is kept once: hammering a key builds up no backlog."""

    reset: bool = False
    seed: int | None = None
    step: bool = False
    rewind: int = 0
    call: dict[str, Callable[[], None]] = field(default_factory=dict)

    def any(self) -> bool:
        return self.reset or self.step or self.rewind > 0 or bool(self.call)


class RealtimeLoop:
    """Steps a session at ``target_fps`` until stopped.

    Attributes:
        stage: what the loop is doing before the first frame, in words for the player; ``READY`` from then on.
    """

    def __init__(
        self,
        session: Session,
        controls: Controls,
        target_fps: float,
        policy: Policy | None = None,
        policy_name: str = "agent",
        on_frame: Callable[[], None] | None = None,
    ) -> None:
        """Prepare a loop; nothing runs before :meth:`start`.

        Args:
            session: what to play; only the loop's thread touches it while the loop runs.
            controls: the player's keys.
            target_fps: wanted frames per second; 0 or less means as fast as possible.
            policy: who acts when the controller is not the human; optional.
            policy_name: how to call it.
            on_frame: called in the loop's thread after each published frame and each stage; must return at once.
        """
        self.session = session
        self.controls = controls
        self.target_fps = target_fps
        self.policy = policy
        self.policy_name = policy_name
        self.stats = Stats()
        self.error: BaseException | None = None
        self.human = policy is None
        self.stage = "starting"
        self._rewinding = False
        self._on_frame = on_frame
        self._wake = threading.Condition()
        self._wishes = _Wishes()
        self._paused = False
        self._running = False
        self._thread: threading.Thread | None = None
        self._latest: LoopFrame | None = None
        self._pending_input: float | None = None
        self._last_sweep = 0.0

    @property
    def paused(self) -> bool:
        """Whether the world stands still until :meth:`pause`, :meth:`step_once` or :meth:`resume`."""
        return self._paused

    @property
    def controller(self) -> str:
        """Who acts now: ``"human"`` or the policy's name."""
        return "human" if self.human or self.policy is None else self.policy_name

    @property
    def rewinding(self) -> bool:
        """While true, every tick goes back one frame, paused or not."""
        return self._rewinding

    @rewinding.setter
    def rewinding(self, on: bool) -> None:
        with self._wake:
            # A tap that is over before the next tick still goes back one frame.
            if on and not self._rewinding:
                self._wishes.rewind = max(self._wishes.rewind, 1)
            self._rewinding = on
            self._wake.notify_all()

    @property
    def running(self) -> bool:
        """Whether the loop's thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; the session's current frame is published at once."""
        if self._thread is not None:
            raise RuntimeError("a RealtimeLoop runs once; make a new one")
        self._running = True
        self._thread = threading.Thread(target=self._run, name="playground-loop", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop after the frame in progress and wait for the thread."""
        with self._wake:
            self._running = False
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def pause(self, paused: bool | None = None) -> None:
        """Pause or go on; toggles when ``paused`` is left out."""
        with self._wake:
            self._paused = (not self._paused) if paused is None else paused
            self.stats.break_interval()
            self._wake.notify_all()

    def resume(self) -> None:
        """Go on after a pause."""
        self.pause(False)

    def step_once(self) -> None:
        """Generate one frame while paused (pauses first when running)."""
        with self._wake:
            self._paused = True
            self._wishes.step = True
            self._wake.notify_all()

    def reset(self, seed: int | None = None) -> None:
        """Go back to the prompt before the next frame; ``seed`` gives a new run."""
        with self._wake:
            self._wishes.reset = True
            self._wishes.seed = seed
            self._wake.notify_all()

    def rewind(self, frames: int = 1) -> None:
        """Go back ``frames`` frames before the next tick; ``rewinding`` keeps going back."""
        with self._wake:
            self._wishes.rewind = max(self._wishes.rewind, frames)
            self._wake.notify_all()

    def call(self, name: str, work: Callable[[], None]) -> None:
        """Run ``work`` in the loop's thread before the next tick, where it may touch the session.

        A later call with the same ``name`` replaces one that has not run yet. The session's frame is
        published again afterwards.
        """
        with self._wake:
            self._wishes.call[name] = work
            self._wake.notify_all()

    def latest(self) -> LoopFrame | None:
        """The newest frame, or ``None`` before the first."""
        return self._latest

    def wait_frame(self, after: int = -1, timeout_s: float = 1.0) -> LoopFrame | None:
        """Wait for a frame with an index above ``after``; ``None`` when time runs out or the loop ends."""
        with self._wake:
            self._wake.wait_for(lambda: self._newer(after) or not self._running, timeout_s)
            return self._latest if self._newer(after) else None

    def presented(self, shown: LoopFrame, now: float | None = None) -> None:
        """Tell the loop that ``shown`` is on the screen since ``now``, which ends a key latency."""
        now = time.perf_counter() if now is None else now
        with self._wake:
            if shown.input_time is None or self._pending_input is None:
                return
            if self._pending_input <= shown.input_time:
                self.stats.add_key_latency(now - self._pending_input)
                self._pending_input = None

    def _newer(self, after: int) -> bool:
        return self._latest is not None and self._latest.index > after

    def _run(self) -> None:
        collecting = gc.isenabled()
        try:
            self._enter("warming up the model")
            self.session.warm_up()
            self._enter("tidying memory")
            gc.collect()
            gc.freeze()
            gc.disable()
            self._enter(READY)
            self._publish((), None)
            self._loop()
        except BaseException as error:  # shown by whoever owns the loop; a thread must not die silently
            self.error = error
        finally:
            if collecting:
                gc.enable()
            gc.unfreeze()
            with self._wake:
                self._running = False
                self._wake.notify_all()
            if self._on_frame is not None:
                self._on_frame()

    def _enter(self, stage: str) -> None:
        self.stage = stage
        if self._on_frame is not None:
            self._on_frame()

    def _loop(self) -> None:
        deadline = time.perf_counter()
        was_paused = False
        while True:
            wishes = self._wait(deadline)
            if wishes is None:
                return
            if self._paused and not was_paused:
                gc.collect()
            was_paused = self._paused
            started = time.perf_counter()
            self._obey(wishes)
            if self._rewinding or wishes.rewind:
                self._go_back(max(wishes.rewind, 1))
            elif wishes.step or not self._paused:
                self._tick()
            period = 1.0 / self.target_fps if self.target_fps > 0 else 0.0
            now = time.perf_counter()
            if self._paused or now > deadline + 2 * period:
                deadline = started  # late frames are not made up for
            deadline += period
            if deadline < now and period:
                self.stats.late += 1
            self._sweep(deadline - now)

    def _wait(self, deadline: float) -> _Wishes | None:
        """Sleep until a tick is due (or, paused, until there is something to do); ``None`` means stop."""
        with self._wake:
            while self._running:
                left = deadline - time.perf_counter()
                idle = self._paused and not self._rewinding and not self._wishes.any()
                if not idle and (left <= 0 or self._wishes.step):
                    wishes, self._wishes = self._wishes, _Wishes()
                    return wishes
                self._wake.wait(None if idle else max(left, 0.0))
        return None

    def _obey(self, wishes: _Wishes) -> None:
        if wishes.reset:
            self.session.reset(wishes.seed)
            if self.policy is not None and hasattr(self.policy, "reset"):
                self.policy.reset()
            self.stats.break_interval()
        for work in wishes.call.values():
            work()
        if wishes.reset or wishes.call:
            self._publish((), None)

    def _tick(self) -> None:
        sample = self.controls.take()
        if self.human or self.policy is None:
            action, keys, event_time = sample.action.code, sample.keys, sample.event_time
        else:
            action, keys, event_time = int(self.policy.act(self.session.frame)), (), None
        started = time.perf_counter()
        self.session.step(action)
        now = time.perf_counter()
        self.stats.add_frame(now - started, now)
        self._publish(keys, event_time)

    def _go_back(self, frames: int) -> None:
        self.controls.take()  # keys tapped while going back are not meant for the frame after it
        self.session.rewind(frames)
        self.stats.break_interval()
        self._publish((), None)

    def _publish(self, keys: tuple[str, ...], event_time: float | None) -> None:
        session: Any = self.session
        with self._wake:
            if event_time is not None and self._pending_input is None:
                self._pending_input = event_time
            self._latest = LoopFrame(
                index=0 if self._latest is None else self._latest.index + 1,
                t=session.t,
                frame=session.frame,
                action=session.action,
                keys=keys,
                seed=session.seed,
                controller=self.controller,
                paused=self._paused,
                input_time=self._pending_input,
            )
            self._wake.notify_all()
        if self._on_frame is not None:
            self._on_frame()

    def _sweep(self, slack_s: float) -> None:
        now = time.perf_counter()
        if slack_s > _SWEEP_SLACK_S and now - self._last_sweep > _SWEEP_EVERY_S:
            self._last_sweep = now
            gc.collect(0)
