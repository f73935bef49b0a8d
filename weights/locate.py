"""From what a user typed, a name or a path, to the folder of a world bundle."""

from __future__ import annotations

import os
from pathlib import Path

from playground.core.errors import PlaygroundError, suggest
from weights.manifest import MANIFEST_NAME, shipped


def resolve(name_or_path: str | os.PathLike[str]) -> Path:
    """Find the folder of a world.

    Args:
        name_or_path: name of a shipped world, a bundle folder, or the ``world.json`` in one. A shipped name wins
            over a folder of the same name; write ``./name`` for the folder.

    Raises:
        PlaygroundError: nothing there; the message names the closest world and lists all of them.
    """
    text = os.fspath(name_or_path)
    worlds = shipped()
    if text in worlds:
        return worlds[text]
    try:
        path = Path(text).expanduser()
        if path.name == MANIFEST_NAME and path.is_file():
            return path.parent
        if text and (path / MANIFEST_NAME).is_file():
            return path
        exists = bool(text) and path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown ~user
        exists = False
    if exists:
        raise PlaygroundError(
            f"{text} is no world: it has no {MANIFEST_NAME}; give the folder that `playground pack` wrote"
        )
    known = f"Worlds here: {', '.join(worlds)}." if worlds else "No worlds are installed yet."
    raise PlaygroundError(
        f"there is no world {text[:200]!r}.{suggest(text, worlds)} {known} Or give the folder of a world bundle."
    )
