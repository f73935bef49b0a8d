"""What the window writes around the picture: numbers, the keys of the world, and the help.

Building the text needs no window, so that it can be tested and reused; :class:`Painter` draws it with pygame.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.desktop.keymap import COMMANDS, TEXT_COMMANDS
from playground.session.controls import CODE_PREFIX

if TYPE_CHECKING:
    import pygame

    from playground.session.loop import RealtimeLoop
    from playground.world.actions import ActionBook

INK = (236, 236, 240)
DIM = (150, 152, 162)
PAPER = (18, 18, 22)
ACCENT = (255, 196, 64)


@dataclass(frozen=True)
class LegendItem:
    """One action in the legend: the label to draw and whether it is the one being taken."""

    label: str
    active: bool


def action_label(action_book: ActionBook, code: int | None) -> str:
    """Name of an action, for example ``right``, ``#3`` for a latent action without one, ``-`` for none."""
    names = {entry.code: entry.name for entry in action_book.entries}
    return "-" if code is None else names.get(code, f"{CODE_PREFIX}{code}")


def legend_items(action_book: ActionBook, active_code: int | None) -> list[LegendItem]:
    """The keys of a world as ``[key] name``; a marker, not only a colour, shows the active one."""
    items = []
    for entry in action_book.entries:
        if entry.keys or entry.noop:  # what only a digit reaches would fill the picture in a world of many codes
            active = entry.code == active_code
            keys = " ".join(f"[{key}]" for key in entry.keys) or "[no key]"
            items.append(LegendItem(f"{'>' if active else ' '}{keys} {entry.name}", active))
    return items


def hud_lines(world_name: str, action_book: ActionBook, loop: RealtimeLoop, prompt_label: str) -> list[str]:
    """The lines of numbers for the loop's newest frame."""
    shown = loop.latest()
    if shown is None:
        return [f"{world_name}  warming up"]
    stats = loop.stats
    state = "PAUSED" if loop.paused else ("REWIND" if loop.rewinding else "playing")
    target = f"{loop.target_fps:.0f}" if loop.target_fps > 0 else "max"
    keys = "+".join(shown.keys) or "-"
    gap = "  " if prompt_label else ""
    return [
        f"{world_name}{gap}{prompt_label}  step {shown.t}  seed {shown.seed}  {shown.controller}  {state}",
        f"fps {stats.fps_now:.1f}/{target}  frame {stats.frame_ms(0.5):.0f}/{stats.frame_ms(0.95):.0f} ms"
        f"  key {stats.key_to_frame_ms(0.5):.0f}/{stats.key_to_frame_ms(0.95):.0f} ms (p50/p95)",
        f"key {keys}  action {action_label(action_book, shown.action)}",
    ]


def help_lines(texts: bool = False) -> list[str]:
    """The help overlay, one line a command; ``texts`` adds those of worlds that take texts."""
    commands = [command for command in COMMANDS if texts or command.name not in TEXT_COMMANDS]
    width = max(len(command.label) for command in commands)
    game = [
        f"{'arrows, WASD, space':<{width + 10}}play (keys of this world: Tab)",
        f"{'1..8':<{width + 10}}latent action directly",
    ]
    return game + [f"{command.label:<{width + 10}}{command.help}" for command in commands]


class Painter:
    """Draws text with a cache, because rendering the same words every frame costs more than the picture."""

    def __init__(self, size: int = 14) -> None:
        """Open a monospaced font of ``size`` pixels; pygame must be initialised."""
        import pygame

        self._pygame = pygame
        name = pygame.font.match_font("dejavusansmono,liberationmono,menlo,consolas,couriernew")
        self.font = pygame.font.Font(name, size)
        self.line_height = self.font.get_linesize()
        self._cache: dict[tuple[str, tuple[int, int, int]], Any] = {}

    def text(self, target: pygame.Surface, line: str, at: tuple[int, int], colour: tuple[int, int, int]) -> int:
        """Draw one line with its top left corner ``at``; returns its width in pixels."""
        key = (line, colour)
        if key not in self._cache:
            if len(self._cache) > 256:
                self._cache.clear()
            self._cache[key] = self.font.render(line, True, colour)
        target.blit(self._cache[key], at)
        return int(self._cache[key].get_width())

    def lines(self, target: pygame.Surface, lines: Sequence[str], at: tuple[int, int]) -> None:
        """Draw lines below each other; the first one bright, the others dimmer, cut at the window's edge."""
        for row, line in enumerate(lines):
            self.text(target, line, (at[0], at[1] + row * self.line_height), INK if row != 1 else DIM)

    def notice(self, target: pygame.Surface, text: str, at: tuple[int, int]) -> None:
        """Draw a message in as many lines as the window's width asks for, on a dark ground."""
        letters = max((target.get_width() - 2 * at[0]) // max(self.font.size("m")[0], 1), 8)
        for row, line in enumerate(textwrap.wrap(text, letters)):
            top = at[1] + row * self.line_height
            target.fill(PAPER, (at[0] - 2, top, self.font.size(line)[0] + 4, self.line_height))
            self.text(target, line, (at[0], top), INK)

    def entry(self, target: pygame.Surface, typed: str, bottom: int) -> None:
        """Draw a line that is being typed above row ``bottom``; of a long one the end is seen."""
        top = bottom - self.line_height - 6
        target.fill(PAPER, (0, top, target.get_width(), self.line_height + 6))
        shown = f"> {typed}_"
        while self.font.size(shown)[0] > target.get_width() - 12 and len(shown) > 3:
            shown = f"> {shown[3:]}"
        self.text(target, shown, (6, top + 3), ACCENT)

    def picture(self, target: pygame.Surface, frame: np.ndarray, top: int, bottom: int) -> None:
        """Draw a frame as large as fits between rows ``top`` and ``bottom``; whole pixels stay square."""
        height, width = frame.shape[:2]
        room_w, room_h = target.get_width(), max(bottom - top, 1)
        factor = min(room_w / width, room_h / height)
        factor = max(int(factor), 1) if factor >= 1 else factor
        size = (max(int(width * factor), 1), max(int(height * factor), 1))
        picture = self._pygame.image.frombuffer(np.ascontiguousarray(frame).data, (width, height), "RGB")
        at = ((room_w - size[0]) // 2, top + (room_h - size[1]) // 2)
        target.blit(self._pygame.transform.scale(picture, size), at)

    def legend_height(self, items: Sequence[LegendItem], width: int) -> int:
        """Pixels that the legend needs in a window of ``width`` pixels."""
        return (self._place(items, width)[-1][2] + 1) * self.line_height + 6 if items else 0

    def legend(self, target: pygame.Surface, items: Sequence[LegendItem], top: int) -> None:
        """Draw the legend from row ``top`` on, wrapped at the window's width."""
        for item, left, row in self._place(items, target.get_width()):
            at = (left, top + 3 + row * self.line_height)
            self.text(target, item.label, at, ACCENT if item.active else DIM)

    def overlay(self, target: pygame.Surface, lines: Sequence[str]) -> None:
        """Dim the window and draw ``lines`` in its middle."""
        shade = self._pygame.Surface(target.get_size(), self._pygame.SRCALPHA)
        shade.fill((*PAPER, 225))
        target.blit(shade, (0, 0))
        width = max(self.font.size(line)[0] for line in lines)
        left = max((target.get_width() - width) // 2, 4)
        top = max((target.get_height() - len(lines) * self.line_height) // 2, 4)
        for row, line in enumerate(lines):
            self.text(target, line, (left, top + row * self.line_height), INK)

    def _place(self, items: Sequence[LegendItem], width: int) -> list[tuple[LegendItem, int, int]]:
        placed, left, row = [], 6, 0
        for item in items:
            needed = self.font.size(item.label)[0] + 10
            if left > 6 and left + needed > width:
                left, row = 6, row + 1
            placed.append((item, left, row))
            left += needed
        return placed
