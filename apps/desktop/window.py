"""The desktop window: shows the newest frame, hands keys to the loop, and sleeps in between.

The window's thread waits for events; a new frame is an event too, so that nothing is polled and the model
keeps the processor. All keys come from :mod:`apps.desktop.keymap`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.desktop.display import no_display, require_display
from apps.desktop.hud import PAPER, Painter, help_lines, hud_lines, legend_items
from apps.desktop.keymap import Keymap, normalise
from apps.desktop.sheet import save_screenshot
from apps.desktop.text_line import TextLine
from playground.core.errors import PlaygroundError
from playground.session.controls import Controls
from playground.session.loop import LoopFrame, RealtimeLoop
from playground.session.stats import process_age_s
from playground.world.sources import fps_of

_MIN_FPS, _MAX_FPS = 1.0, 240.0
_SPEED_STEP, _IDLE_MS = 1.25, 250
_NOTICE_S, _WARNING_S = 3.0, 9.0


@dataclass(frozen=True)
class WindowOptions:
    """How to play in the window.

    Attributes:
        target_fps: wanted frames per second.
        scale: window pixels per frame pixel; 0 picks one that fits.
        controller: ``human`` or the policy's name, who plays first.
        max_frames: quit after so many generated frames; ``None`` plays until the window is closed.
    """

    target_fps: float
    scale: int = 0
    controller: str = "human"
    max_frames: int | None = None


class Window:
    """A playable window over one session. :meth:`run` blocks until it is closed."""

    def __init__(
        self,
        session: Any,
        policy: Any,
        policy_name: str,
        options: WindowOptions,
        prompts: Sequence[Path] = (),
        on_present: Callable[[LoopFrame], None] | None = None,
        policy_for: Callable[[Any], Any] | None = None,
    ) -> None:
        """Prepare a window; nothing opens before :meth:`run`.

        Args:
            session: an open session; the window's loop uses it from now on.
            policy: who plays when the controller is the agent.
            policy_name: how to call it.
            options: speed, size and controller.
            prompts: pictures that PgUp and PgDn walk through.
            on_present: called with each new frame once it is on the screen, for measurements.
            policy_for: makes the policy for another action book, when a prompt of another source is chosen.
        """
        self.session = session
        self.source, self.book = session.source, session.actions
        self.controls = Controls(self.book)
        self.options = options
        self.loop = RealtimeLoop(
            session, self.controls, options.target_fps, policy, policy_name, on_frame=self._announce
        )
        self.loop.human = options.controller == "human"
        self._texts = getattr(session.world, "prompt_dims", 0) > 0
        self.keymap = self._new_keymap()
        self._line = TextLine()
        self._policy_for = policy_for
        self._greeting = session.warning
        self._prompts = list(prompts)
        self._on_present = on_present
        self._prompt_index: int | None = None
        self._show = {"hud": True, "legend": True, "help": False}
        self._open = True
        self._fullscreen = False
        self._announced = False
        self._notice = ("", 0.0)
        self._shown_index = -1
        self.first_frame_s = 0.0

    def run(self) -> dict[str, float]:
        """Open the window, play until it is closed, and return the timings.

        Raises:
            PlaygroundError: no window can be opened.
        """
        require_display()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "playground")
        import pygame

        self._pygame = pygame
        self._frame_event = pygame.event.custom_type()
        try:
            # Only what is needed: the sound system alone can take a second to open.
            pygame.display.init()
            pygame.font.init()
            self._painter = Painter()
            self._open_surface()
        except pygame.error as error:
            raise PlaygroundError(no_display(str(error))) from error
        pygame.key.set_repeat(0)
        pygame.key.stop_text_input()  # characters are wanted only while a line is typed
        try:
            self.loop.start()
            self._events()
        finally:
            self.loop.stop()
            pygame.display.quit()
        if self.loop.error is not None:
            raise self.loop.error
        return self.loop.stats.to_dict()

    def _events(self) -> None:
        pygame = self._pygame
        while self._open:
            first = pygame.event.wait(_IDLE_MS)
            for event in [first, *pygame.event.get()]:
                self._handle(event)
            if not self.loop.running:
                return
            limit = self.options.max_frames
            if limit is not None and self.loop.stats.frames >= limit:
                return
            self._draw()

    def _handle(self, event: Any) -> None:
        pygame = self._pygame
        now = time.perf_counter()
        if event.type == pygame.QUIT:
            self._open = False
        elif event.type == self._frame_event:
            self._announced = False
        elif event.type == pygame.WINDOWFOCUSLOST:
            # The release of a key that is held now would go to another window.
            self.controls.release_all()
            self.loop.rewinding = False
        elif event.type == pygame.TEXTINPUT:
            self._line.add(event.text)
        elif event.type == pygame.KEYDOWN:
            self._key_down(normalise(pygame.key.name(event.key)), bool(event.mod & pygame.KMOD_SHIFT), now)
        elif event.type == pygame.KEYUP:
            key = normalise(pygame.key.name(event.key))
            control = self.keymap.control(key)
            if control is not None:
                self.controls.release(control, now)
            if self.keymap.command(key, shift=False) == "rewind":
                self.loop.rewinding = False

    def _key_down(self, key: str, shift: bool, now: float) -> None:
        if self._line.text is not None:
            self._type(key)
            return
        command = self.keymap.command(key, shift)
        if command is not None:
            getattr(self, f"do_{command}")()
            return
        control = self.keymap.control(key)
        if control is not None:
            self.controls.press(control, now)

    def _type(self, key: str) -> None:
        """Hand a key to the line that is being typed, and its text to the world once it is finished."""
        text = self._line.key(key)
        if self._line.text is None:
            self._pygame.key.stop_text_input()
        if text:
            self._say(f"now: {text}")
            self.loop.call("event", lambda: self._prompt_or_notice(text))

    def _announce(self) -> None:
        """Wake the event loop for a new frame; called in the loop's thread, at most one wake-up at a time."""
        if self.session.source != self.source:  # after a prompt, a text, a reset or a rewind
            self._follow_source()
        if (self.session.end or 0.0) > 0.9:  # drifting pictures deceive a world that is less sure
            self._say("the game would be over here; R starts again")
        if self._announced:
            return
        self._announced = True
        try:
            self._pygame.event.post(self._pygame.event.Event(self._frame_event))
        except self._pygame.error:
            self._announced = False  # the queue is full or the window is closing; the idle timeout covers it

    def do_reset(self) -> None:
        """Back to the prompt with the same seed."""
        self.loop.reset()

    def do_new_seed(self) -> None:
        """Back to the prompt with the next seed."""
        shown = self.loop.latest()
        self.loop.reset(seed=(self.session.seed if shown is None else shown.seed) + 1)

    def do_pause(self) -> None:
        """Pause or go on."""
        self.loop.pause()
        self._caption()

    def do_single_step(self) -> None:
        """Generate one frame and stay paused."""
        self.loop.step_once()
        self._caption()

    def do_slower(self) -> None:
        """Lower the target rate."""
        self.loop.target_fps = max(self.loop.target_fps / _SPEED_STEP, _MIN_FPS)

    def do_faster(self) -> None:
        """Raise the target rate."""
        self.loop.target_fps = min(self.loop.target_fps * _SPEED_STEP, _MAX_FPS)

    def do_rewind(self) -> None:
        """Go back while the key is held."""
        self.loop.rewinding = True

    def do_toggle_agent(self) -> None:
        """Hand over between human and agent."""
        self.loop.human = not self.loop.human
        self.controls.release_all()
        self._caption()

    def do_next_prompt(self) -> None:
        """Start from the next prompt of the world."""
        self._change_prompt(1)

    def do_previous_prompt(self) -> None:
        """Start from the previous prompt of the world."""
        self._change_prompt(-1)

    def do_type_text(self) -> None:
        """Let the player type what happens next; the world goes on meanwhile."""
        self.controls.release_all()
        self.loop.rewinding = False
        self._line.open()
        self._pygame.key.start_text_input()
        threading.Thread(target=self._prepare_texts, daemon=True).start()

    def do_toggle_hud(self) -> None:
        """Show or hide numbers and legend."""
        self._show["hud"] = not self._show["hud"]

    def do_toggle_legend(self) -> None:
        """Show or hide the keys of the world."""
        self._show["legend"] = not self._show["legend"]

    def do_help(self) -> None:
        """Show or hide the help."""
        self._show["help"] = not self._show["help"]

    def do_quit(self) -> None:
        """Close the help if it is open, else the window."""
        if self._show["help"]:
            self._show["help"] = False
        else:
            self._open = False

    def do_fullscreen(self) -> None:
        """Switch between window and full screen."""
        self._fullscreen = not self._fullscreen
        self._open_surface()

    def do_screenshot(self) -> None:
        """Save the shown frame, enlarged, to the working folder under a new name."""
        shown = self.loop.latest()
        if shown is None:
            return
        try:
            path = save_screenshot(shown.frame, f"{self.session.world.name}-seed{shown.seed}-step{shown.t}")
        except OSError as error:
            self._say(f"screenshot not saved: {error.strerror or error}")
        else:
            self._say(f"saved {path.name}")

    def _change_prompt(self, by: int) -> None:
        if not self._prompts:
            self._say("this world has no prompts to choose from")
            return
        start = -1 if by > 0 else 0
        index = ((start if self._prompt_index is None else self._prompt_index) + by) % len(self._prompts)
        self._prompt_index = index
        path = str(self._prompts[index])
        self.loop.call("prompt", lambda: self._prompt_or_notice(path))

    def _prepare_texts(self) -> None:
        """Load what reads texts while one is typed, so that the world need not stop for it; runs in its own thread."""
        try:
            self.session.world.prepare_texts()
        except PlaygroundError as error:
            self._say(str(error), _WARNING_S)

    def _prompt_or_notice(self, prompt: str) -> None:
        """Give the session a picture to start from, or an event in words; runs in the loop's thread."""
        try:
            self.session.prompt(prompt)
        except PlaygroundError as error:  # a broken picture or a missing text encoder must not end the game
            self._say(str(error), _WARNING_S)
            return
        if self.session.warning and self.session.t == 0:
            self._say(self.session.warning, _WARNING_S)

    def _follow_source(self) -> None:
        """Take over keys, names and pace of the source that the session is in now; runs in the loop's thread."""
        if self.loop.target_fps == fps_of(self.session.world, self.source):  # unless the player chose another one
            self.loop.target_fps = self.session.fps
        self.source, book = self.session.source, self.session.actions
        if book is self.book:
            return
        self.controls.release_all()  # a held key may mean something else from here on
        self.book = self.controls.action_book = book
        self.keymap = self._new_keymap()
        if self._policy_for is not None:
            self.loop.policy = self._policy_for(book)

    def _new_keymap(self) -> Keymap:
        keys = [key for entry in self.book.entries for key in entry.keys]
        return Keymap(keys, num_actions=len(self.book.entries), texts=self._texts)

    def _say(self, text: str, seconds: float = _NOTICE_S) -> None:
        self._notice = (text, time.monotonic() + seconds)

    def _caption(self) -> None:
        state = ", paused" if self.loop.paused else ""
        self._pygame.display.set_caption(f"{self.session.world.name} ({self.loop.controller}{state}) - playground")

    def _open_surface(self) -> None:
        pygame = self._pygame
        if self._fullscreen:
            self._surface = pygame.display.set_mode((0, 0), pygame.FULLSCREEN)
        else:
            height, width = self.session.frame.shape[:2]
            scale = self.options.scale or max(1, 640 // max(height, width))
            size = (max(width * scale, 560), max(height * scale, 240) + 5 * self._painter.line_height + 12)
            self._surface = pygame.display.set_mode(size, pygame.RESIZABLE)
        self._caption()

    def _draw(self) -> None:
        shown = self.loop.latest()
        pygame = self._pygame
        self._surface = pygame.display.get_surface()
        self._surface.fill(PAPER)
        top = bottom = 0
        if self._show["hud"]:
            top, bottom = self._draw_text(shown)
        if shown is not None:
            self._painter.picture(self._surface, shown.frame, top, self._surface.get_height() - bottom)
            if self._greeting:
                self._say(self._greeting, _WARNING_S)
                self._greeting = ""
        else:
            self._painter.lines(self._surface, [f"{self.loop.stage} ..."], (8, top + 4))
        text, until = self._notice
        if time.monotonic() < until:
            self._painter.notice(self._surface, text, (8, top + 4))
        if self._line.text is not None:
            self._painter.entry(self._surface, self._line.text, self._surface.get_height() - bottom)
        if self._show["help"]:
            self._painter.overlay(self._surface, help_lines(self._texts))
        pygame.display.flip()
        if shown is not None and shown.index != self._shown_index:
            self.loop.stats.skipped += max(shown.index - self._shown_index - 1, 0)
            self._shown_index = shown.index
            if self.first_frame_s == 0.0 and shown.t > 0:
                self.first_frame_s = process_age_s()
            self.loop.presented(shown)
            if self._on_present is not None:
                self._on_present(shown)

    def _draw_text(self, shown: LoopFrame | None) -> tuple[int, int]:
        """Draw the numbers and the legend; returns the pixels they take at the top and at the bottom."""
        painter, surface = self._painter, self._surface
        index = self._prompt_index
        label = "" if index is None else f"prompt {index + 1}/{len(self._prompts)}"
        world, source = self.session.world, self.session.source
        name = f"{world.name}: {source}" if len(getattr(world, "sources", ())) > 1 else world.name
        lines = hud_lines(name, self.book, self.loop, label)
        painter.lines(surface, lines, (6, 3))
        bottom = 0
        if self._show["legend"]:
            items = legend_items(self.book, None if shown is None else shown.action)
            bottom = painter.legend_height(items, surface.get_width())
            painter.legend(surface, items, surface.get_height() - bottom)
        return len(lines) * painter.line_height + 6, bottom
