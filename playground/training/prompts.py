"""Caption embeddings as training uses them: any caption id becomes the embedding of one of its wordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import TEXT_ENCODERS
from playground.data.captions import CaptionEmbeddings, load_captions
from playground.data.dataset import ClipDataset

RECORD_NAME = "captions.json"
"""In a run folder: which text encoder the captions were embedded with."""

# Odd multipliers of a multiplicative hash; the choice of a wording need not be better than evenly spread.
_MIX_SALT, _MIX_ID = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class PromptTable:
    """Embedded wordings of K captions; the id -1 stands for "no caption" and has zeros.

    Attributes:
        rows_RP: float32 embeddings, the wordings of a caption side by side, zeros in the last row.
        first_K: int64 row of each caption's own text, and of "none" at the end.
        count_K: int64 number of wordings of each caption, 1 for "none" at the end.
        encoder: name of the text encoder; a world must be played with the same one.
    """

    rows_RP: np.ndarray
    first_K: np.ndarray
    count_K: np.ndarray
    encoder: str

    def plain(self, ids: np.ndarray) -> np.ndarray:
        """Embedding (..., P) of the captions themselves."""
        rows: np.ndarray = self.rows_RP[self.first_K[ids]]
        return rows

    def draw(self, ids_BT: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Embeddings (B, T, P) of one random wording for each caption of each clip.

        A caption keeps its wording for the whole clip, so that a change of the embedding always is an event.
        """
        if self.count_K.max() == 1:
            return self.plain(ids_BT)
        salt_B1 = rng.integers(0, 1 << 63, (len(ids_BT), 1)).astype(np.uint64)
        mixed_BT = (salt_B1 + ids_BT.astype(np.uint64) * _MIX_ID) * _MIX_SALT
        choice_BT = (mixed_BT >> np.uint64(33)).astype(np.int64) % self.count_K[ids_BT]
        rows: np.ndarray = self.rows_RP[self.first_K[ids_BT] + choice_BT]
        return rows


def load_prompts(dataset: ClipDataset, dims: int | None) -> PromptTable | None:
    """The prompts of a dataset's captions; None without captions or for a model without prompts (``dims`` 0).

    A model may take fewer dims than there are, the first ones; ``dims`` None gives all.

    Embeddings come from each folder's ``captions.npz``. Where no folder has one, the texts are embedded by spelling.

    Raises:
        PlaygroundError: folders that cannot be mixed, damaged embeddings, or fewer dims than asked for.
    """
    if not dataset.captions or dims == 0:
        return None
    stored = {
        index: load_captions(folder, info)
        for index, (folder, info) in enumerate(zip(dataset.folders, dataset.infos, strict=True))
        if info.captions
    }
    found = {index: table for index, table in stored.items() if table is not None}
    if not found:
        hashed = TEXT_ENCODERS.get("hashed")()
        rows = [[row] for row in np.asarray(hashed.encode(dataset.captions), np.float32)]
        return _table(rows, hashed.name, dims)
    encoders = {table.encoder for table in found.values()}
    for index in stored:
        if index not in found or len(encoders) > 1:
            raise PlaygroundError(
                f"{dataset.folders[index]} has captions that are not embedded like those of the other folders; "
                f"run: playground data embed {dataset.folders[index]}"
            )
    return _table(_wordings(dataset, found), encoders.pop(), dims)


def _wordings(dataset: ClipDataset, found: dict[int, CaptionEmbeddings]) -> list[list[np.ndarray]]:
    """Embeddings of each caption of the dataset, from the first folder that has it."""
    id_of = {text: index for index, text in enumerate(dataset.captions)}
    rows: list[list[np.ndarray]] = [[] for _ in dataset.captions]
    for folder, table in found.items():
        for local, text in enumerate(dataset.infos[folder].captions):
            if not rows[id_of[text]]:
                rows[id_of[text]] = list(table.embeddings_RP[table.caption_R == local].astype(np.float32))
    return rows


def _table(rows: list[list[np.ndarray]], encoder: str, dims: int | None) -> PromptTable:
    found = min(len(row) for group in rows for row in group)  # older data knows fewer
    dims = found if dims is None else dims
    if found < dims:
        raise PlaygroundError(f"the text encoder makes {found} dims, the model expects {dims}; set prompt_dims")
    count_K = np.array([len(group) for group in rows] + [1], np.int64)
    first_K = np.cumsum(count_K) - count_K
    stacked = np.stack([row[:dims] for group in rows for row in group] + [np.zeros(dims, np.float32)])
    return PromptTable(stacked, first_K, count_K, encoder)
