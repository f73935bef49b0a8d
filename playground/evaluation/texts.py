"""Captions of true clips as the world takes them: embedded with its own text encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def embed_captions(world: Any, captions: Sequence[str], datasets: Iterable[Any]) -> torch.Tensor | None:
    """Embedding of each caption, float32 ``(B, P)``; None for a world without texts or clips without captions.

    Embeddings that lie beside the data are used when the world has the same encoder, so that no text model is needed.

    Raises:
        PlaygroundError: the world's encoder is needed and not installed.
    """
    if not getattr(world, "prompt_dims", 0) or not any(captions):
        return None
    import torch

    dims = int(getattr(world, "text_dims", world.prompt_dims))
    known = {"": np.zeros(dims, np.float32)}
    stored = _stored(datasets, world.manifest.text_encoder)
    known |= {text: row[:dims] for text, row in stored.items() if len(row) >= dims}  # older data has fewer numbers
    for text in dict.fromkeys(captions):
        if text not in known:
            known[text] = world.embed(text)
    return torch.from_numpy(np.stack([known[text] for text in captions]).astype(np.float32))


def _stored(datasets: Iterable[Any], encoder: str | None) -> dict[str, np.ndarray]:
    from playground.data.captions import load_captions

    found: dict[str, np.ndarray] = {}
    for dataset in datasets:
        for folder, info in zip(getattr(dataset, "folders", ()), getattr(dataset, "infos", ()), strict=True):
            table = load_captions(folder, info) if info.captions else None
            if table is None or table.encoder != encoder:
                continue
            # A caption's own text comes before its other wordings, and the first row counts.
            for row, caption in zip(table.embeddings_RP, table.caption_R.tolist(), strict=True):
                found.setdefault(info.captions[caption], np.asarray(row, np.float32))
    return found
