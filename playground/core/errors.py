"""Errors that are meant for the person in front of the screen: one line that names the cause and the fix."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PlaygroundError(Exception):
    """Bad input or a missing part. The message is one line: what is wrong, where, and how to fix it."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known name, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
