"""How flyover's drawing code is compiled; importing this module imports Numba."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit

from playground.engine.compiled import cache_folder as user_folder

# Numba sets these names one by one while it is imported, where no type checker sees them.
_SETTINGS: Any = config


@functools.cache
def code_folder() -> str | None:
    """Folder of the compiled code, named after a digest of all of flyover's source; None where none can be written.

    Numba compares only the file of the compiled function itself, but constants and functions of the other files are
    compiled into it: a cache in one place would go on drawing with what those files held before.
    """
    here = Path(__file__).parent
    sources = sorted(here.glob("*.py"))
    if not sources:
        # Imported from an archive: nothing says whether cached code is still right.
        return None
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    for parent in (_SETTINGS.CACHE_DIR, here / "__pycache__", user_folder()):
        if not parent:
            continue
        folder = Path(parent) / f"flyover-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return str(folder)
    return None


def _compiled(apart: bool = False, **flags: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator like ``numba.njit`` whose cache is ``code_folder()``.

    Args:
        apart: promise that no array which a call writes overlaps another one that it is given. Numba has the flag but
            no argument for it. Without it LLVM makes SIMD code of hardly any loop that looks things up in a map: it
            cannot rule out that writing one result changes the map.
        flags: arguments of ``numba.njit``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        folder, before = code_folder(), _SETTINGS.CACHE_DIR
        # Numba asks for the folder once, while it wraps the function, and knows no other way to be told.
        _SETTINGS.CACHE_DIR = folder or before
        try:
            dispatcher = njit(cache=folder is not None, error_model="numpy", **flags)(function)
        finally:
            _SETTINGS.CACHE_DIR = before
        if apart:
            dispatcher._compiler._customize_flags = _mark_apart
        return dispatcher

    return decorate


def _mark_apart(flags: Any) -> Any:
    flags.noalias = True
    return flags


kernel = _compiled()
# For what runs once a pixel: without reference counts, whose atomic additions took most of the time. Such a function
# must not make arrays, and the arrays of a call must not overlap where it writes.
# The flags promise that no number is infinite or undefined; none of them changes the order of additions.
pixel_kernel = _compiled(apart=True, _nrt=False, fastmath={"nnan", "ninf", "nsz", "arcp"})
# Passing arrays to a compiled function costs more than a pixel does, so whatever runs once a pixel is inlined.
inlined = _compiled(inline="always")
