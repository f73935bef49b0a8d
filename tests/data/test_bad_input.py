"""Every way in which a dataset can be wrong gives one line that names the file and the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.dataset import ClipDataset
from playground.data.describe import describe, histogram
from playground.data.format import STEP_DTYPES, DatasetInfo, remove_leftovers
from playground.data.writer import ClipWriter
from tests.tiny_data import make_tiny_dataset

INFO = DatasetInfo(source="count", size=4, fps=10.0, action_names=["a"], captions=["day"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small valid dataset of two shards."""
    return make_tiny_dataset(tmp_path / "data", frames=60)


def edit_info(folder: Path, **fields: object) -> None:
    """Change fields of ``dataset.json``; a value of None removes the field."""
    path = folder / "dataset.json"
    data = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({name: value for name, value in data.items() if value is not None}))


def edit_steps(folder: Path, **columns: np.ndarray | None) -> None:
    """Change arrays of the first shard's steps; None removes one."""
    path = folder / "0000.steps.npz"
    with np.load(path) as arrays:
        steps = {**{name: arrays[name] for name in STEP_DTYPES}, **columns}
    np.savez(path, **{name: value for name, value in steps.items() if value is not None})


def cut(name: str, keep: float) -> Callable[[Path], None]:
    """A change that keeps only the first part of a file."""

    def change(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    return change


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no info": (lambda f: (f / "dataset.json").unlink(), r"not a clip dataset.*dataset.json.*playground collect"),
    "info not json": (lambda f: (f / "dataset.json").write_text("{"), r"dataset.json is not valid JSON"),
    "schema": (lambda f: edit_info(f, schema_version=9), r"dataset.json.*schema_version.*9.*again"),
    "unknown field": (lambda f: edit_info(f, sizes=3), r"unknown field 'sizes'.*'size'"),
    "missing field": (lambda f: edit_info(f, fps=None), r"'fps' is missing"),
    "wrong type": (lambda f: edit_info(f, size="big"), r"'size' must be int"),
    "fps": (lambda f: edit_info(f, fps=0), r"'fps' must be above 0"),
    "seed range": (lambda f: edit_info(f, seed_range=[1]), r"seed_range"),
    "other size": (lambda f: edit_info(f, size=32), r"0000.frames.npy holds uint8.*32.*delete this shard"),
    "cut frames": (cut("0000.frames.npy", 0.5), r"0000.frames.npy is cut short.*delete this shard"),
    "cut header": (cut("0000.frames.npy", 0.001), r"0000.frames.npy is cut short"),
    "empty frames": (cut("0001.frames.npy", 0), r"0001.frames.npy is cut short"),
    "cut steps": (cut("0000.steps.npz", 0.5), r"0000.steps.npz is cut short.*delete this shard"),
    "float frames": (
        lambda f: np.save(f / "0000.frames.npy", np.zeros((30, 16, 16, 3), np.float32)),
        r"0000.frames.npy holds float32",
    ),
    "pickled frames": (
        lambda f: np.save(f / "0000.frames.npy", np.array([{}], object), allow_pickle=True),
        r"0000.frames.npy is cut short or damaged",
    ),
    "no actions": (lambda f: edit_steps(f, action=None), r"0000.steps.npz: array 'action' is missing"),
    "short rewards": (lambda f: edit_steps(f, reward=np.zeros(3, np.float32)), r"'reward' is float32 \(3,\)"),
    "unknown action": (
        lambda f: edit_steps(f, action=np.full(30, 7, np.int32)),
        r"action ids run from 7 to 7.*names 5",
    ),
    "huge steps": (lambda f: edit_steps(f, extra=np.zeros(10**5)), r"far larger than 30 frames need"),
    "paraphrases": (
        lambda f: edit_info(f, captions=["day", "night"], paraphrases=[["noon"]]),
        r"dataset.json: field 'paraphrases' has 1 entries for 2 captions.*one list for each",
    ),
    "no shards": (lambda f: [path.unlink() for path in f.glob("*.npz")], r"no finished shard"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_damage_is_named(folder: Path, name: str) -> None:
    change, message = CHANGES[name]
    change(folder)
    with pytest.raises(PlaygroundError, match=message) as caught:
        ClipDataset(folder, length=2)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_orphan_of_a_stopped_writer_is_ignored_and_removed(folder: Path) -> None:
    (folder / "0001.steps.npz").unlink()
    (folder / ".0002.frames.npy.tmp").write_bytes(b"half")
    assert ClipDataset(folder, length=2).num_frames == 30
    remove_leftovers(folder)
    assert {path.name for path in folder.iterdir()} == {"dataset.json", "0000.frames.npy", "0000.steps.npz"}


def test_datasets_that_differ_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    other = make_tiny_dataset(tmp_path / "large", frames=60, size=32)
    with pytest.raises(PlaygroundError, match=r"large.*'size' is 32.*16"):
        ClipDataset([folder, other], length=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length and stride"),
        ({"length": 2, "stride": 0}, "length and stride"),
        ({"length": 2, "motion_weight": 1.5}, "motion_weight must be 0..1"),
        ({"length": 41}, "no episode of 41 frames .the longest has 30"),
    ],
)
def test_impossible_windows_are_refused(folder: Path, arguments: dict[str, float], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        ClipDataset(folder, **arguments)  # type: ignore[arg-type]


def test_access_outside_is_refused(folder: Path) -> None:
    data = ClipDataset(folder, length=4)
    with pytest.raises(PlaygroundError, match="outside 0..60"):
        data.frames(0, 61)
    for start in (-1, 28, 58):
        with pytest.raises(PlaygroundError, match="leaves its episode"):
            data.clips(np.array([start]))
    with pytest.raises(PlaygroundError, match="no dataset folder"):
        ClipDataset([], length=4)


def test_writer_refuses_what_a_reader_would_refuse(tmp_path: Path) -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    with ClipWriter(tmp_path, INFO) as writer:
        writer.append(frame, action=0, caption=0)
        for wrong in (frame[:2], frame.astype(np.float32), frame[None]):
            with pytest.raises(PlaygroundError, match=r"expected uint8 \(4, 4, 3\)"):
                writer.append(wrong)
        with pytest.raises(PlaygroundError, match="action id 1 is outside"):
            writer.append(frame, action=1)
        with pytest.raises(PlaygroundError, match="caption id 5 is outside"):
            writer.append(frame, caption=5)
    with pytest.raises(PlaygroundError, match=r"dataset.json describes another dataset .field 'seed' is 0, not 3"):
        ClipWriter(tmp_path, replace(INFO, seed=3))
    with pytest.raises(PlaygroundError, match="shard_frames"):
        ClipWriter(tmp_path, INFO, 0)


def test_a_long_field_that_differs_is_shown_short(tmp_path: Path) -> None:
    many = [f"caption number {index}" for index in range(300)]
    ClipWriter(tmp_path, INFO).close()
    with pytest.raises(PlaygroundError, match=r"'captions' is \['day'\], not \['caption number 0'.*\.\.\.\)") as caught:
        ClipWriter(tmp_path, replace(INFO, captions=many))
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_describe_names_the_facts(folder: Path) -> None:
    text = describe(folder)
    for part in ("tiny", "frames    60", "16x16 px", "15 per second: 0.1 minutes", "noop", "CC0-1.0", "captions  none"):
        assert part in text


def test_describe_counts_captions_and_changes(tmp_path: Path) -> None:
    info = replace(INFO, captions=["day", "night", "fog"], paraphrases=[["noon"], ["dark", "late"], []], frames=40)
    with ClipWriter(tmp_path, info) as writer:
        for number in range(20):
            frame = np.full((4, 4, 3), number, np.uint8)
            # Day turns to night once in each of two episodes; the jump back to day is a new episode, not an event.
            writer.append(frame, action=0, episode=number // 10, truncated=number % 10 == 9, caption=number % 10 // 8)
    text = describe(tmp_path)
    assert "20 of 40 planned: not finished" in text
    assert "captions  3 (2 occur) and 3 paraphrases, not embedded; 100 % of frames have one, 2 changes inside" in text
    assert "  day     80.0 %  ########################" in text
    assert "  night   20.0 %  ######\n" in text
    assert "  a  100.0 %" in text


def test_a_histogram_of_many_names_ends_in_the_rest() -> None:
    lines = histogram([f"n{index:02d}" for index in range(32)], np.append(np.arange(30, 0, -1), [0, 0]))
    assert lines[0].split() == ["n00", "6.5", "%", "#" * 24]
    assert len(lines) == 26
    assert lines[-2:] == [f"  and 6 more, {100 * 21 / 465:.1f} % together", "  and 2 that do not occur"]
    assert histogram([], np.zeros(0, int)) == []


@pytest.mark.parametrize(("at", "value"), [(6, 1), (8, 99)], ids=["encrypted", "unknown compression"])
def test_zip_files_that_cannot_be_unpacked_are_named(folder: Path, at: int, value: int) -> None:
    path = folder / "0000.steps.npz"
    content = bytearray(path.read_bytes())
    for mark, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        content[content.index(mark) + at + shift] = value
    path.write_bytes(content)
    with pytest.raises(PlaygroundError, match="0000.steps.npz is cut short or damaged"):
        ClipDataset(folder, length=4)
