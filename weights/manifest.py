"""Which worlds ship with the project: every folder beside this file that holds a ``world.json``."""

from __future__ import annotations

from pathlib import Path

MANIFEST_NAME = "world.json"
"""The file that makes a folder a world bundle."""

SHIPPED_FILE_BYTES = 16_000_000
"""Largest file of a shipped bundle, so that it fits ordinary hosting limits."""

SHIPPED_BUNDLE_BYTES = 64_000_000
"""Largest shipped bundle, all files together."""


def shipped(root: Path | None = None) -> dict[str, Path]:
    """Names and folders of the bundles under ``root`` (by default those of this installation), sorted by name."""
    root = Path(__file__).resolve().parent if root is None else root
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{MANIFEST_NAME}"))}


def names() -> list[str]:
    """Names that :func:`weights.locate.resolve` knows, sorted."""
    return list(shipped())


def oversized(folder: Path) -> list[str]:
    """What is too large about a bundle for shipping it: one line a problem, empty when it fits."""
    sizes = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    problems = [
        f"{path} has {size} bytes; a shipped file has at most {SHIPPED_FILE_BYTES}"
        for path, size in sizes.items()
        if size > SHIPPED_FILE_BYTES
    ]
    if sum(sizes.values()) > SHIPPED_BUNDLE_BYTES:
        problems.append(
            f"{folder} has {sum(sizes.values())} bytes; a shipped bundle has at most {SHIPPED_BUNDLE_BYTES}"
        )
    return problems
