"""The desktop window: shows the newest frame, hands keys to the loop, and sleeps in between.

The window's thread waits for events; a new frame is an event too, so that nothing is polled and the model
keeps the processor. All keys come from :mod:`apps.desktop.keymap`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.desktop.hud import PAPER, Painter, help_lines, hud_lines, legend_items
from apps.desktop.keymap import Keymap, normalise
from playground.core.errors import PlaygroundError
from playground.session.controls import Controls
from playground.session.loop import LoopFrame, RealtimeLoop
from playground.session.stats import process_age_s

_MIN_FPS, _MAX_FPS = 1.0, 240.0
_SPEED_STEP = 1.25
_IDLE_MS = 250


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


def require_display() -> None:
    """Check that a window can be opened.

    Raises:
        PlaygroundError: there is no display.
    """
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))
    if sys.platform.startswith("linux") and not named:
        raise PlaygroundError(_no_display("DISPLAY and WAYLAND_DISPLAY are not set"))


def _no_display(why: str) -> str:
    return (
        f"no display to open a window on ({' '.join(why.split())}); "
        "play without one: playground play --headless --frames 200 --controller sticky --out rollout"
    )


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
    ) -> None:
        """Prepare a window; nothing opens before :meth:`run`.

        Args:
            session: an open session; the window's loop uses it from now on.
            policy: who plays when the controller is the agent.
            policy_name: how to call it.
            options: speed, size and controller.
            prompts: pictures that PgUp and PgDn walk through.
            on_present: called with each new frame once it is on the screen, for measurements.
        """
        self.session = session
        self.book = session.world.actions
        self.controls = Controls(self.book)
        self.options = options
        self.loop = RealtimeLoop(
            session, self.controls, options.target_fps, policy, policy_name, on_frame=self._announce
        )
        self.loop.human = options.controller == "human"
        keys = [key for entry in self.book.entries for key in entry.keys]
        self.keymap = Keymap(keys, num_actions=len(self.book.entries))
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
            raise PlaygroundError(_no_display(str(error))) from error
        pygame.key.set_repeat(0)
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
        command = self.keymap.command(key, shift)
        if command is not None:
            getattr(self, f"do_{command}")()
            return
        control = self.keymap.control(key)
        if control is not None:
            self.controls.press(control, now)

    def _announce(self) -> None:
        """Wake the event loop for a new frame; called in the loop's thread, at most one wake-up at a time."""
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
        path = free_name(Path.cwd(), f"{self.session.world.name}-seed{shown.seed}-step{shown.t}")
        try:
            from PIL import Image

            factor = max(1, 512 // shown.frame.shape[0])
            Image.fromarray(shown.frame.repeat(factor, 0).repeat(factor, 1)).save(path)
            self._say(f"saved {path.name}")
        except OSError as error:
            self._say(f"screenshot not saved: {error.strerror or error}")

    def _change_prompt(self, by: int) -> None:
        if not self._prompts:
            self._say("this world has no prompts to choose from")
            return
        start = -1 if by > 0 else 0
        index = ((start if self._prompt_index is None else self._prompt_index) + by) % len(self._prompts)
        self._prompt_index = index
        path = str(self._prompts[index])
        self.loop.call("prompt", lambda: self._prompt_or_notice(path))

    def _prompt_or_notice(self, path: str) -> None:
        try:
            self.session.prompt(path)
        except PlaygroundError as error:  # a broken picture must not end the game
            self._say(str(error))

    def _say(self, text: str) -> None:
        self._notice = (text, time.monotonic() + 3.0)

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
            self._draw_picture(shown, top, self._surface.get_height() - bottom)
        else:
            self._painter.lines(self._surface, [f"{self.loop.stage} ..."], (8, top + 4))
        text, until = self._notice
        if time.monotonic() < until:
            self._painter.lines(self._surface, [text], (8, top + 4))
        if self._show["help"]:
            self._painter.overlay(self._surface, help_lines())
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
        lines = hud_lines(self.session.world.name, self.book, self.loop, label)
        painter.lines(surface, lines, (6, 3))
        bottom = 0
        if self._show["legend"]:
            items = legend_items(self.book, None if shown is None else shown.action)
            bottom = painter.legend_height(items, surface.get_width())
            painter.legend(surface, items, surface.get_height() - bottom)
        return len(lines) * painter.line_height + 6, bottom

    def _draw_picture(self, shown: LoopFrame, top: int, bottom: int) -> None:
        pygame = self._pygame
        height, width = shown.frame.shape[:2]
        room_w, room_h = self._surface.get_width(), max(bottom - top, 1)
        factor = min(room_w / width, room_h / height)
        factor = max(int(factor), 1) if factor >= 1 else factor  # whole pixels stay square
        size = (max(int(width * factor), 1), max(int(height * factor), 1))
        picture = pygame.image.frombuffer(np.ascontiguousarray(shown.frame), (width, height), "RGB")
        at = ((room_w - size[0]) // 2, top + (room_h - size[1]) // 2)
        self._surface.blit(pygame.transform.scale(picture, size), at)


def free_name(folder: Path, stem: str) -> Path:
    """A PNG path in ``folder`` that does not exist yet."""
    path, count = folder / f"{stem}.png", 2
    while path.exists():
        path, count = folder / f"{stem}-{count}.png", count + 1
    return path
