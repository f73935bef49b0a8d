"""Learning rate as a function of the used budget, so that any budget ends in a decayed model."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

DECAY_START = 0.75
"""Share of the budget after which the learning rate falls to zero."""

WARM_UP = 0.02
"""Share of the budget over which the learning rate rises."""

WARM_UP_STEPS = 50
"""Least number of steps over which the learning rate rises under a wall-clock budget: on a slow machine 2 % of a short
budget are a handful of steps, and a tokenizer that starts at its peak rate can get stuck for good."""


def learning_rate_scale(progress: float, warm_up: float = WARM_UP, decay_start: float = DECAY_START) -> float:
    """Return the factor on the peak learning rate: linear rise, plateau, then a square-root fall to zero.

    Args:
        progress: used share of the budget; values outside [0, 1] are clipped.
        warm_up: share spent rising; 0 starts at the peak.
        decay_start: share at which the fall begins.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress >= decay_start:
        return 1.0 - math.sqrt((progress - decay_start) / (1.0 - decay_start))
    if progress < warm_up:
        return max(progress / warm_up, 0.02)
    return 1.0


@dataclass
class Budget:
    """Steps or wall-clock seconds that a stage may use; whichever is set, or whichever ends first.

    Attributes:
        steps: number of optimiser steps, or None.
        seconds: wall-clock seconds over all runs of the stage together, or None.
        used_seconds: seconds used by earlier runs, taken from the checkpoint.
    """

    steps: int | None = None
    seconds: float | None = None
    used_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Start the clock."""
        if self.steps is None and self.seconds is None:
            raise ValueError("a budget needs steps or seconds")
        self._started = time.monotonic()

    def used(self) -> float:
        """Seconds used so far, earlier runs included."""
        return self.used_seconds + time.monotonic() - self._started

    def progress(self, step: int, step_seconds: float = 0.0) -> float:
        """Share of the budget that is used once step number ``step`` (from 0) has run.

        Looking one step ahead makes the last step the one with (nearly) no learning rate left, however slow
        a step is.

        Args:
            step: index of the step that is about to run.
            step_seconds: expected duration of that step.
        """
        shares = [0.0]
        if self.steps is not None:
            shares.append((step + 1) / max(self.steps, 1))
        if self.seconds is not None:
            shares.append((self.used() + step_seconds) / max(self.seconds, 1e-9))
        return min(max(shares), 1.0)

    def spent(self, step: int, step_seconds: float = 0.0) -> bool:
        """Whether step number ``step`` may not be started any more."""
        if self.steps is not None and step >= self.steps:
            return True
        return self.seconds is not None and self.used() + 0.5 * step_seconds >= self.seconds
