"""Which files an import reads: folders are searched, links inside them are not followed, equal files count once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from playground.core.errors import PlaygroundError

SUFFIXES = frozenset(
    {
        ".3g2",
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogm",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    }
)
_FINGERPRINT_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """One video file.

    Attributes:
        path: where it lies.
        name: how reports call it: relative to the folder that was asked for, starting with that folder's name.
        fingerprint: hash of its length, first and last part; the same file is known again in another folder.
    """

    path: Path
    name: str
    fingerprint: str


@dataclass(frozen=True)
class Found:
    """What a search for videos gave.

    Attributes:
        sources: every different video once, sorted by name within each given path.
        notes: one line for each file that was left out and may be missed: links, second copies, unreadable files.
    """

    sources: list[Source]
    notes: list[str]


def find_videos(paths: Iterable[Path | str]) -> Found:
    """List the videos under ``paths`` (files, or folders with all their subfolders).

    A path that is given may be a link. Links *inside* a folder are left out, so that a folder from somewhere else
    cannot pull in files from outside it.

    Raises:
        PlaygroundError: a path does not exist, or there is no video at all.
    """
    sources: list[Source] = []
    notes: list[str] = []
    known: dict[str, str] = {}
    given = [Path(path) for path in paths]
    for path in given:
        for file, name in _files(path, notes):
            try:
                mark = _fingerprint(file)
            except OSError as error:
                notes.append(f"{name}: cannot be read ({error.strerror})")
                continue
            if mark in known:
                notes.append(f"{name}: the same file as {known[mark]}, imported once")
                continue
            known[mark] = name
            sources.append(Source(file, name, mark))
    if not sources:
        listed = ", ".join(map(str, given))
        reasons = f" ({notes[0]})" if notes else ""
        raise PlaygroundError(
            f"no video in {listed}{reasons}; known endings are {' '.join(sorted(SUFFIXES))}, other files can be named"
        )
    return Found(sources, notes)


def _files(path: Path, notes: list[str]) -> list[tuple[Path, str]]:
    if path.is_file():
        return [(path, _shown(path.name))]
    if not path.exists():
        raise PlaygroundError(f"{path} does not exist; name a video or a folder with videos")
    if not path.is_dir():
        raise PlaygroundError(f"{path} is neither a file nor a folder; name a video or a folder with videos")
    root = path.resolve()
    found: list[tuple[Path, str]] = []

    def name_of(file: Path) -> str:
        return _shown((Path(root.name) / file.relative_to(root)).as_posix())

    def note(error: OSError) -> None:
        notes.append(f"{name_of(Path(error.filename))}: cannot be read ({error.strerror})")

    for folder, folders, files in os.walk(root, onerror=note, followlinks=False):
        for entry in sorted(folders + files):
            file = Path(folder) / entry
            try:
                if file.is_symlink() and (file.is_dir() or file.suffix.lower() in SUFFIXES):
                    notes.append(f"{name_of(file)}: a link, not followed; name its target to import it")
                elif file.suffix.lower() in SUFFIXES and file.is_file():
                    found.append((file, name_of(file)))
            except OSError as error:
                note(error)
    return sorted(found, key=lambda item: (item[1], str(item[0])))


def _shown(name: str) -> str:
    """``name`` as text that can be printed and stored: on Linux a file name may be bytes that are not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _fingerprint(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        length = stream.seek(0, os.SEEK_END)
        digest.update(str(length).encode())
        for start in {0, max(0, length - _FINGERPRINT_BYTES)}:
            stream.seek(start)
            digest.update(stream.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()[:32]
