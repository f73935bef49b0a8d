"""Policies that need no training: random, sticky (holds an action for a while, like a person) and scripted.

A policy maps the current frame to the code of an action. All of them are deterministic by seed, and
``reset`` starts the same sequence again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import POLICIES

if TYPE_CHECKING:
    from playground.world.actions import ActionBook

_MAX_SCRIPT_BYTES = 4 << 20
_MAX_REPEAT = 100_000


class ActingPolicy(Protocol):
    """What the loop needs from a policy."""

    def act(self, frame: np.ndarray) -> int:
        """Return the code of the action to take at ``frame`` (uint8 (H, W, 3))."""
        ...

    def reset(self) -> None:
        """Start a new episode."""
        ...


def action_codes(action_book: ActionBook) -> list[int]:
    """Codes of all actions of a book, ascending."""
    return sorted({entry.code for entry in action_book.entries})


class RandomPolicy:
    """A new uniformly random action every frame."""

    def __init__(self, action_book: ActionBook, seed: int = 0) -> None:
        """Act with the actions of ``action_book``; ``seed`` fixes the sequence."""
        self._codes = action_codes(action_book)
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Start the same sequence again."""
        self._rng = np.random.default_rng(self._seed)

    def act(self, frame: np.ndarray) -> int:
        """Return a random action code."""
        return int(self._rng.choice(self._codes))


class StickyPolicy:
    """Holds each random action for a while, which moves a player further than a new action every frame."""

    def __init__(self, action_book: ActionBook, seed: int = 0, min_frames: int = 3, max_frames: int = 16) -> None:
        """Hold each action of ``action_book`` for ``min_frames`` to ``max_frames`` frames (inclusive)."""
        self._codes = action_codes(action_book)
        self._seed = seed
        self._hold = (min_frames, max_frames)
        self.reset()

    def reset(self) -> None:
        """Start the same sequence again."""
        self._rng = np.random.default_rng(self._seed)
        self._code = self._codes[0]
        self._left = 0

    def act(self, frame: np.ndarray) -> int:
        """Return the held action code, or a new one when its time is over."""
        if self._left == 0:
            self._code = int(self._rng.choice(self._codes))
            self._left = int(self._rng.integers(self._hold[0], self._hold[1] + 1))
        self._left -= 1
        return self._code


class ScriptedPolicy:
    """Plays a list of actions and then does nothing."""

    def __init__(self, action_book: ActionBook, seed: int = 0, actions: str | Iterable[Any] = "") -> None:
        """Prepare a script.

        Args:
            action_book: gives names and keys their meaning.
            seed: not used; every policy takes one.
            actions: ``"right*20,right+up,3"`` (names, keys or codes, ``*`` repeats) or an iterable of them.

        Raises:
            PlaygroundError: an action that the book does not know.
        """
        items = parse_script(actions) if isinstance(actions, str) else list(actions)
        self._actions = [int(action_book.resolve(item).code) for item in items]
        self._noop = int(action_book.noop.code)
        self.reset()

    def __len__(self) -> int:
        """Number of frames that the script covers."""
        return len(self._actions)

    def reset(self) -> None:
        """Start the script again."""
        self._next = 0

    def act(self, frame: np.ndarray) -> int:
        """Return the next action code of the script."""
        code = self._actions[self._next] if self._next < len(self._actions) else self._noop
        self._next += 1
        return code


def parse_script(text: str) -> list[str | int]:
    """Split ``"right*2, up 2"`` into ``["right", "right", "up", 2]``; commas, spaces and lines separate."""
    items: list[str | int] = []
    for word in text.replace(",", " ").split():
        name, star, count = word.rpartition("*")
        if star and not (count.isdigit() and 0 < int(count) <= _MAX_REPEAT):
            raise PlaygroundError(f"script item {word!r} has a bad repeat count; write it like right*20")
        name, times = (name, int(count)) if star else (word, 1)
        items.extend([int(name) if name.isdigit() else name] * times)
    return items


def read_script(path: Path | str) -> list[Any]:
    """Read actions from a text (see :func:`parse_script`) or an ``actions.json`` of ``play --headless``.

    Raises:
        PlaygroundError: the file is missing, too large, binary or holds no action list.
    """
    path = Path(path)
    if not path.is_file():
        raise PlaygroundError(f"controller file {path} does not exist; give a text file with actions")
    if path.stat().st_size > _MAX_SCRIPT_BYTES:
        raise PlaygroundError(f"controller file {path} is larger than 4 MB; give a list of actions")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return list(parse_script(text))
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlaygroundError(f"controller file {path} is not a text file with actions ({error})") from error
    actions = data.get("actions") if isinstance(data, dict) else data
    if not isinstance(actions, list):
        raise PlaygroundError(f"controller file {path} has no list 'actions'; use one that play --headless wrote")
    return [item.get("code") if isinstance(item, dict) else item for item in actions]


def make_policy(spec: str, action_book: ActionBook, seed: int = 0) -> ActingPolicy:
    """Build a policy from what a person typed.

    Args:
        spec: a registered name (``random``, ``sticky``), ``scripted:ACTIONS``, or the path of a file with
        actions.
        action_book: the world's actions.
        seed: fixes the sequence of random policies.

    Raises:
        PlaygroundError: no such policy or file, or an unknown action in a script.
    """
    name, _, rest = spec.partition(":")
    if name == "scripted":
        return ScriptedPolicy(action_book, seed, rest)
    if name in POLICIES.names() and not rest:
        return POLICIES.get(name)(action_book, seed)
    if Path(spec).is_file() or "/" in spec or Path(spec).suffix:
        return ScriptedPolicy(action_book, seed, read_script(spec))
    return POLICIES.get(name)(action_book, seed)
