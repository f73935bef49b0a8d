"""What backends share that compile the networks for fixed numbers of rows.

Every number of rows is a graph of its own. Graphs for one row and for all slots are made before play starts, so that
slots may be opened and closed without compiling; the engine fills the rows of idle slots.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from playground.world.bundle import World

Graph = Callable[[list["Tensor"]], list["Tensor"]]
"""Tensors in, tensors out; the caller owns what comes out."""


class FixedRowsBackend(ABC):
    """Keeps one compiled step and one compiled decoder for each number of rows.

    Attributes:
        name: what it is called in reports.
        batched: rows of one pass never influence each other.
        fixed_rows: a new number of rows costs a compilation, so that the engine should fill up to all slots.
        filling_pays: share of slots from which one pass over all of them beats one pass for each that plays.
        split: leave out of a pass what does not depend on the frame, where the network offers that.
        shape: what goes into a pass.
        world: the models that run.
        run_first_frames: takes the place of ``first_frames`` in corrections; None where it runs as it is.
    """

    name: str
    batched: bool = True
    fixed_rows: ClassVar[bool] = True
    filling_pays: ClassVar[float] = 0.75
    split: ClassVar[bool] = False
    run_first_frames: Callable[..., Tensor] | None = None

    def __init__(self, world: World) -> None:
        """Compile for a single row."""
        from playground.engine.passes import WholePass, pass_of

        self.world = world
        self.shape = pass_of(world) if self.split else WholePass(world)
        self._steps: dict[int, Graph] = {}
        self._decoders: dict[int, Graph] = {}
        self._lock = threading.RLock()  # graphs own their buffers, and several engines may share a backend
        self.prepare(1)

    def prepare(self, slots: int) -> None:
        """Compile for ``slots`` rows; does nothing where that was done."""
        with self._lock:
            if slots not in self._steps:
                # Noted only when both are there: a failure must not leave half of it behind.
                step, decoder = self.compile_step(slots), self.compile_decoder(slots)
                self._steps[slots], self._decoders[slots] = step, decoder

    @abstractmethod
    def compile_step(self, rows: int) -> Graph:
        """The network for ``rows`` rows, with the inputs of ``shape``."""

    @abstractmethod
    def compile_decoder(self, rows: int) -> Graph:
        """``StaticDecoder`` for ``rows`` rows."""

    def run(self, *inputs: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Takes the arguments of ``dynamics.network``; they are not changed."""
        with self._lock:
            filled = self.shape.inputs(inputs)
            rows = filled[0].shape[0]
            self.prepare(rows)
            out, keys, values = self._steps[rows](filled)
        return out, keys, values

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """Latents (B, T, N, C) to uint8 frames (B, T, H, W, 3)."""
        batch, frames = latents_BTNC.shape[:2]
        with self._lock:
            self.prepare(batch * frames)
            (pixels,) = self._decoders[batch * frames]([latents_BTNC.flatten(0, 1)])
        return pixels.unflatten(0, (batch, frames))
