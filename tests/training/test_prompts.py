"""Captions reach the dynamics as embeddings: random wordings, one a clip, from whatever the data holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.core.registry import TEXT_ENCODERS
from playground.data.captions import CAPTIONS_NAME, ENCODER, store_captions
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.training.prompts import load_prompts
from playground.world.text import PROMPT_DIMS, HashedEncoder

INFO = DatasetInfo(
    source="tiny",
    size=4,
    fps=10.0,
    captions=["day", "night"],
    paraphrases=[["noon", "sunshine"], ["the dark of night"]],
)


@pytest.fixture(autouse=True)
def quick_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXT_ENCODERS._classes, ENCODER, HashedEncoder)


def write(folder: Path, info: DatasetInfo, embed: bool = True) -> Path:
    with ClipWriter(folder, info) as writer:
        for number in range(12):
            writer.append(np.zeros((4, 4, 3), np.uint8), caption=number % 2 if info.captions else -1)
    if embed:
        store_captions(folder, info)
    return folder


def embedded(*texts: str) -> np.ndarray:
    return HashedEncoder().encode(texts).astype(np.float16).astype(np.float32)


def test_a_clip_keeps_one_random_wording_of_each_caption(tmp_path: Path) -> None:
    table = load_prompts(ClipDataset(write(tmp_path / "a", INFO), length=4), PROMPT_DIMS)
    assert table is not None
    assert table.encoder == "minilm"
    ids_BT = np.tile(np.array([0, 0, 1, -1, 0, 1]), (300, 1))
    drawn_BTP = table.draw(ids_BT, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn_BTP, table.draw(ids_BT, np.random.default_rng(0)))
    np.testing.assert_array_equal(drawn_BTP[:, 0], drawn_BTP[:, 1])
    np.testing.assert_array_equal(drawn_BTP[:, 0], drawn_BTP[:, 4])
    np.testing.assert_array_equal(drawn_BTP[:, 2], drawn_BTP[:, 5])
    assert not drawn_BTP[:, 3].any()
    for column, wordings in ((0, ("day", "noon", "sunshine")), (2, ("night", "the dark of night"))):
        same_BW = (drawn_BTP[:, column, None] == embedded(*wordings)).all(-1)
        assert same_BW.any(1).all()
        assert same_BW.mean(0) == pytest.approx([1 / len(wordings)] * len(wordings), abs=0.1)
    np.testing.assert_array_equal(
        table.plain(np.array([1, -1, 0])), [embedded("night")[0], 0 * embedded("")[0], embedded("day")[0]]
    )


def test_data_without_embeddings_is_embedded_by_spelling(tmp_path: Path) -> None:
    data = ClipDataset(write(tmp_path / "a", INFO, embed=False), length=4)
    table = load_prompts(data, PROMPT_DIMS)
    assert table is not None
    assert table.encoder == "hashed"
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    expected = HashedEncoder().encode(["day", "night"])
    np.testing.assert_array_equal(table.draw(np.array([[0, 1]]), rng)[0], expected)
    assert rng.bit_generator.state == state, "one wording each: nothing to draw"
    assert load_prompts(data, 0) is None
    fewer = load_prompts(data, 12)
    assert fewer is not None
    np.testing.assert_array_equal(fewer.rows_RP, table.rows_RP[:, :12])
    with pytest.raises(PlaygroundError, match="384 dims, the model expects 500; set prompt_dims"):
        load_prompts(data, 500)


def test_folders_share_captions_by_their_text(tmp_path: Path) -> None:
    other = replace(INFO, source="other", captions=["fog", "day"], paraphrases=[["mist"], ["never used"]])
    video = replace(INFO, source="import", captions=[], paraphrases=[])
    folders = [write(tmp_path / "a", INFO), write(tmp_path / "b", other), write(tmp_path / "c", video)]
    data = ClipDataset(folders, length=4)
    table = load_prompts(data, PROMPT_DIMS)
    assert table is not None
    assert data.captions == ["day", "night", "fog"]
    assert table.count_K.tolist() == [3, 2, 2, 1]
    np.testing.assert_array_equal(table.plain(np.arange(3)), embedded("day", "night", "fog"))
    assert load_prompts(ClipDataset(folders[2], length=4), PROMPT_DIMS) is None
    (folders[1] / CAPTIONS_NAME).unlink()
    with pytest.raises(PlaygroundError, match=r"/b has captions that are not embedded.*playground data embed .*/b"):
        load_prompts(data, PROMPT_DIMS)
