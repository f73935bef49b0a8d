"""Check this installation: what is there, what is missing, and the command that adds it."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_REQUIRED = ("torch", "numpy", "einops", "safetensors", "pillow", "tqdm")
_OPTIONAL = (
    ("pygame-ce", "the desktop window"),
    ("av", "videos: play.mp4 and import"),
    ("gradio", "the web demo"),
    ("gymnasium", "Gymnasium environments"),
    ("openvino", "a faster CPU backend"),
    ("procgen-mirror", "collecting from coinrun"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The command takes no options."""


def run(args: argparse.Namespace) -> int:
    """Print one line a check; returns 1 when something that everything needs is missing."""
    import playground
    from playground.core.device import physical_cores

    broken = False
    _line("ok", "playground", playground.__version__)
    _line("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    _line("ok", "cores", f"{physical_cores()} physical, {os.cpu_count()} logical")
    for package in _REQUIRED:
        found = _version(package)
        broken |= found is None
        _line("MISSING" if found is None else "ok", package, found or f"pip install {package}")
    for package, purpose in _OPTIONAL:
        found = _version(package)
        _line(
            "-" if found is None else "ok",
            package,
            found or f"not installed; {purpose}: pip install {package}",
        )
    if _version("torch"):
        from playground.core.device import pick_device

        _line("ok", "device", pick_device())
    if _version("pygame") and _version("pygame-ce"):
        broken = True
        _line(
            "BROKEN",
            "pygame",
            "pygame and pygame-ce overwrite each other: pip uninstall pygame; reinstall pygame-ce",
        )
    _line(*_display())
    broken |= not _worlds()
    return 1 if broken else 0


def _worlds() -> bool:
    """Load every world that ships; returns whether all of them loaded."""
    from apps.cli.worlds import known_worlds
    from playground.core.errors import PlaygroundError

    worlds = known_worlds()
    if not worlds:
        _line("-", "worlds", "none installed; playground play FOLDER plays one from a folder")
    good = True
    for name, folder in sorted(worlds.items()):
        try:
            from playground.world.bundle import World

            World.load(str(folder))
            _line("ok", f"world {name}", str(folder))
        except (PlaygroundError, ImportError) as error:
            good = False
            _line("BROKEN", f"world {name}", " ".join(str(error).split()))
    return good


def _display() -> tuple[str, str, str]:
    if not sys.platform.startswith("linux"):
        return "ok", "display", sys.platform
    name = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    return ("ok", "display", name) if name else ("-", "display", "none; play --headless works without one")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _line(state: str, name: str, detail: str) -> None:
    print(f"{state:<8} {name:<16} {detail}")
