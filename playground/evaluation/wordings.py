"""Held-out wordings: how a person might ask for a caption in words that no training text uses.

``wordings/SOURCE.json`` is one object, phrase to other phrase; each phrase of a caption is replaced once, in order.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from playground.core.config import read_json

_FOLDER = Path(__file__).parent / "wordings"


def held_out_wording(source: str, caption: str, known: Collection[str] = ()) -> str | None:
    """Another wording of a caption of a built-in source.

    Args:
        source: name of the dataset's source.
        caption: one of its captions.
        known: texts that a world may have been trained with; a wording among them is not held out.

    Returns:
        The wording, or None when there is none for this source or caption.
    """
    path = _FOLDER / f"{source}.json"
    # The source of a dataset from elsewhere is any text; it must not lead out of the folder.
    if Path(source).name != source or not path.is_file():
        return None
    wording = caption
    for phrase, other in read_json(path).items():
        wording = wording.replace(phrase, other, 1)
    return wording if wording != caption and wording not in known else None
