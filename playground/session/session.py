"""One player's live run of a world.

A session owns a slot of an engine, the clock and the past. It is not thread-safe: one thread at a time may
use it (the real-time loop's thread while a loop runs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.engine.types import StepUndo
from playground.session.history import History, SessionSnapshot
from playground.world.first_frames import knows_words
from playground.world.sources import book_of, fps_of, nearest_picture, nearest_text

if TYPE_CHECKING:
    from playground.engine.engine import Engine
    from playground.world.actions import ActionBook
    from playground.world.bundle import World
    from playground.world.prompt import Prompt


class Session:
    """Steps a world one action at a time and remembers enough to rewind and branch.

    Attributes:
        world: the world that is played.
        engine: what runs it; may be shared with other sessions.
        t: frames generated since the last reset.
        seed: seed of the current run.
        action: code of the action that produced ``frame``; ``None`` right after a reset.
        frame: the current picture, uint8 (H, W, 3) in 0..255; never changed in place.
        reward: what came with ``frame``; None where the world did not learn rewards, and before the first step.
        end: probability that ``frame`` is the last of its episode; None likewise.
        source: the source of the training data that the prompt, or a text since, belongs to; empty where the world does
            not tell.
        warning: one line about a prompt that is unlike anything the world knows, else empty.
        history: what :meth:`rewind` goes back through.
    """

    def __init__(
        self, world: World, engine: Engine, prompt: Any = None, seed: int = 0, history_frames: int = 300
    ) -> None:
        """Open a session.

        Args:
            world: the world to play.
            engine: an engine of that world with a free slot.
            prompt: prompt frames uint8 (T, H, W, 3), a ``Prompt``, or whatever ``world.generate`` accepts.
            seed: fixes the noise; the same prompt, seed and actions give the same frames.
            history_frames: how many frames :meth:`rewind` can go back at most; 0 keeps none.

        Raises:
            PlaygroundError: the prompt cannot be used or the engine has no free slot.
        """
        self.world = world
        self.engine = engine
        self.seed = int(seed)
        self.history = History(max(history_frames, 1))
        self._keep_history = history_frames > 0
        self._prompt = prompt
        self._slot: int | None = None
        self.t = 0
        self.source = self.warning = ""
        self.action: int | None = None
        self.frame = np.zeros((0, 0, 3), np.uint8)
        self.reward: float | None = None
        self.end: float | None = None
        self._open()

    @property
    def actions(self) -> ActionBook:
        """Names and keys that hold in this session: those of the prompt's source, else the world's."""
        return book_of(self.world, self.source)

    @property
    def fps(self) -> float:
        """Frames per second that this session is meant to be played at."""
        return fps_of(self.world, self.source)

    def step(self, action: str | int | None = None) -> np.ndarray:
        """Generate the next frame.

        Args:
            action: name, key, chord (``"right+up"``) or code; ``None`` does nothing special (the no-op).

        Returns:
            The new frame, uint8 (H, W, 3).

        Raises:
            PlaygroundError: the world has no such action, or the session is closed.
        """
        slot = self._require_open()
        book = self.actions
        entry = book.noop if action is None else book.resolve(action)
        # An engine that can take steps back needs to remember far less than a whole slot.
        remember = getattr(self.engine, "before_step", self.engine.snapshot)
        before = self._moment(remember(slot)) if self._keep_history else None
        produced = self.engine.step({slot: entry.code})[slot]
        if before is not None:
            self.history.push(before)
        self.t += 1
        self.action = entry.code
        self.frame, self.reward, self.end = produced.frame, produced.reward, produced.end
        return self.frame

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Go back to the prompt; ``seed`` starts a different run. Returns the first frame."""
        self._require_open()
        if seed is not None:
            self.seed = int(seed)
        self.close()
        self._open()
        return self.frame

    def prompt(self, prompt: Any) -> np.ndarray:
        """Change the prompt.

        A text is a world event: it steers the frames from now on, where the world was trained with texts. A world with
        a model of first frames also draws the current frame anew, and goes on from there; keys become those of another
        source where both the text and the picture belong to it. Anything else (image, path, array, number of a shipped
        prompt) starts a new run from that picture, with the keys of its source.

        Returns:
            The current frame.
        """
        slot = self._require_open()
        set_text = getattr(self.engine, "set_prompt", None)
        if isinstance(prompt, str) and set_text is not None and not _is_file(prompt):
            before = self.snapshot() if len(self.history) else None
            set_text(slot, prompt)
            if prompt and knows_words(self.world):
                self.frame = self.world.redraw(self.frame, prompt, self.seed + self.t)
                self.engine.show(slot, self.frame[None])
                self.source = self._moved_to(prompt)
                if before is not None:
                    self.history.push_jump(before)
            return self.frame
        self._prompt = self._read(prompt)  # a bad prompt must leave the running session as it is
        return self.reset()

    def snapshot(self) -> SessionSnapshot:
        """Everything needed to come back to this moment; cheap enough to take every frame."""
        return self._moment(self.engine.snapshot(self._require_open()))

    def _moment(self, engine_state: Any) -> SessionSnapshot:
        return SessionSnapshot(
            engine_state, self.t, self.seed, self.action, self.frame, self.source, self.reward, self.end
        )

    def restore(self, snapshot: SessionSnapshot) -> np.ndarray:
        """Go to the moment of ``snapshot`` (of this session, or of another one of the same world)."""
        before = self.snapshot() if len(self.history) else None
        frame = self._go_to(snapshot)
        if before is not None:
            self.history.push_jump(before)
        return frame

    def _go_to(self, snapshot: SessionSnapshot) -> np.ndarray:
        slot = self._require_open()
        go = self.engine.undo if isinstance(snapshot.engine, StepUndo) else self.engine.restore
        go(slot, snapshot.engine)
        self.t, self.seed, self.action = snapshot.t, snapshot.seed, snapshot.action
        self.frame, self.source = snapshot.frame, snapshot.source
        self.reward, self.end = snapshot.reward, snapshot.end
        return self.frame

    def rewind(self, frames: int = 1) -> np.ndarray:
        """Go back ``frames`` frames, or as far as the history reaches; from there all is as it was."""
        if frames < 0:
            raise PlaygroundError(f"cannot rewind {frames} frames; give a number of frames to go back")
        for snapshot in self.history.pop(frames):
            self._go_to(snapshot)
        return self.frame

    def branch(self) -> Session:
        """A second session that starts at this moment and goes its own way.

        It takes a free slot of the same engine, or an engine of its own when all slots are taken.
        """
        state = self.snapshot()
        engine: Any = self.engine
        try:
            twin = Session(self.world, engine, self._prompt, self.seed, self.history.max_frames)
        except PlaygroundError:
            engine = type(engine)(self.world, slots=1, backend=getattr(engine, "backend_name", "auto"))
            twin = Session(self.world, engine, self._prompt, self.seed, self.history.max_frames)
        twin._keep_history = self._keep_history
        twin.history = self.history.copy()
        twin._go_to(state)
        return twin

    def warm_up(self, frames: int = 2) -> None:
        """Run the model a few times and come back, so that first-use costs do not hit the player."""
        state = self.snapshot()
        slot = self._require_open()
        for _ in range(frames):
            self.engine.step({slot: self.actions.noop.code})
        self._go_to(state)

    def close(self) -> None:
        """Give the slot back; closing twice is fine. :meth:`reset` is not possible afterwards."""
        if self._slot is not None:
            self.engine.close(self._slot)
            self._slot = None

    def __enter__(self) -> Session:
        """Use the session in a ``with`` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the slot back."""
        self.close()

    def _open(self) -> None:
        from playground.world.prompt import opening

        self._prompt = self._read(self._prompt)
        # The text stays with the slot: it says what the world is, not only how it begins.
        start = opening(self.world, self._prompt, self.seed)
        if len(self._prompt.frames_THWC):
            self._prompt = start  # measured once, not at every reset
        self._slot = self.engine.open(start.frames_THWC, self.seed, start.text)
        self.source, self.warning = start.source, start.warning
        self.t = 0
        self.action = self.reward = self.end = None
        self.frame = np.array(start.frames_THWC[-1], copy=True)
        self.history.clear()

    def _moved_to(self, text: str) -> str:
        """The source after ``text`` redrew the frame; any words are near to some source, so the picture must agree."""
        told = nearest_text(self.world, text)
        if not told or told == self.source:
            return self.source
        return told if nearest_picture(self.world, self.frame)[0] == told else self.source

    def _read(self, prompt: Any) -> Prompt:
        from playground.world.prompt import Prompt

        if isinstance(prompt, np.ndarray) and prompt.ndim == 4:
            return Prompt(prompt)
        return Prompt.of(self.world, prompt)

    def _require_open(self) -> int:
        if self._slot is None:
            raise PlaygroundError("this session is closed; start a new one with world.generate")
        return self._slot


def _is_file(text: str) -> bool:
    from pathlib import Path

    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False
