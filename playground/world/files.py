"""Files of a bundle: confined to its folder, limited in size, and checked against their sha256."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from playground.core.errors import PlaygroundError

MANIFEST_NAME = "world.json"

MAX_FILE_BYTES = 512_000_000
"""Largest file of a bundle that is read; shipped ones are far smaller, see ``weights.manifest``."""

MAX_BUNDLE_BYTES = 4_000_000_000
"""Largest bundle that is read, all listed files together."""


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(folder: Path) -> dict[str, str]:
    """Name to sha256 of every file directly in ``folder``, sorted by name."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}


def confined(folder: Path, relative: str, where: str) -> Path:
    """The path of a file in a bundle.

    Args:
        folder: the bundle.
        relative: what the manifest says, with forward slashes.
        where: the manifest, for messages.

    Raises:
        PlaygroundError: the path is absolute, or leads out of the folder (also through a link).
    """
    parts = PurePosixPath(relative)
    suspicious = "\\" in relative or ":" in relative or "\0" in relative
    if not relative or suspicious or parts.is_absolute() or ".." in parts.parts:
        raise PlaygroundError(f"{where}: path {relative!r} leads out of the bundle; list only files inside it")
    path = folder / parts
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PlaygroundError(f"{where}: {relative!r} is a link out of the bundle; replace it by the file itself")
    return path


def check_files(folder: Path, wanted: Mapping[str, str], where: str) -> None:
    """Check that every listed file is there, of acceptable size and unchanged.

    Args:
        folder: the bundle.
        wanted: relative path to sha256.
        where: the manifest, for messages.

    Raises:
        PlaygroundError: naming the first file that is missing, too large or changed.
    """
    paths = {confined(folder, relative, where): sha for relative, sha in wanted.items()}
    total = 0
    for path in paths:
        if not path.is_file():
            raise PlaygroundError(f"{path} is missing, but {where} lists it; get the bundle again")
        size = path.stat().st_size
        total += size
        if size > MAX_FILE_BYTES or total > MAX_BUNDLE_BYTES:
            raise PlaygroundError(
                f"{path} makes the bundle too large (a file has at most {MAX_FILE_BYTES} bytes, a bundle"
                f" {MAX_BUNDLE_BYTES}); this is not a world to load"
            )
    for path, sha in paths.items():
        if sha256_of(path) != sha:
            raise PlaygroundError(
                f"{path} is damaged or was changed: its sha256 is not the one in {where}; get the bundle again"
            )


def check_unlisted(folder: Path, names: Mapping[str, str], where: str) -> None:
    """Refuse weights that lie in a component folder without being listed: they would be loaded unchecked."""
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".json") and path.name not in names:
            raise PlaygroundError(f"{path} is not listed in {where}; remove it or pack the bundle again")


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to fill that takes the place of ``folder`` when all went well.

    A reader sees the old bundle or the new one. An old bundle is replaced; a folder of anything else is not.

    Raises:
        PlaygroundError: ``folder`` holds something that is no bundle.
    """
    folder = folder.absolute()
    occupied = folder.exists() and not (folder / MANIFEST_NAME).is_file()
    if occupied and (not folder.is_dir() or any(folder.iterdir())):
        raise PlaygroundError(f"{folder} exists and is no world; choose another folder or remove it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        temporary.chmod(0o755)
        yield temporary
        retired = temporary.with_suffix(".old")
        if folder.exists():
            folder.rename(retired)
        try:
            temporary.rename(folder)
        except OSError:
            if retired.exists():
                retired.rename(folder)
            raise
        shutil.rmtree(retired, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
