"""Whether a window can be opened here, and what to do where it cannot."""

from __future__ import annotations

import os
import sys

from playground.core.errors import PlaygroundError


def require_display() -> None:
    """Check that a window can be opened.

    Raises:
        PlaygroundError: there is no display.
    """
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))
    if sys.platform.startswith("linux") and not named:
        raise PlaygroundError(no_display("DISPLAY and WAYLAND_DISPLAY are not set"))


def no_display(why: str) -> str:
    """The message for a window that cannot be opened, with the way to play without one."""
    return (
        f"no display to open a window on ({' '.join(why.split())}); "
        "play without one: playground play --headless --frames 200 --controller sticky --out rollout"
    )
