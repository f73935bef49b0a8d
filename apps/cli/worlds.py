"""List the worlds that can be played by name, with size, speed and where they are."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from playground.core.config import read_json
from playground.core.errors import PlaygroundError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground worlds``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print one line a world."""
    import json

    worlds = [describe(name, folder) for name, folder in sorted(known_worlds().items())]
    if args.json:
        print(json.dumps(worlds, indent=2))
        return 0
    if not worlds:
        print("no worlds yet; make one with playground train and playground pack, or play a world by its folder")
        return 0
    width = max(7, *(len(_sources(world)) for world in worlds))
    print(f"{'name':<16} {'pixels':>7} {'fps':>5} {'actions':>8} {'MB':>7}  {'sources':<{width}}  folder")
    for world in worlds:
        print(
            f"{world['name']:<16} {world['frame_size']!s:>7} {_pace(world['fps']):>5} {world['actions']!s:>8}"
            f" {world['megabytes']:>7.1f}  {_sources(world):<{width}}  {world['folder']}"
        )
    return 0


def _pace(fps: Any) -> str:
    return f"{fps:.3g}" if isinstance(fps, (int, float)) else str(fps)


def _sources(world: dict[str, Any]) -> str:
    return " ".join(world["sources"]) or "-"


def known_worlds() -> dict[str, Path]:
    """Names and folders of the worlds that can be loaded by name."""
    import weights

    folders = [Path(weights.__file__).resolve().parent]
    found: dict[str, Path] = {}
    for root in folders:
        for manifest in sorted(root.glob("*/world.json")):
            found.setdefault(manifest.parent.name, manifest.parent)
    return found


def describe(name: str, folder: Path) -> dict[str, Any]:
    """Facts of one world, from its files; a damaged one is listed with question marks."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    facts: dict[str, Any] = {"name": name, "frame_size": "?", "fps": "?", "actions": "?", "sources": []}
    try:
        manifest = read_json(folder / "world.json")
        facts |= {key: manifest[key] for key in ("frame_size", "fps") if key in manifest}
        actions = manifest.get("num_actions", manifest.get("actions"))
        sources = manifest.get("sources", {})
        facts["sources"] = list(sources) if isinstance(sources, dict) else []
        facts["actions"] = actions if isinstance(actions, int) else "?"
    except PlaygroundError:
        pass
    return facts | {"megabytes": round(size / 1e6, 1), "folder": str(folder)}
