"""Files of a bundle that tell its sources apart: ``actions-SOURCE.json`` and ``sources.safetensors``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.config import config_to_dict
from playground.core.errors import PlaygroundError
from playground.world.files import sha256_of
from playground.world.manifest import SAFE_NAME, PromptFacts, WorldManifest
from playground.world.sources import LOOKS_NAME, Look, Source, book_name

_CAPTIONS = "captions"


def write_sources(
    folder: Path, sources: Mapping[str, Source], prompts: Mapping[str, PromptFacts], captions: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Write books, looks and embeddings into a bundle folder.

    Args:
        folder: the bundle.
        sources: what is known of each, by name.
        prompts: what is known of each prompt, by its name without the ending.
        captions: embedding of each caption of a prompt; without one of them none is written.

    Returns:
        The fields of the manifest that tell of the files.

    Raises:
        PlaygroundError: the name of a source is no file name.
    """
    entries: dict[str, Any] = {}
    for name, source in sources.items():
        if not SAFE_NAME.fullmatch(name):
            raise PlaygroundError(f"source name {name!r} is no file name; use letters, digits, '-' and '_'")
        entries[name] = {"fps": source.fps}
        if source.actions is not None:
            source.actions.save(folder / book_name(name))
            entries[name]["actions"] = sha256_of(folder / book_name(name))
        if source.look is not None:
            entries[name] |= {
                "distances": list(source.look.distances),
                "reconstruction_db": source.look.reconstruction_db,
            }
    used = _captions(prompts.values())
    known = {text: captions[text] for text in used} if all(text in captions for text in used) else {}
    written = _save(folder / LOOKS_NAME, sources, known)
    return {
        "sources": entries,
        "source_looks": sha256_of(folder / LOOKS_NAME) if written else "",
        "prompt_facts": {f"{name}.png": config_to_dict(facts) for name, facts in prompts.items()},
    }


def read_looks(
    folder: Path, manifest: WorldManifest, sources: Mapping[str, Source], features: int, dims: int
) -> tuple[dict[str, Source], dict[str, np.ndarray]]:
    """Complete sources by what :func:`write_sources` wrote of them.

    Args:
        folder: the bundle.
        manifest: its manifest.
        sources: all sources of the manifest, with their books.
        features: F of the looks.
        dims: P of the texts.

    Returns:
        The sources with looks and texts, and the embedding of each caption of a shipped prompt.

    Raises:
        PlaygroundError: damaged, an unknown tensor, a wrong shape, or numbers that are not finite.
    """
    path, texts = folder / LOOKS_NAME, _captions(manifest.prompt_facts.values())
    shapes: dict[str, tuple[int, ...]] = {_CAPTIONS: (len(texts), dims)}
    for name in sources:
        shapes |= {f"{name}/mean": (features,), f"{name}/whiten": (features, features), f"{name}/error": (1,)}
        shapes[f"{name}/text"] = (dims,)
    tensors = _load(path, shapes)
    complete = {
        name: replace(source, look=_look(tensors, name, path, manifest), text_P=tensors.get(f"{name}/text"))
        for name, source in sources.items()
    }
    rows = tensors.get(_CAPTIONS)
    return complete, {} if rows is None else dict(zip(texts, np.array(rows), strict=True))


def _captions(facts: Iterable[PromptFacts]) -> list[str]:
    """The captions of prompts, each once, in order."""
    return list(dict.fromkeys(fact.caption for fact in facts if fact.caption))


def _save(path: Path, sources: Mapping[str, Source], captions: Mapping[str, np.ndarray]) -> bool:
    """Write looks and embeddings; returns False, and no file, where there are none."""
    from safetensors.numpy import save_file

    tensors: dict[str, np.ndarray] = {}
    for name, source in sources.items():
        if source.look is not None:
            tensors[f"{name}/mean"] = source.look.mean_F.astype(np.float32)
            tensors[f"{name}/whiten"] = np.ascontiguousarray(source.look.whiten_FF, np.float32)
            tensors[f"{name}/error"] = np.array([source.look.error], np.float32)
        if source.text_P is not None:
            tensors[f"{name}/text"] = source.text_P.astype(np.float32)
    if captions:
        tensors[_CAPTIONS] = np.stack(list(captions.values())).astype(np.float32)
    if not tensors:
        return False
    save_file(tensors, str(path))
    path.chmod(0o644)  # safetensors writes files that only the owner can read
    return True


def _load(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: dict[str, np.ndarray] = load_file(str(path))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise PlaygroundError(f"{path} is damaged or cut short ({error}); get the bundle again") from error
    for name, tensor in tensors.items():
        if name not in shapes:
            raise PlaygroundError(f"{path}: unknown tensor {name!r}; pack the world again")
        if tensor.shape != shapes[name] or tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise PlaygroundError(
                f"{path}: tensor {name!r} is {tensor.dtype} {tensor.shape}, expected finite float32 {shapes[name]};"
                " pack the world again"
            )
    return tensors


def _look(tensors: Mapping[str, np.ndarray], name: str, path: Path, manifest: WorldManifest) -> Look | None:
    parts = [tensors[f"{name}/{part}"] for part in ("mean", "whiten", "error") if f"{name}/{part}" in tensors]
    if not parts:
        return None
    if len(parts) != 3 or parts[2][0] <= 0:
        raise PlaygroundError(f"{path}: the look of source {name!r} is not complete; pack the world again")
    facts = manifest.sources[name]
    return Look(parts[0], parts[1], float(parts[2][0]), tuple(facts.distances), facts.reconstruction_db)
