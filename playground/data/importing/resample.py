"""Puts frames with any timestamps on an even grid of times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

PictureT = TypeVar("PictureT")

MAX_HOLD_SECONDS = 1.0
# Share of a grid step by which a frame may be late: timestamps of real files wander by a few milliseconds around their
# frame rate, and without slack every late frame would show its predecessor twice and then be skipped.
_SLACK = 0.25


@dataclass(frozen=True)
class GridPicture(Generic[PictureT]):
    """One picture on the grid.

    Attributes:
        picture: what was shown at that time.
        seconds: the grid time, on the clock of the input.
        repeated: the same picture as one step before, because the input shows it longer than a step.
        starts: nothing connects it with the picture before.
    """

    picture: PictureT
    seconds: float
    repeated: bool
    starts: bool


def on_grid(pictures: Iterable[tuple[PictureT, float, bool]], fps: float) -> Iterator[GridPicture[PictureT]]:
    """Show at every grid time the latest picture that is not later (plus a quarter step of slack).

    A picture that would be held for longer than ``MAX_HOLD_SECONDS``, a clock that jumps back, or damage ends the
    grid; a new one starts at the next picture.

    Args:
        pictures: (picture, seconds, broken) in the order of showing; ``broken`` starts a new grid.
        fps: steps of the grid a second.
    """
    held: PictureT | None = None
    held_seconds = origin = 0.0
    step_number = shown = 0
    for picture, seconds, broken in pictures:
        if held is not None and (broken or not 0 <= seconds - held_seconds <= MAX_HOLD_SECONDS):
            due = origin + step_number / fps
            if not shown and due <= held_seconds + _SLACK / fps:
                yield GridPicture(held, due, False, step_number == 0)
            held = None
        if held is None:
            origin, step_number = seconds, 0
        else:
            while (due := origin + step_number / fps) + _SLACK / fps < seconds:
                yield GridPicture(held, due, shown > 0, step_number == 0)
                step_number += 1
                shown += 1
        held, held_seconds, shown = picture, seconds, 0
    due = origin + step_number / fps
    if held is not None and due <= held_seconds + _SLACK / fps:
        yield GridPicture(held, due, False, step_number == 0)
