"""What goes in and out of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.nn.ring import RingState, RingUndo


@dataclass(frozen=True)
class Frame:
    """One generated frame of one slot.

    Attributes:
        frame: uint8 (H, W, 3) in 0..255; an array of its own that nobody else changes.
        codes: what the dynamics drew, latents (N, C) or tokens (N,).
        action: code of the action that produced it.
        t: frames generated in this slot since it was opened, this one included.
        reward: what came with the frame; None for a world that did not learn rewards.
        end: probability that the frame is the last of its episode; None likewise.
    """

    frame: np.ndarray
    codes: Tensor
    action: int
    t: int
    reward: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """Everything that one slot needs to go on from a moment; never changed after it was taken.

    Attributes:
        world: name of the world, so that a snapshot is not restored into another one.
        state: the slot's own row of the memory.
        generator: state of its noise generator, uint8.
        prompt_P: embedding of its text prompt, None without one.
        t: frames generated since it was opened.
    """

    world: str
    state: RingState
    generator: Tensor
    prompt_P: Tensor | None
    t: int


@dataclass(frozen=True)
class StepUndo:
    """What takes back one step of a slot: a small part of a ``Snapshot``; never changed after it was taken.

    Attributes:
        ring: the part of the memory that the step overwrites.
        generator: state of the noise generator before the step, uint8.
        prompt_P: embedding of the text prompt before the step, None without one.
        t: frames generated before the step.
    """

    ring: RingUndo
    generator: Tensor
    prompt_P: Tensor | None
    t: int
