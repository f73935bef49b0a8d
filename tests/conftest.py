"""Fixtures and settings that every test shares; fixtures of one subject live in that subject's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

# Set before any test imports torch, pygame or gradio: no window on somebody's screen, no calls home, and idle
# worker threads that sleep (two busy pools on a small machine make every test several times slower).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # processes side by side share the cores instead of fighting for them
    shared = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    os.environ.setdefault("OMP_NUM_THREADS", str(shared))
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cache folder, so that no test reads what the user or an earlier version of the code left behind."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))  # also inherited by programs that a test starts
        patch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(folder))  # its name on Windows
        yield folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that pyproject.toml lies in."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def rng() -> np.random.Generator:
    """A numpy generator with a fixed seed, for tests that only need some numbers."""
    return np.random.default_rng(0)
