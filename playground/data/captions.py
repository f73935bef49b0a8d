"""Embeddings of a dataset's captions: made once, kept beside the frames, so that training needs no text model.

``captions.npz`` has one row a text, each caption followed by its paraphrases: ``embeddings`` (float16, R x 768; older
files have the first 384), ``caption`` (int32, the caption id of each row), ``sha256`` (uint8, R x 32, digest of each
text, which shows a file that belongs to other texts) and ``encoder`` (a name of the registry of text encoders).

The same layout ships for the built-in collectors, so that collecting needs no text model either. After a change of a
collector's texts, write its file again with ``python -m playground.data.captions SOURCE``.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground.core.errors import PlaygroundError, suggest
from playground.core.registry import COLLECTORS, TEXT_ENCODERS
from playground.data.format import NPZ_ERRORS, TEMPORARY_SUFFIX, DatasetInfo

LOGGER = logging.getLogger("playground.data")

CAPTIONS_NAME = "captions.npz"
ENCODER = "minilm"
"""The encoder of shipped and newly written embeddings."""
DIMS = (384, 768)
"""Lengths of embeddings that are read."""
MAX_TEXTS = 1 << 16
_CHUNK = 256
_SHIPPED = Path(__file__).parent / "worlds" / "captions"


@dataclass(frozen=True)
class CaptionEmbeddings:
    """R embedded texts of a caption table.

    Attributes:
        embeddings_RP: float16 (R, P), zeros for an empty text; see :mod:`playground.world.text`.
        caption_R: int32 caption id of each row, ascending; the first row of an id is the caption itself.
        encoder: name of the text encoder.
    """

    embeddings_RP: np.ndarray
    caption_R: np.ndarray
    encoder: str


def list_texts(captions: Sequence[str], paraphrases: Sequence[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    """All texts in the order of the rows, and the caption id (int32) of each."""
    groups = [[text, *others] for text, others in zip(captions, paraphrases or [[]] * len(captions), strict=True)]
    ids = np.repeat(np.arange(len(groups)), [len(group) for group in groups]).astype(np.int32)
    return [text for group in groups for text in group], ids


def store_captions(folder: Path, info: DatasetInfo) -> str | None:
    """Put the embeddings of ``info.captions`` into ``folder``, unless they are there already and as long as can be.

    They come from the package for the texts of a built-in collector, else from the text encoder if it is installed.

    Returns:
        Name of the encoder; None without captions, or where there is no way to embed them (said in the log).
    """
    if not info.captions:
        return None
    try:
        found = load_captions(folder, info)
    except PlaygroundError as error:
        LOGGER.info("writing the caption embeddings again: %s", error)
        found = None
    if found is None or found.embeddings_RP.shape[1] < TEXT_ENCODERS.get(ENCODER).dims:
        made = _shipped_captions(info) or _encoded_captions(info)
        if made is None:
            return found.encoder if found is not None else None
        found = made
        _write(folder / CAPTIONS_NAME, found, _digests(list_texts(info.captions, info.paraphrases)[0]))
    return found.encoder


def load_captions(folder: Path | str, info: DatasetInfo) -> CaptionEmbeddings | None:
    """Read ``captions.npz`` of a dataset folder; None when there is none.

    Raises:
        PlaygroundError: the file is damaged, or belongs to other texts than ``info``.
    """
    path = Path(folder) / CAPTIONS_NAME
    if not path.is_file():
        return None
    repair = f"write it again with: playground data embed {folder}"
    texts, ids_R = list_texts(info.captions, info.paraphrases)
    found, digests = _read(path, repair)
    if not np.array_equal(digests, _digests(texts)) or not np.array_equal(found.caption_R, ids_R):
        raise PlaygroundError(f"{path} belongs to other captions than dataset.json names; {repair}")
    return found


def shipped_path(source: str) -> Path:
    """Where the package keeps the embeddings of a collector's texts; the file may be missing."""
    return _SHIPPED / f"{source}.npz"


def is_shipped(source: str, captions: Sequence[str], paraphrases: Sequence[Sequence[str]]) -> bool:
    """Whether the package holds embeddings of all these texts.

    Raises:
        PlaygroundError: the shipped file is damaged.
    """
    info = DatasetInfo(source, size=64, fps=1.0, captions=list(captions), paraphrases=[list(p) for p in paraphrases])
    return _shipped_captions(info) is not None


def write_shipped(source: str, options: Sequence[dict[str, str]] = ({},)) -> int:
    """Embed the texts of a built-in collector into the package.

    Args:
        source: name of the collector.
        options: every set of options whose texts are wanted, for a collector whose texts depend on them.

    Returns:
        Number of texts.

    Raises:
        PlaygroundError: unknown collector or option, or the text encoder is not installed.
    """
    texts: dict[str, None] = {}
    for chosen in options:
        collector = COLLECTORS.get(source)(size=64, split="train", options=dict(chosen))
        texts |= dict.fromkeys(list_texts(collector.captions, getattr(collector, "paraphrases", []))[0])
    found = CaptionEmbeddings(_encode(list(texts)), np.arange(len(texts), dtype=np.int32), ENCODER)
    _SHIPPED.mkdir(exist_ok=True)
    _write(shipped_path(source), found, _digests(list(texts)))
    return len(texts)


def _shipped_captions(info: DatasetInfo) -> CaptionEmbeddings | None:
    path = shipped_path(info.source)
    # The source of a dataset from elsewhere is any text; it must not lead out of the folder.
    if Path(info.source).name != info.source or not path.is_file():
        return None
    found, digests = _read(path, "install the package again")
    row_of = {digest.tobytes(): row for row, digest in enumerate(digests)}
    texts, ids_R = list_texts(info.captions, info.paraphrases)
    rows = [row_of.get(digest.tobytes()) for digest in _digests(texts)]
    if None in rows:
        return None
    return CaptionEmbeddings(found.embeddings_RP[np.array(rows, np.int64)], ids_R, found.encoder)


def _encoded_captions(info: DatasetInfo) -> CaptionEmbeddings | None:
    texts, ids_R = list_texts(info.captions, info.paraphrases)
    try:
        return CaptionEmbeddings(_encode(texts), ids_R, ENCODER)
    except PlaygroundError as error:
        LOGGER.warning("the captions are stored without embeddings: %s", error)
        return None


def _encode(texts: list[str]) -> np.ndarray:
    encoder = TEXT_ENCODERS.get(ENCODER)()
    parts = [encoder.encode(texts[low : low + _CHUNK]) for low in range(0, len(texts), _CHUNK)]
    return np.concatenate([np.zeros((0, encoder.dims)), *parts]).astype(np.float16)


def _digests(texts: Sequence[str]) -> np.ndarray:
    joined = b"".join(hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(len(texts), 32)


def _write(path: Path, found: CaptionEmbeddings, digests: np.ndarray) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb") as file:
            np.savez(
                file,
                embeddings=found.embeddings_RP,
                caption=found.caption_R,
                sha256=digests,
                encoder=np.array(found.encoder),
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path, repair: str) -> tuple[CaptionEmbeddings, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_TEXTS * (2 * DIMS[-1] + 64):
                raise PlaygroundError(f"{path} is far larger than {MAX_TEXTS} texts need; {repair}")
        with np.load(path, allow_pickle=False) as arrays:
            embeddings_RP, caption_R = np.asarray(arrays["embeddings"]), np.asarray(arrays["caption"])
            digests, encoder = np.asarray(arrays["sha256"]), str(arrays["encoder"])
    except NPZ_ERRORS as error:
        raise PlaygroundError(f"{path} is cut short or damaged ({error}); {repair}") from error
    rows = len(caption_R) if caption_R.ndim == 1 else -1
    dims = next((known for known in DIMS if embeddings_RP.shape[-1:] == (known,)), DIMS[-1])
    expected = {
        "embeddings": (embeddings_RP, np.float16, (rows, dims)),
        "caption": (caption_R, np.int32, (rows,)),
        "sha256": (digests, np.uint8, (rows, 32)),
    }
    for name, (array, dtype, shape) in expected.items():
        if array.dtype != dtype or array.shape != shape:
            raise PlaygroundError(
                f"{path}: array {name!r} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}; {repair}"
            )
    if not np.isfinite(embeddings_RP).all() or np.abs(embeddings_RP).max(initial=0) > 1.01:
        raise PlaygroundError(f"{path}: array 'embeddings' holds values outside -1..1; {repair}")
    if encoder not in TEXT_ENCODERS.names():
        known = ", ".join(TEXT_ENCODERS.names())
        close = suggest(encoder[:40], TEXT_ENCODERS.names())
        raise PlaygroundError(f"{path}: unknown text encoder {encoder[:40]!r}.{close} Known: {known}.")
    return CaptionEmbeddings(embeddings_RP, caption_R, encoder), digests


def main(argv: Sequence[str] | None = None) -> None:
    """Write shipped embeddings: ``python -m playground.data.captions SOURCE [NAME=VALUE ...]``."""
    parser = argparse.ArgumentParser(prog="python -m playground.data.captions", description=main.__doc__)
    parser.add_argument("source", metavar="SOURCE", help="a built-in collector, for example flyover")
    parser.add_argument("options", nargs="*", metavar="NAME=VALUE", help="each adds the texts under that option")
    args = parser.parse_args(argv)
    options = [{}, *(dict([text.split("=", 1)]) for text in args.options)]
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    LOGGER.info("%s: %d texts", shipped_path(args.source), write_shipped(args.source, options))


if __name__ == "__main__":
    main()
