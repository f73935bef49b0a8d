"""Collection on a tiny counting world: same bytes for the same seed, resumed after a stop, refused without space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data import collect as collect_module
from playground.data.collect import collect, shard_lengths
from playground.data.dataset import ClipDataset
from playground.data.format import complete_shards
from playground.data.worlds import StepBatch, option_bool

EPISODE = 7


class CounterCollector:
    """A world whose frame shows the stream, the step of the episode and the action that produced it."""

    version = 1
    fps = 5.0
    action_names = ["a", "b", "c", "d"]
    captions = ["counting"]
    licence = "CC0-1.0"
    streams_per_rollout = 3
    fail_at: int | None = None

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        self.size, self.options, self.seed_range = size, dict(options), [0, 10]

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Yield frames whose first pixel is (stream, step, action that produced the frame + 1)."""
        rngs = [np.random.default_rng([seed, first_stream + row]) for row in range(streams)]
        produced = np.zeros(streams, int)
        for t in range(frames):
            if self.fail_at is not None and first_stream >= self.fail_at and t == 5:
                raise KeyboardInterrupt
            frames_SHWC = np.zeros((streams, self.size, self.size, 3), np.uint8)
            frames_SHWC[:, 0, 0, 0] = first_stream + np.arange(streams)
            frames_SHWC[:, 0, 0, 1] = t % EPISODE
            frames_SHWC[:, 0, 0, 2] = produced
            actions_S = np.array([rng.integers(4) for rng in rngs])
            ended = t % EPISODE == EPISODE - 1
            produced = np.zeros(streams, int) if ended else actions_S + 1
            yield StepBatch(
                frames_SHWC,
                actions_S,
                np.full(streams, float(ended)),
                np.full(streams, ended),
                np.zeros(streams, bool),
                np.zeros(streams, int),
            )


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counting world under a name, and shards of 20 frames, so that a hundred frames make several rollouts."""
    monkeypatch.setitem(COLLECTORS._classes, "test-counter", CounterCollector)
    monkeypatch.setattr(collect_module.shard_lengths, "__defaults__", (20,))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run(out: Path, **changes: Any) -> None:
    """Collect 130 frames of the counting world."""
    collect("test-counter", **{"frames": 130, "out": out, "size": 8, "progress": False, **changes})


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "one")
    run(tmp_path / "two")
    run(tmp_path / "three", seed=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one") != contents(tmp_path / "three")


def test_actions_are_those_that_produced_the_frames(tmp_path: Path) -> None:
    run(tmp_path)
    data = ClipDataset(tmp_path, length=EPISODE)
    assert data.num_frames == 130
    clips = data.clips(data.starts_W)
    corner_BTC = clips.frames_BTHWC[:, :, 0, 0].astype(int)
    np.testing.assert_array_equal(corner_BTC[..., 1], np.tile(np.arange(EPISODE), (len(data), 1)))
    np.testing.assert_array_equal(corner_BTC[..., 2] - 1, clips.actions_BT)
    assert (np.ptp(corner_BTC[..., 0], axis=1) == 0).all(), "a window left its stream"
    assert clips.ends_BT[:, -1].all()
    assert not clips.ends_BT[:, :-1].any()
    assert (clips.rewards_BT[:, -1] == 1).all()


def test_episode_numbers_are_unique_and_cuts_are_marked(tmp_path: Path) -> None:
    run(tmp_path)
    seen: set[int] = set()
    for index in complete_shards(tmp_path):
        with np.load(tmp_path / f"{index:04d}.steps.npz") as steps:
            episodes = set(steps["episode"].tolist())
            assert not episodes & seen
            seen |= episodes
            assert (steps["terminated"] | steps["truncated"])[-1]
            assert not (steps["terminated"] & steps["truncated"]).any()


def test_a_stopped_collection_continues_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "whole")
    monkeypatch.setattr(CounterCollector, "fail_at", 3)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part")
    assert complete_shards(tmp_path / "part") == [0, 1, 2]
    assert not list((tmp_path / "part").glob(".*.tmp"))
    monkeypatch.setattr(CounterCollector, "fail_at", None)
    for name in ("0001.frames.npy", "0002.steps.npz"):
        (tmp_path / "part" / name).unlink()
    (tmp_path / "part" / ".0004.frames.npy.tmp").write_bytes(b"half")
    run(tmp_path / "part")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def test_a_finished_collection_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    run(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(PlaygroundError, match=r"130 frames of 8 px need .* GB.* has 0.00 GB free.*--out"):
        run(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"frames": 0}, "--frames"), ({"seed": -1}, "--seed"), ({"size": 0}, "size")],
)
def test_bad_numbers_are_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        run(tmp_path / "new", **changes)
    assert not (tmp_path / "new").exists()


def test_another_version_of_the_play_is_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    monkeypatch.setattr(CounterCollector, "version", 2)
    with pytest.raises(PlaygroundError, match="'collector_version' is 1, not 2"):
        run(tmp_path)


def test_another_dataset_is_not_overwritten(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(PlaygroundError, match="'seed' is 0, not 4"):
        run(tmp_path, seed=4)
    with pytest.raises(PlaygroundError, match="unknown collector 'test-countr'.*test-counter"):
        collect("test-countr", 10, tmp_path, progress=False)


def test_shards_are_even() -> None:
    assert shard_lengths(10, 4) == [4, 3, 3]
    assert shard_lengths(4, 4) == [4]
    assert sum(shard_lengths(200_000, 4096)) == 200_000


def test_options_from_a_command_line_are_read() -> None:
    assert [option_bool("x", value) for value in ("Yes", True, "0", "off")] == [True, True, False, False]
    with pytest.raises(PlaygroundError, match="'x' must be true or false"):
        option_bool("x", "maybe")
