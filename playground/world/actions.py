"""What a player can do in a world: names and keys for its latent actions."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.core.config import config_from_dict, config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError, suggest

CODE_PREFIX = "#"


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        code: latent action that the dynamics understands, from 0.
        name: what it is called, unique within a world.
        keys: keys that mean it (``"left"``, ``"space"``, ``"a"``), or chords such as ``"right+up"``.
        noop: whether it is what happens when no key is held.
    """

    code: int
    name: str
    keys: tuple[str, ...] = ()
    noop: bool = False


@dataclass(frozen=True)
class _BookFile:
    """Schema of ``actions.json``."""

    actions: tuple[Action, ...]


class ActionBook:
    """All actions of a world, in the order they are shown; iterating gives the entries.

    Attributes:
        entries: the actions.
        noop: what happens when no key is held.
    """

    def __init__(self, entries: Iterable[Action], where: str = "the action book") -> None:
        """Check and index the entries.

        Args:
            entries: at least one action, exactly one of them the no-op. Several may share a code.
            where: the file they come from, for messages.

        Raises:
            PlaygroundError: a negative code, a name or key given twice, or not exactly one no-op.
        """
        self.entries: tuple[Action, ...] = tuple(entries)
        idle = [entry for entry in self.entries if entry.noop]
        if len(idle) != 1:
            raise PlaygroundError(
                f"{where}: {len(idle)} actions are marked 'noop'; mark exactly one, the one for no key held"
            )
        self.noop = idle[0]
        self._names: dict[str, Action] = {}
        self._chords: dict[frozenset[str], Action] = {}
        for entry in self.entries:
            if entry.code < 0:
                raise PlaygroundError(f"{where}: action {entry.name!r} has code {entry.code}; codes start at 0")
            if not entry.name or entry.name in self._names:
                raise PlaygroundError(f"{where}: the action name {entry.name!r} is empty or given twice; rename one")
            self._names[entry.name] = entry
            for key in entry.keys:
                chord = _chord(key)
                taken = self._chords.setdefault(chord, entry)
                if not chord or taken is not entry:
                    raise PlaygroundError(
                        f"{where}: key {key!r} of action {entry.name!r} is empty or also means {taken.name!r};"
                        " remove one"
                    )
        # A stable sort keeps the book's order among chords of equal length.
        self._longest_first = sorted(self._chords.items(), key=lambda item: -len(item[0]))

    @classmethod
    def plain(cls, num_actions: int) -> ActionBook:
        """A book without keys: code 0 does nothing, the others are called ``action 1`` and so on."""
        first = Action(0, "noop", (), noop=True)
        return cls([first, *(Action(code, f"action {code}") for code in range(1, num_actions))])

    @classmethod
    def from_entries(cls, entries: Sequence[Mapping[str, Any]], where: str = "actions") -> ActionBook:
        """A book from plain dicts with ``code``, ``name``, ``keys`` and ``noop``, as calibration returns them."""
        data = {"actions": [dict(entry) if isinstance(entry, Mapping) else entry for entry in entries]}
        return cls(config_from_dict(_BookFile, data, where).actions, where)

    @classmethod
    def load(cls, path: Path | str) -> ActionBook:
        """Read ``actions.json``.

        Raises:
            PlaygroundError: the file is missing or damaged, or a field is unknown, missing or wrong.
        """
        return cls(config_from_dict(_BookFile, read_json(path), str(path)).actions, str(path))

    def save(self, path: Path | str) -> None:
        """Write ``actions.json``."""
        write_json(path, {"actions": self.to_entries()})

    def to_entries(self) -> list[dict[str, Any]]:
        """The entries as plain dicts, the inverse of :meth:`from_entries`."""
        return [config_to_dict(entry) for entry in self.entries]

    def resolve(self, action: str | int | Action) -> Action:
        """Return the action that is meant.

        Args:
            action: a name, a key or chord in any order, a code (also as ``"3"`` or ``"#3"``), or an entry. A code below
                the highest one of the book is known to its world even without an entry: in a book of names (see
                :mod:`playground.world.intents`) the latent actions have none.

        Raises:
            PlaygroundError: the world has no such action; the message suggests the closest one.
        """
        if isinstance(action, Action):
            return self.resolve(action.code) if action not in self.entries else action
        if isinstance(action, str):
            found = self._names.get(action) or self._chords.get(_chord(action))
            if found is not None:
                return found
            digits = action.removeprefix(CODE_PREFIX)
            if not (digits.isascii() and digits.isdigit() and len(digits) < 9):
                raise PlaygroundError(self._unknown(action))
            action = int(digits)
        try:
            code = operator.index(action)
        except TypeError:
            raise PlaygroundError(
                f"an action is a name, a key or a code, not {type(action).__name__}; for example {self.noop.name!r}"
            ) from None
        for entry in self.entries:
            if entry.code == code:
                return entry
        if 0 <= code < max(entry.code for entry in self.entries):
            return Action(code, f"{CODE_PREFIX}{code}")
        raise PlaygroundError(self._unknown(str(code)))

    def from_keys(self, held: Iterable[str]) -> Action:
        """The action for the keys that are held: the longest chord they contain, the no-op for none."""
        keys = set(held)
        return next((entry for chord, entry in self._longest_first if chord <= keys), self.noop)

    def __iter__(self) -> Iterator[Action]:
        """The entries in order."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Number of entries."""
        return len(self.entries)

    def _unknown(self, wanted: str) -> str:
        names = [*self._names, *("+".join(sorted(chord)) for chord in self._chords)]
        known = ", ".join(repr(name) for name in self._names)
        return f"there is no action {wanted[:80]!r}.{suggest(wanted, names)} This world knows {known}."


def _chord(key: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in key.split("+") if part.strip())
