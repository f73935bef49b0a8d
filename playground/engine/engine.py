"""Steps many runs of one world at once; a run lives in a slot.

A slot has its own memory row, noise generator, text prompt and clock, so that its frames depend on its own prompt,
seed and actions alone, whoever else is playing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from playground.core.device import physical_cores, prepare_threads, quiet_waiting
from playground.core.errors import PlaygroundError
from playground.engine.backends import pick_backend
from playground.engine.types import Frame, Snapshot, StepUndo
from playground.world.intents import num_choices
from playground.world.prompt import Prompt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from playground.core.nn.ring import RingState
    from playground.world.bundle import World

MAX_DEFAULT_THREADS = 4
"""A frame is too small for more threads than this to help."""


@dataclass
class _Slot:
    generator: torch.Generator
    prompt_P: Tensor | None
    t: int = 0


class Engine:
    """Runs a world in a fixed number of slots. Methods may be called from any thread, one at a time runs.

    Attributes:
        world: what is run.
        slots: how many runs fit.
        threads: compute threads that torch uses.
        backend: what runs the models.
        exact: whether slots run one by one.
    """

    def __init__(
        self,
        world: World,
        slots: int = 1,
        backend: str = "auto",
        threads: int | None = None,
        exact: bool = False,
    ) -> None:
        """Prepare the models and empty slots.

        Args:
            world: what to run.
            slots: how many runs fit, at least 1.
            backend: name of a backend, or ``auto`` for the fastest here (see ``playground.engine.backends``).
            threads: compute threads, a setting of the whole process; None leaves one core to whoever draws.
            exact: run slots one by one, so that the number of players does not change the last bit of a frame either.
                Otherwise a backend whose rows are independent runs them in one pass, which is about twice as fast for
                four players; matrix products then round differently by the number of rows.

        Raises:
            PlaygroundError: no such backend, or a number below 1.
        """
        if slots < 1 or (threads is not None and threads < 1):
            raise PlaygroundError(f"an engine needs at least 1 slot and 1 thread, got {slots} and {threads}")
        quiet_waiting()
        import torch

        self.threads = prepare_threads(threads or default_threads())
        self.world = world
        self.slots = slots
        self.backend = pick_backend(backend, world, slots)
        self.exact = exact
        # Where a backend computes elsewhere than the world was loaded to, it brings its own copy of the models.
        self._models: World = self.backend.world
        self._tells_outcomes = bool(getattr(self._models.dynamics.config, "outcomes", False))
        self._lock = threading.RLock()
        self._open: dict[int, _Slot] = {}
        self._idle = _Slot(torch.Generator(), None)
        with torch.inference_mode():
            self._state: RingState = self._models.dynamics.new_state(slots)

    @property
    def backend_name(self) -> str:
        """Name of the backend that runs."""
        return str(self.backend.name)

    @property
    def free_slots(self) -> int:
        """How many more runs can be opened."""
        return self.slots - len(self._open)

    def open(self, prompt_frames_THWC: np.ndarray | Prompt, seed: int = 0, text: str = "") -> int:
        """Start a run.

        Args:
            prompt_frames_THWC: uint8 (T, H, W, 3), oldest first; only the last ``context_frames`` are looked at.
                T may be 0: the first step then draws the first frame. A ``Prompt`` brings its own text.
            seed: of the noise.
            text: text prompt for a world that takes one.

        Returns:
            The slot.

        Raises:
            PlaygroundError: all slots are taken, or the frames or the text do not fit the world.
        """
        import torch

        from playground.core.sampling import make_generator

        if isinstance(prompt_frames_THWC, Prompt):
            text = text or prompt_frames_THWC.text
            prompt_frames_THWC = prompt_frames_THWC.frames_THWC
        frames = self._checked(np.asarray(prompt_frames_THWC))
        with self._lock, torch.inference_mode():
            slot = next((index for index in range(self.slots) if index not in self._open), None)
            if slot is None:
                raise PlaygroundError(f"all {self.slots} slots of the engine are taken; close one first")
            entry = _Slot(make_generator(int(seed)), self._embedding(text))
            self._state.put_row(slot, self._seen(frames, entry))
            self._open[slot] = entry
            return slot

    def step(self, actions: Mapping[int, int]) -> dict[int, Frame]:
        """Generate the next frame of some slots.

        Args:
            actions: slot to action code; ``num_actions`` stands for an unknown action, higher ones for actions by name
                where the world has them. Other slots stay untouched.

        Returns:
            Slot to frame.

        Raises:
            PlaygroundError: a slot is not open, or a code is unknown; nothing is stepped then.
        """
        import torch

        with self._lock, torch.inference_mode():
            for slot, code in actions.items():
                self._require(slot)
                if not 0 <= code < num_choices(self.world):
                    latent = self.world.dynamics.num_actions
                    named = num_choices(self.world) - latent - 1
                    by_name = f" and {latent + 1} to {latent + named} by name" if named else ""
                    raise PlaygroundError(
                        f"action code {code} is unknown; world {self.world.name!r} knows 0 to {latent - 1}{by_name}"
                    )
            rows = sorted(actions)
            groups = [rows] if self._together(rows) else [[row] for row in rows]
            frames: dict[int, Frame] = {}
            for group in groups:
                frames |= self._step_rows(group, [int(actions[row]) for row in group])
            return frames

    def close(self, slot: int) -> None:
        """End a run and free its slot.

        Raises:
            PlaygroundError: the slot is not open.
        """
        with self._lock:
            self._require(slot)
            del self._open[slot]

    def snapshot(self, slot: int) -> Snapshot:
        """Everything to come back to this moment; copies this slot's memory only.

        Raises:
            PlaygroundError: the slot is not open.
        """
        import torch

        with self._lock, torch.inference_mode():
            entry = self._require(slot)
            generator = entry.generator.get_state()
            return Snapshot(self.world.name, self._state.row(slot), generator, entry.prompt_P, entry.t)

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        """Put a slot back to a moment of its own or of another slot or engine of the same world.

        Raises:
            PlaygroundError: the slot is not open, or the snapshot is of another world.
        """
        import torch

        with self._lock, torch.inference_mode():
            entry = self._require(slot)
            same_shape = snapshot.state.keys.shape[2:] == self._state.keys.shape[2:]
            if snapshot.world != self.world.name or not same_shape:
                raise PlaygroundError(
                    f"the snapshot is of world {snapshot.world!r}, this engine runs {self.world.name!r}"
                )
            self._state.put_row(slot, snapshot.state)
            entry.generator.set_state(snapshot.generator)
            entry.prompt_P, entry.t = snapshot.prompt_P, snapshot.t

    def before_step(self, slot: int) -> StepUndo:
        """What :meth:`undo` needs to take back the next step; a small part of what a snapshot copies.

        Raises:
            PlaygroundError: the slot is not open.
        """
        import torch

        with self._lock, torch.inference_mode():
            entry = self._require(slot)
            generator = entry.generator.get_state()
            return StepUndo(self._state.undo_of(slot), generator, entry.prompt_P, entry.t)

    def undo(self, slot: int, undo: StepUndo) -> None:
        """Take back the newest step of a slot, or of another one that is at the same moment of the same run.

        Raises:
            PlaygroundError: the slot is not open, or the step is not its newest.
        """
        import torch

        with self._lock, torch.inference_mode():
            entry = self._require(slot)
            if entry.t != undo.t + 1 or int(self._state.position_B[slot]) != undo.ring.position + 1:
                raise PlaygroundError(
                    f"step {undo.t + 1} of slot {slot} is not its newest; take steps back one by one, newest first"
                )
            self._state.undo(slot, undo.ring)
            entry.generator.set_state(undo.generator)
            entry.prompt_P, entry.t = undo.prompt_P, undo.t

    def set_prompt(self, slot: int, text: str) -> None:
        """Change the text prompt of a running slot from the next frame on; an empty text removes it.

        Raises:
            PlaygroundError: the slot is not open, or the world takes no texts.
        """
        from playground.world.prompt import require_text

        with self._lock:
            entry = self._require(slot)
            require_text(self.world)
            entry.prompt_P = self._embedding(text)

    def show(self, slot: int, frames_THWC: np.ndarray) -> None:
        """Let a running slot forget what it has seen, but for these frames; its noise, text and clock go on.

        Raises:
            PlaygroundError: the slot is not open, or the frames do not fit the world.
        """
        import torch

        frames = self._checked(np.asarray(frames_THWC))
        with self._lock, torch.inference_mode():
            entry = self._require(slot)
            self._state.put_row(slot, self._seen(frames, entry))

    def _step_rows(self, rows: list[int], codes: list[int]) -> dict[int, Frame]:
        import torch

        action_of = dict(zip(rows, codes, strict=True))
        lanes = self._lanes(rows)
        # Idle slots that only fill the batch draw noise of their own kind, never from a run that waits.
        entries = [self._open[lane] if lane in action_of else self._idle for lane in lanes]
        drawn, written = self._models.draw(
            _rows_of(self._state, lanes, whole=self.backend.fixed_rows),
            torch.tensor([action_of.get(lane, 0) for lane in lanes], device=self._state.keys.device),
            self._prompts(entries),
            [entry.generator for entry in entries],
            self.backend.run,
            self.backend.run_first_frames,
        )
        pictures = self.backend.decode(self._models.latents(drawn))[:, 0].cpu().numpy()
        places = [lanes.index(row) for row in rows]
        self._state.write(written, rows, places)
        outcome = self._models.dynamics.outcome(written) if self._tells_outcomes else None
        drawn, frames = drawn.cpu(), {}
        for row, place in zip(rows, places, strict=True):
            entry = self._open[row]
            entry.t += 1
            came = () if outcome is None else (float(outcome.reward_B[place]), float(outcome.end_B[place]))
            frames[row] = Frame(pictures[place].copy(), drawn[place].clone(), action_of[row], entry.t, *came)
        return frames

    def _together(self, rows: list[int]) -> bool:
        """Whether one pass over all of ``rows`` is allowed and pays."""
        if self.exact or not self.backend.batched or len(rows) < 2:
            return False
        return not self.backend.fixed_rows or len(rows) >= self.backend.filling_pays * self.slots

    def _lanes(self, rows: list[int]) -> list[int]:
        """Rows that go through the models to step ``rows``: all slots where only that size is compiled."""
        return list(range(self.slots)) if self.backend.fixed_rows and len(rows) > 1 else rows

    def _seen(self, frames_THWC: np.ndarray, entry: _Slot) -> RingState:
        """Single-row memory of a run that has seen the frames of its prompt."""
        import torch

        dynamics, tokenizer = self._models.dynamics, self._models.tokenizer
        state = dynamics.new_state(1)
        if not len(frames_THWC):
            return state
        device = state.keys.device
        codes = tokenizer.encode(torch.from_numpy(frames_THWC)[None].to(device))
        if dynamics.discrete:
            codes = tokenizer.quantize(codes)
        unknown_B = torch.full((1,), dynamics.num_actions, device=device)
        for t in range(codes.shape[1]):
            state.write(
                dynamics.observe(
                    state, codes[:, t], unknown_B, self._prompts([entry]), [entry.generator], self.backend.run
                )
            )
        return state

    def _checked(self, frames: np.ndarray) -> np.ndarray:
        size = self.world.frame_size
        if frames.ndim != 4 or frames.shape[1:] != (size, size, 3) or frames.dtype != np.uint8:
            raise PlaygroundError(
                f"prompt frames are {frames.dtype} {frames.shape}; world {self.world.name!r} needs uint8"
                f" (T, {size}, {size}, 3); make them with playground.Prompt"
            )
        # A copy, because torch warns about and must never write to a read-only array.
        return np.array(frames[-self.world.dynamics.context_frames :])

    def _embedding(self, text: str) -> Tensor | None:
        import torch

        return torch.from_numpy(self.world.embed(text)) if text else None

    def _prompts(self, entries: list[_Slot]) -> Tensor | None:
        """Text embeddings (B, P), rows of zeros where a slot has none; None when no slot has one."""
        import torch

        if all(entry.prompt_P is None for entry in entries):
            return None
        empty_P = torch.zeros(self.world.text_dims)
        prompts = [empty_P if entry.prompt_P is None else entry.prompt_P for entry in entries]
        return torch.stack(prompts).to(self._state.keys.device)

    def _require(self, slot: int) -> _Slot:
        if slot not in self._open:
            raise PlaygroundError(f"slot {slot} is not open; open it with a prompt first")
        return self._open[slot]


def default_threads() -> int:
    """Physical cores minus one for the program around the model, at most ``MAX_DEFAULT_THREADS``."""
    return max(1, min(physical_cores() - 1, MAX_DEFAULT_THREADS))


def _rows_of(state: RingState, rows: list[int], whole: bool) -> RingState:
    """Some rows of a memory: a view for neighbouring rows, which costs nothing, else a copy.

    Args:
        state: all rows.
        rows: which.
        whole: the caller reads memory as it lies, so that rows out of several are copied once here instead of in
            every pass.
    """
    near = rows == list(range(rows[0], rows[0] + len(rows)))
    part = state.rows(slice(rows[0], rows[0] + len(rows)) if near else rows)
    return type(part)(*(tensor.contiguous() for tensor in part.tensors())) if whole else part
