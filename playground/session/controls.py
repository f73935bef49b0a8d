"""Turns held and tapped keys into one action a frame.

Keys are the strings of the :class:`~playground.world.actions.ActionBook` (``"left"``, ``"space"``, ``"a"``)
or ``"#3"`` for the latent action with code 3. A key that goes down and up between two frames is latched and
still counts once. Actions are never queued: what counts is what is held when a frame starts, plus what was
tapped since the last one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.core.errors import PlaygroundError

if TYPE_CHECKING:
    from playground.world.actions import Action, ActionBook

CODE_PREFIX = "#"
_OPPOSITES = {
    "left": "right",
    "right": "left",
    "up": "down",
    "down": "up",
    "a": "d",
    "d": "a",
    "w": "s",
    "s": "w",
}


@dataclass(frozen=True)
class ControlSample:
    """What the player asked for when a frame started.

    Attributes:
        action: the action to take.
        keys: keys that counted, oldest press first.
        event_time: ``time.perf_counter()`` seconds of the oldest key event since the last sample, or
            ``None`` when nothing changed.
    """

    action: Action
    keys: tuple[str, ...]
    event_time: float | None


class Controls:
    """The state of one player's keys, safe to change from another thread than the one that reads it."""

    def __init__(self, action_book: ActionBook) -> None:
        """Create controls with no key held; ``action_book`` gives keys their meaning."""
        self.action_book = action_book
        self._lock = threading.Lock()
        self._held: dict[str, None] = {}  # insertion order = press order
        self._tapped: dict[str, None] = {}
        self._event_time: float | None = None

    def press(self, key: str, event_time: float | None = None) -> None:
        """Mark ``key`` as held; repeats of a held key change nothing.

        Args:
            key: a key of the action book, or ``"#<code>"``.
            event_time: ``time.perf_counter()`` seconds of the event; now when left out.
        """
        with self._lock:
            if key in self._held:
                return
            self._held[key] = None
            self._tapped.pop(key, None)
            self._tapped[key] = None
            self._touch(event_time)

    def release(self, key: str, event_time: float | None = None) -> None:
        """Mark ``key`` as no longer held. A tap that no frame has seen yet still counts for the next one."""
        with self._lock:
            if key in self._held:
                del self._held[key]
                self._touch(event_time)

    def release_all(self) -> None:
        """Let go of everything and forget unseen taps (the window lost the keyboard, the world was reset)."""
        with self._lock:
            self._held.clear()
            self._tapped.clear()
            self._event_time = None

    def held(self) -> tuple[str, ...]:
        """Keys that are down now, oldest press first."""
        with self._lock:
            return tuple(self._held)

    def take(self) -> ControlSample:
        """Read the controls for one frame and clear the latch: held keys stay, taps are used up."""
        with self._lock:
            keys = tuple({**self._held, **self._tapped})
            # Newest press last also for keys that are both held and freshly pressed.
            order = [key for key in keys if key not in self._tapped] + list(self._tapped)
            self._tapped.clear()
            event_time, self._event_time = self._event_time, None
        return ControlSample(resolve_keys(self.action_book, order), tuple(order), event_time)

    def current(self) -> Action:
        """The action for this frame (see :meth:`take`)."""
        return self.take().action

    def _touch(self, event_time: float | None) -> None:
        if self._event_time is None:
            self._event_time = time.perf_counter() if event_time is None else event_time


def resolve_keys(action_book: ActionBook, keys: list[str]) -> Action:
    """Return the action for keys in press order.

    The newest ``"#<code>"`` key wins over everything; of two opposite keys the newer one wins; the rest is
    the action book's longest matching chord. A code that the book does not know counts as doing nothing.
    """
    codes = [key for key in keys if key.startswith(CODE_PREFIX)]
    if codes:
        try:
            return action_book.resolve(int(codes[-1].removeprefix(CODE_PREFIX)))
        except (PlaygroundError, ValueError):
            return action_book.noop
    kept: dict[str, None] = {}
    for key in keys:
        kept.pop(_OPPOSITES.get(key, ""), None)
        kept[key] = None
    return action_book.from_keys(set(kept))
