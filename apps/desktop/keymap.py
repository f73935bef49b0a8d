"""Which window key does what: one table for the event loop, the help overlay and the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from playground.session.controls import CODE_PREFIX

# WASD stands in for the arrows in worlds that give those letters no meaning of their own.
_ALIASES = {"w": "up", "a": "left", "s": "down", "d": "right"}


@dataclass(frozen=True)
class Command:
    """A window command.

    Attributes:
        name: method of the window without its ``do_`` prefix.
        keys: pygame key names that trigger it; ``shift+r`` needs Shift.
        label: the keys as the help shows them.
        help: what it does.
    """

    name: str
    keys: tuple[str, ...]
    label: str
    help: str


COMMANDS = (
    Command("reset", ("r", "return"), "R / Enter", "back to the prompt"),
    Command("new_seed", ("shift+r",), "Shift+R", "back to the prompt with a new seed"),
    Command("pause", ("p", "."), "P / .", "pause and go on"),
    Command("single_step", ("e",), "E", "one frame while paused"),
    Command("slower", ("[",), "[", "slower"),
    Command("faster", ("]",), "]", "faster"),
    Command("rewind", ("backspace",), "Backspace", "rewind while held"),
    Command("toggle_agent", ("m",), "M", "human or agent plays"),
    Command("next_prompt", ("page down",), "PgDn", "next prompt"),
    Command("previous_prompt", ("page up",), "PgUp", "previous prompt"),
    Command("type_text", ("t",), "T", "type what happens next, Enter sends it"),
    Command("toggle_hud", ("h",), "H", "show or hide the numbers"),
    Command("toggle_legend", ("tab",), "Tab", "show or hide the keys of this world"),
    Command("screenshot", ("f12",), "F12", "save the picture to the working folder"),
    Command("fullscreen", ("f11",), "F11", "full screen"),
    Command("help", ("f1",), "F1", "this help"),
    Command("quit", ("escape",), "Esc", "quit"),
)

TEXT_COMMANDS = ("type_text",)
"""Commands that only worlds of texts have."""

_BY_KEY = {key: command.name for command in COMMANDS for key in command.keys}


class Keymap:
    """Translates pygame key names for one world."""

    def __init__(self, book_keys: Iterable[str], num_actions: int, texts: bool = False) -> None:
        """Create the map of a world.

        Args:
            book_keys: keys and chords of the action book in force.
            num_actions: how many latent actions the digits 1..8 can reach.
            texts: whether the world takes texts.
        """
        self._without = () if texts else TEXT_COMMANDS
        self._world_keys = {part for chord in book_keys for part in chord.split("+") if part}
        self._num_actions = num_actions

    def control(self, key: str) -> str | None:
        """The controls' key for pygame key name ``key``, or ``None`` when it is not a game key."""
        if key in self._world_keys:
            return key
        if key in _ALIASES:
            return _ALIASES[key]
        if key.isdigit() and 1 <= int(key) <= min(self._num_actions, 8):
            return f"{CODE_PREFIX}{int(key) - 1}"
        return key if key in ("left", "right", "up", "down", "space") else None

    def command(self, key: str, shift: bool) -> str | None:
        """The command for pygame key name ``key``. Keys that the world uses itself are never commands."""
        if shift and f"shift+{key}" in _BY_KEY:
            return _BY_KEY[f"shift+{key}"]
        command = None if key in self._world_keys else _BY_KEY.get(key)
        return None if command in self._without else command


def normalise(key: str) -> str:
    """One spelling for keys that have twins on the number pad."""
    return {"enter": "return", "[.]": ".", "keypad enter": "return"}.get(key, key)
