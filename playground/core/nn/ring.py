"""The key/value ring buffer: what a running world remembers.

Legend: L time layers, B rows (slots), S tokens per frame, K heads, E head dims, R ring slots.

Keys are stored as (L, B, S, K, E, R) and values as (L, B, S, K, R, E), the layouts that the matrix products of
temporal attention read, so that a step transposes nothing. The order of slots does not matter to a softmax over
rotary keys, so the oldest slot is overwritten and nothing is ever moved.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from playground.core.nn.rope import rotary_angles

MASKED = -1e9
"""Additive attention bias of an empty slot; finite so that quantised and exported graphs stay free of NaN."""

HEARD = 3
"""How many of the newest latent actions are kept as such, for whatever reads what a player means."""


@dataclass
class Written:
    """What one frame adds to the memory.

    Attributes:
        keys: (L, B, S, K, E).
        values: of the same shape.
        codes: the frame's own, (B, N, ...).
        action_B: int64 latent action that led to it.
    """

    keys: Tensor
    values: Tensor
    codes: Tensor
    action_B: Tensor


@dataclass(frozen=True)
class RingUndo:
    """What one row loses when its next frame is written.

    Attributes:
        keys: of the ring slot that is overwritten next, (L, S, K, E).
        values: of the same slot.
        bias: of the same slot, a scalar tensor.
        position: frames seen so far.
        previous: codes of the newest frame, (N, C) or (N,).
        earlier: codes of the frame before that, of the same shape.
        heard_H: int64 newest latent actions, (HEARD,).
    """

    keys: Tensor
    values: Tensor
    bias: Tensor
    position: int
    previous: Tensor
    earlier: Tensor
    heard_H: Tensor


@dataclass
class RingState:
    """Memory of a batch of running worlds.

    Attributes:
        keys: (L, B, S, K, E, R).
        values: (L, B, S, K, R, E).
        bias_BR: 0 for a filled slot, ``MASKED`` for an empty one.
        position_B: frames seen so far, int64; also the rotary position of the next frame.
        previous: codes of the newest frame (B, N, C) or (B, N).
        earlier: codes of the frame before that, of the same shape; the two together show what moves.
        heard_BH: int64 latent actions of the newest frames, the newest last; -1 where nothing was seen.
    """

    keys: Tensor
    values: Tensor
    bias_BR: Tensor
    position_B: Tensor
    previous: Tensor
    earlier: Tensor
    heard_BH: Tensor

    def __post_init__(self) -> None:
        """Nothing is known about angles yet."""
        self._rotary: tuple[Tensor, Tensor] | None = None

    @classmethod
    def empty(
        cls, layers: int, batch: int, tokens: int, heads: int, head_dim: int, slots: int, previous: Tensor
    ) -> RingState:
        """A state that remembers nothing, on the device of ``previous``, the frame before the first."""
        device = previous.device
        return cls(
            keys=torch.zeros(layers, batch, tokens, heads, head_dim, slots, device=device),
            values=torch.zeros(layers, batch, tokens, heads, slots, head_dim, device=device),
            bias_BR=torch.full((batch, slots), MASKED, device=device),
            position_B=torch.zeros(batch, dtype=torch.int64, device=device),
            previous=previous,
            earlier=previous.clone(),
            heard_BH=torch.full((batch, HEARD), -1, dtype=torch.int64, device=device),
        )

    @property
    def slots(self) -> int:
        """Ring slots R."""
        return self.bias_BR.shape[1]

    def rotary(self) -> tuple[Tensor, Tensor]:
        """Cosines and sines (B, E) of the next frame's position; computed once, however many passes ask for them."""
        if self._rotary is None:
            self._rotary = rotary_angles(self.position_B, self.keys.shape[-2])
        return self._rotary

    def write(self, written: Written, rows: list[int] | None = None, places: list[int] | None = None) -> None:
        """Store one new frame in the oldest slot of each row, in place.

        Args:
            written: result of a step.
            rows: rows to write; None for all. Other rows keep their memory untouched.
            places: for each of ``rows`` its row in ``written``; None where they are the same.
        """
        self._rotary = None
        if self.keys.device.type == "cpu":
            self._write_in_turn(written, rows, places)
            return
        device = self.keys.device
        row_B = torch.arange(self.bias_BR.shape[0]) if rows is None else torch.tensor(rows)
        row_B = row_B.to(device)
        place_B = row_B if places is None else torch.tensor(places, device=device)
        slot_B = self.position_B[row_B] % self.slots
        # Two index tensors apart from each other put their axis in front: (B, L, S, K, E).
        self.keys[:, row_B, :, :, :, slot_B] = written.keys[:, place_B].transpose(0, 1)
        self.values[:, row_B, :, :, slot_B, :] = written.values[:, place_B].transpose(0, 1)
        self.bias_BR[row_B, slot_B] = 0.0
        self.position_B[row_B] += 1
        self.earlier[row_B] = self.previous[row_B]
        self.previous[row_B] = written.codes[place_B]
        self.heard_BH[row_B] = torch.cat((self.heard_BH[row_B, 1:], written.action_B[place_B, None]), dim=1)

    def _write_in_turn(self, written: Written, rows: list[int] | None, places: list[int] | None) -> None:
        """Row by row through views: a third less time on a CPU, where reading a position costs nothing."""
        rows = list(range(self.bias_BR.shape[0])) if rows is None else rows
        for row, place in zip(rows, rows if places is None else places, strict=True):
            slot = int(self.position_B[row]) % self.slots
            self.keys[:, row, ..., slot] = written.keys[:, place]
            self.values[:, row, ..., slot, :] = written.values[:, place]
            self.bias_BR[row, slot] = 0.0
            self.position_B[row] += 1
            self.earlier[row] = self.previous[row]
            self.previous[row] = written.codes[place]
            self.heard_BH[row] = torch.cat((self.heard_BH[row, 1:], written.action_B[place, None]))

    def rows(self, index: slice | list[int]) -> RingState:
        """Some rows: of a slice a view of this memory, of a list a copy."""
        # Keys and values have layers in front of the rows.
        return RingState(
            *(part[:, index] if part is self.keys or part is self.values else part[index] for part in self.tensors())
        )

    def row(self, row: int) -> RingState:
        """An independent copy of one row, for snapshots and branches."""
        return self.rows(slice(row, row + 1)).clone()

    def undo_of(self, row: int) -> RingUndo:
        """What ``undo`` needs once the next frame of a row is written; a copy of one ring slot."""
        position = int(self.position_B[row])
        slot = position % self.slots
        return RingUndo(
            keys=self.keys[:, row, ..., slot].clone(),
            values=self.values[:, row, ..., slot, :].clone(),
            bias=self.bias_BR[row, slot].clone(),
            position=position,
            previous=self.previous[row].clone(),
            earlier=self.earlier[row].clone(),
            heard_H=self.heard_BH[row].clone(),
        )

    def undo(self, row: int, undo: RingUndo) -> None:
        """Take back the newest frame of a row, in place; the row is then equal to the last bit to what it was.

        Args:
            row: which.
            undo: result of ``undo_of`` from right before that frame was written.
        """
        slot = undo.position % self.slots
        self.keys[:, row, ..., slot] = undo.keys
        self.values[:, row, ..., slot, :] = undo.values
        self.bias_BR[row, slot] = undo.bias
        self.position_B[row] = undo.position
        self._rotary = None
        self.previous[row] = undo.previous
        self.earlier[row] = undo.earlier
        self.heard_BH[row] = undo.heard_H

    def put_row(self, row: int, source: RingState) -> None:
        """Overwrite one row with a single-row state, in place."""
        self._rotary = None
        for mine, theirs in zip(self.rows(slice(row, row + 1)).tensors(), source.tensors(), strict=True):
            mine.copy_(theirs)

    def clone(self) -> RingState:
        """An independent copy of every row."""
        return RingState(*(part.clone() for part in self.tensors()))

    def tensors(self) -> list[Tensor]:
        """All there is to a memory, in the order of its fields."""
        return [getattr(self, item.name) for item in fields(self)]
