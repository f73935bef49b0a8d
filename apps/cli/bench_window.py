"""What a player sees: frame rate while a window draws, and the time from a key press to the frame that shows it.

The window is the real one on an off-screen driver: it draws every pixel and calls "present". A screen adds up to one
refresh of its own.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.session.loop import LoopFrame
    from playground.session.session import Session

FULL_SPEED_S = 4.0
KEYS_S = 6.0


class _Presser:
    """Presses left and right in turns at random moments, and times each press up to the screen."""

    def __init__(self, pygame: Any) -> None:
        import numpy as np

        self._pygame = pygame
        self._rng = np.random.default_rng(0)
        self._pressed_at: float | None = None
        self._stopped = threading.Event()
        self.seconds: list[float] = []

    def press_until_stopped(self) -> None:
        """Post key events like a keyboard; runs in a thread of its own."""
        pygame, keys = self._pygame, (self._pygame.K_LEFT, self._pygame.K_RIGHT)
        for count in range(1_000_000):
            if self._stopped.wait(float(self._rng.uniform(0.1, 0.3))):
                return
            pygame.event.post(pygame.event.Event(pygame.KEYUP, key=keys[count % 2], mod=0))
            if self._pressed_at is None:
                self._pressed_at = time.perf_counter()
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=keys[(count + 1) % 2], mod=0))

    def presented(self, shown: LoopFrame) -> None:
        """Called by the window when a frame is on the screen."""
        pressed_at = self._pressed_at
        if pressed_at is not None and shown.input_time is not None and shown.input_time >= pressed_at:
            self.seconds.append(time.perf_counter() - pressed_at)
            self._pressed_at = None

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()


def measure_window(session: Session) -> dict[str, float]:
    """Frame rate at full speed and key latency at the world's own rate; empty without the window library."""
    from playground.session.stats import percentile

    os.environ["SDL_VIDEODRIVER"] = "dummy"  # before pygame is imported: no window on somebody's screen
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError:
        return {}
    full = _play(session, 0.0, FULL_SPEED_S, None)
    presser = _Presser(pygame)
    _play(session, float(session.world.fps), KEYS_S, presser)
    return {
        "window_fps_median": full["fps_median"],
        "window_frame_ms_p95": full["frame_ms_p95"],
        "key_to_frame_ms_p95": round(1000 * percentile(presser.seconds, 0.95), 3),
    }


def _play(session: Session, target_fps: float, seconds: float, presser: _Presser | None) -> dict[str, float]:
    """Play in a window for some seconds and return its timings."""
    from apps.desktop.window import Window, WindowOptions
    from playground.agents.policies import StickyPolicy

    timers: list[threading.Timer] = []

    def on_present(shown: LoopFrame) -> None:
        if not timers:  # the first frame: warming up is not part of the measurement
            timers.append(threading.Timer(seconds, window.do_quit))
            if presser:
                timers.append(threading.Timer(0.5, presser.press_until_stopped))
            for timer in timers:
                timer.daemon = True
                timer.start()
        if presser:
            presser.presented(shown)

    options = WindowOptions(target_fps=target_fps, controller="human" if presser else "sticky")
    policy = StickyPolicy(session.world.actions)
    window = Window(session, policy, "sticky", options, on_present=on_present)
    try:
        return window.run()
    finally:
        if presser:
            presser.stop()
        for timer in timers:
            timer.cancel()
