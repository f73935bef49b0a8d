"""Caption embeddings are stored once beside the data, read strictly, and shipped for the built-in worlds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.cli.main import main
from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS, TEXT_ENCODERS
from playground.data import captions
from playground.data.captions import (
    CAPTIONS_NAME,
    is_shipped,
    list_texts,
    load_captions,
    shipped_path,
    store_captions,
    write_shipped,
)
from playground.data.collect import collect
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.world.text import HashedEncoder
from tests.data.counting import CounterCollector

INFO = DatasetInfo(
    source="tiny",
    size=4,
    fps=10.0,
    captions=["day", "night", "fog"],
    paraphrases=[["noon", "a bright day"], [], ["mist"]],
)
BUILT_IN = sorted(name for name in COLLECTORS._builtin)


class MissingEncoder:
    """Stands for an encoder whose packages are not installed."""

    def __init__(self) -> None:
        raise PlaygroundError("text encoder 'minilm' needs packages")


class CaptionedCollector(CounterCollector):
    """A counting world with captions."""

    captions = ["counting"]
    paraphrases = [["one two three"]]


@pytest.fixture(autouse=True)
def quick_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spelling instead of meaning: the same shape, without seconds of loading."""
    monkeypatch.setitem(TEXT_ENCODERS._classes, captions.ENCODER, HashedEncoder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset without frames, with stored embeddings."""
    ClipWriter(tmp_path, INFO).close()
    assert store_captions(tmp_path, INFO) == "minilm"
    return tmp_path


def edit(folder: Path, **arrays: Any) -> None:
    """Change arrays of ``captions.npz``; None removes one."""
    path = folder / CAPTIONS_NAME
    with np.load(path) as old:
        new = {**{name: old[name] for name in old.files}, **arrays}
    np.savez(path, **{name: array for name, array in new.items() if array is not None})


def test_texts_are_each_caption_and_its_paraphrases() -> None:
    texts, ids = list_texts(INFO.captions, INFO.paraphrases)
    assert texts == ["day", "noon", "a bright day", "night", "fog", "mist"]
    assert ids.tolist() == [0, 0, 0, 1, 2, 2]
    assert list_texts(["a", "b"], [])[1].tolist() == [0, 1]


def test_what_is_stored_is_read_back(folder: Path) -> None:
    table = load_captions(folder, INFO)
    assert table is not None
    assert (table.encoder, table.embeddings_RP.dtype) == ("minilm", np.float16)
    assert table.caption_R.tolist() == [0, 0, 0, 1, 2, 2]
    expected = HashedEncoder().encode(["day", "noon", "a bright day", "night", "fog", "mist"])
    np.testing.assert_array_equal(table.embeddings_RP, expected.astype(np.float16))
    assert not list(folder.glob(".*"))


def test_a_file_that_fits_is_left_alone_and_a_stale_one_is_written_again(folder: Path) -> None:
    path = folder / CAPTIONS_NAME
    before = path.stat().st_mtime_ns
    store_captions(folder, INFO)
    assert path.stat().st_mtime_ns == before
    other = replace(INFO, captions=["day", "night", "storm"])
    with pytest.raises(PlaygroundError, match=r"captions.npz belongs to other captions.*playground data embed"):
        load_captions(folder, other)
    store_captions(folder, other)
    assert load_captions(folder, other) is not None


def test_without_an_encoder_nothing_is_stored_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(TEXT_ENCODERS._classes, captions.ENCODER, MissingEncoder)
    assert store_captions(tmp_path, INFO) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "stored without embeddings: text encoder 'minilm' needs" in caplog.text
    assert load_captions(tmp_path, INFO) is None
    assert store_captions(tmp_path, replace(INFO, captions=[], paraphrases=[])) is None
    assert not list(tmp_path.iterdir())


def test_shipped_embeddings_need_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "_SHIPPED", tmp_path / "shipped")
    monkeypatch.setitem(COLLECTORS._classes, "tiny", CaptionedCollector)
    assert write_shipped("tiny") == 2
    monkeypatch.setitem(TEXT_ENCODERS._classes, captions.ENCODER, MissingEncoder)
    collect("tiny", 30, tmp_path / "data", size=8, progress=False)
    info = replace(INFO, captions=["counting"], paraphrases=[["one two three"]])
    table = load_captions(tmp_path / "data", info)
    assert table is not None
    expected = HashedEncoder().encode(["counting", "one two three"]).astype(np.float16)
    np.testing.assert_array_equal(table.embeddings_RP, expected)
    assert not is_shipped("tiny", ["counting again"], [])
    assert not is_shipped("../shipped/tiny", ["counting"], [])


@pytest.mark.parametrize("source", BUILT_IN)
def test_every_built_in_world_ships_embeddings_of_its_texts(source: str) -> None:
    collector = COLLECTORS.get(source)(size=64, split="train", options={})
    assert shipped_path(source).is_file(), f"write it: python -m playground.data.captions {source}"
    assert is_shipped(source, collector.captions, collector.paraphrases), (
        f"texts have changed; write them again: python -m playground.data.captions {source}"
    )
    texts, _ = list_texts(collector.captions, collector.paraphrases)
    assert collector.captions
    assert len(collector.captions) == len(collector.paraphrases) < 400
    assert all(3 <= len(group) <= 24 for group in collector.paraphrases)
    assert all(0 < len(text) <= 80 and text == text.lower() for text in texts)


def damaged(keep: float) -> Callable[[Path], None]:
    """A change that keeps only the first part of the file."""

    def change(folder: Path) -> None:
        path = folder / CAPTIONS_NAME
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    return change


def edited(**arrays: Any) -> Callable[[Path], None]:
    """A change of arrays."""
    return lambda folder: edit(folder, **arrays)


BAD: Sequence[tuple[Callable[[Path], None], str]] = [
    (damaged(0.5), "is cut short or damaged"),
    (damaged(0), "is cut short or damaged"),
    (edited(caption=None), "is cut short or damaged"),
    (edited(caption=np.array([{}], object)), "is cut short or damaged"),
    (edited(embeddings=np.zeros((6, 384))), r"'embeddings' is float64 \(6, 384\), expected float16 \(6, 384\)"),
    (edited(embeddings=np.zeros((6, 12), np.float16)), r"'embeddings' is float16 \(6, 12\)"),
    (edited(embeddings=np.full((6, 384), np.nan, np.float16)), "values outside -1..1"),
    (edited(embeddings=np.full((6, 384), 5, np.float16)), "values outside -1..1"),
    (edited(caption=np.zeros((6, 1), np.int32)), "'embeddings' is|'caption' is"),
    (edited(caption=np.array([0, 0, 0, 1, 2, 9], np.int32)), "belongs to other captions"),
    (edited(sha256=np.zeros((6, 32), np.uint8)), "belongs to other captions"),
    (edited(sha256=np.zeros((6, 8), np.uint8)), "'sha256' is"),
    (edited(encoder=np.array("minlm")), "unknown text encoder 'minlm'.*Did you mean 'minilm'"),
    (edited(extra=np.zeros((1 << 16, 240), np.float64)), "far larger than 65536 texts need"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_damage_is_named(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(PlaygroundError, match=message) as caught:
        load_captions(folder, INFO)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_embed_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClipWriter(tmp_path / "data", INFO).close()
    assert main(["data", "embed", str(tmp_path / "data")]) == 0
    assert "3 captions" in capsys.readouterr().out
    assert load_captions(tmp_path / "data", INFO) is not None
    ClipWriter(tmp_path / "none", replace(INFO, captions=[], paraphrases=[])).close()
    assert main(["data", "embed", str(tmp_path / "none")]) == 2
    assert "has no captions to embed" in capsys.readouterr().err


def test_shorter_embeddings_of_older_versions_are_read_and_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    ClipWriter(folder, INFO).close()
    store_captions(folder, INFO)
    old = load_captions(folder, INFO)
    assert old is not None
    assert old.embeddings_RP.shape[1] == 384

    class LongerEncoder(HashedEncoder):
        dims = 768

        def encode(self, texts: Sequence[str]) -> np.ndarray:
            return np.tile(super().encode(texts), 2)

    monkeypatch.setitem(TEXT_ENCODERS._classes, captions.ENCODER, LongerEncoder)
    assert load_captions(folder, INFO) is not None
    store_captions(folder, INFO)
    new = load_captions(folder, INFO)
    assert new is not None
    np.testing.assert_array_equal(new.embeddings_RP, np.tile(old.embeddings_RP, 2))
