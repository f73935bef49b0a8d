"""Collected data with labels and captions, and imported video without either, train the same stages as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.core.component import load_component
from playground.core.config import read_json
from playground.core.registry import DYNAMICS, TEXT_ENCODERS
from playground.data.captions import ENCODER, store_captions
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.training.book import action_entries
from playground.training.pack import pack
from playground.training.run import train
from playground.world.manifest import WorldManifest
from playground.world.text import HashedEncoder
from tests.tiny_data import make_tiny_dataset


@pytest.fixture(scope="module")
def collected(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The moving square with captions that change inside episodes, as ``collect`` writes it."""
    data = ClipDataset(tiny_data, length=1)
    info = DatasetInfo(
        source="square",
        size=16,
        fps=20.0,
        action_names=data.action_names,
        captions=["a square by day", "a square by night"],
        paraphrases=[["daylight"], ["darkness"]],
    )
    folder = tmp_path_factory.mktemp("square") / "data"
    with ClipWriter(folder, info) as writer, pytest.MonkeyPatch.context() as patch:
        patch.setitem(TEXT_ENCODERS._classes, ENCODER, HashedEncoder)
        store_captions(folder, info)
        taken_T = np.append(data.actions_T[1:], -1)
        for t in range(300):
            frame = np.array(data.frames(t, t + 1)[0])
            writer.append(frame, action=int(taken_T[t]), episode=t // 40, caption=t // 10 % 2)
    return folder


@pytest.fixture(scope="module")
def imported(collected: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same episodes as ``import`` writes them: no actions, no captions."""
    data = ClipDataset(collected, length=1)
    folder = tmp_path_factory.mktemp("import") / "data"
    with ClipWriter(folder, DatasetInfo(source="import", size=16, fps=15.0)) as writer:
        for t in range(data.num_frames):
            writer.append(np.array(data.frames(t, t + 1)[0]), episode=t // 40)
    return folder


@pytest.fixture
def preset(tiny_preset: Path) -> Path:
    """Latent actions, and dynamics that take texts."""
    text = tiny_preset.read_text().replace('"label"', '"latent"')
    tiny_preset.write_text(text + "prompt_dims = 384\n")
    return tiny_preset


@pytest.mark.parametrize("names", [["collected"], ["imported"], ["collected", "imported"]])
def test_every_kind_of_data_trains_every_stage(
    names: list[str], collected: Path, imported: Path, preset: Path, tmp_path: Path
) -> None:
    folders = [{"collected": collected, "imported": imported}[name] for name in names]
    out = tmp_path / "run"
    results = train("all", str(preset), folders, out, steps=3, device="cpu", progress=False)
    assert all(result.finished for result in results.values())
    books = sorted(path.name for path in out.glob("actions*.json"))
    several = ["actions-import.json", "actions-square.json", "actions.json"]
    assert books == (several if len(names) == 2 else ["actions.json"])
    encoder = "minilm" if "collected" in names else None
    assert read_json(out / "captions.json") == {"text_encoder": encoder}
    pack(out, tmp_path / "world", prompts=2)
    assert WorldManifest.load(tmp_path / "world").text_encoder == encoder
    takes_texts = load_component(DYNAMICS, out / "dynamics" / "export").config.prompt_dims > 0
    assert takes_texts == (encoder is not None), "a world that never saw a text must not claim to take one"


def test_recorded_actions_of_one_source_and_none_of_another(
    collected: Path, imported: Path, preset: Path, tmp_path: Path
) -> None:
    text = preset.read_text().replace('"latent"\n[dynamics.model]', '"label"\n[dynamics.model]')
    preset.write_text("source_weights = { square = 3, import = 1 }\n" + text)
    for stage in ("tokenizer", "dynamics"):
        train(stage, str(preset), [imported, collected], tmp_path, steps=3, device="cpu", progress=False)
    assert load_component(DYNAMICS, tmp_path / "dynamics" / "export").num_actions == 5
    book = read_json(tmp_path / "actions.json")["actions"]
    assert [entry["name"] for entry in book] == ["noop", "left", "right", "up", "down"]


def test_the_book_of_one_source_does_not_see_the_others(collected: Path, tmp_path: Path) -> None:
    """A code that means right in one source and left in another has both names in the two books."""
    mirrored = make_tiny_dataset(tmp_path / "mirrored", seed=1)
    data = ClipDataset([collected, mirrored], length=2)
    swap = np.array([0, 2, 1, 3, 4])
    codes = np.where(data.source_T == 1, swap[data.actions_T], data.actions_T)
    codes = np.where(data.actions_T < 0, -1, codes)
    one, two = (
        action_entries(data, np.where(data.source_T == index, codes, -1), 5, "latent", seed=0) for index in (0, 1)
    )
    assert [entry["name"] for entry in one][1:3] == ["left", "right"]
    assert [entry["name"] for entry in two][1:3] == ["right", "left"]


def test_recorded_actions_get_keys_in_the_sources_that_have_them(collected: Path, tmp_path: Path) -> None:
    info = DatasetInfo(source="flight", size=16, fps=20.0, action_names=["noop", "climb"])
    with ClipWriter(tmp_path / "flight", info) as writer:
        for t in range(4):
            writer.append(np.zeros((16, 16, 3), np.uint8), action=t % 2)
    data = ClipDataset([collected, tmp_path / "flight"], length=2)
    keys = {
        source: {e["name"] for e in action_entries(data, data.actions_T, 6, "label", 0, source) if e["keys"]}
        for source in ("square", "flight")
    }
    assert keys == {"square": {"left", "right", "up", "down"}, "flight": {"climb"}}
    assert [e["name"] for e in action_entries(data, data.actions_T, 6, "label", 0, "flight") if e["noop"]] == ["noop"]
