"""Playable generated worlds: load a world, press keys, get frames.

Importing this package is cheap: every public name is resolved on first use, so that command-line help never pays
for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "World": "playground.world.bundle",
    "ActionBook": "playground.world.actions",
    "Prompt": "playground.world.prompt",
    "Engine": "playground.engine.engine",
    "Session": "playground.session.session",
    "PlaygroundError": "playground.core.errors",
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    """Import the module behind a public name the first time that it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'playground' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted(__all__)
