"""Collection on a tiny counting world: same bytes for the same seed, resumed after a stop, refused without space."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.collect import check_disk, collect
from playground.data.dataset import ClipDataset
from playground.data.format import complete_shards
from playground.data.rollouts import missing_rollouts, shard_lengths
from playground.data.worlds import option_bool
from tests.data.counting import EPISODE, CounterCollector, contents

pytestmark = pytest.mark.usefixtures("counting_world")


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


def test_a_stopped_collection_continues_to_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part", options={"fail_at": 3, "failure": "interrupt"})
    assert complete_shards(tmp_path / "part") == [0, 1, 2]
    assert not list((tmp_path / "part").glob(".*.tmp"))
    for name in ("0001.frames.npy", "0002.steps.npz"):
        (tmp_path / "part" / name).unlink()
    (tmp_path / "part" / ".0004.frames.npy.tmp").write_bytes(b"half")
    run(tmp_path / "part")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


@pytest.mark.parametrize("processes", [2, 9])
def test_any_number_of_processes_writes_the_same_bytes(tmp_path: Path, processes: int) -> None:
    run(tmp_path / "one")
    run(tmp_path / "several", processes=processes)
    assert contents(tmp_path / "one") == contents(tmp_path / "several")


def test_a_stopped_collection_continues_with_another_number_of_processes(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    run(tmp_path / "part")
    for name in ("0001.steps.npz", "0003.steps.npz", "0004.frames.npy", "0006.steps.npz"):
        (tmp_path / "part" / name).unlink()
    (tmp_path / "part" / ".0004.frames.npy.77.tmp").write_bytes(b"half")
    run(tmp_path / "part", processes=2)
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        ("error", PlaygroundError, "^the world needs a package; install it$"),
        ("bug", RuntimeError, "^ValueError: a bug"),
        ("death", PlaygroundError, r"ended early .exit code 7.*fewer --processes.*continues"),
    ],
)
def test_a_failing_worker_is_reported_and_cleaned_up(
    tmp_path: Path, failure: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        run(tmp_path, processes=2, options={"fail_at": 3, "failure": failure})
    assert not list(tmp_path.glob(".*"))
    assert set(complete_shards(tmp_path)) <= {0, 1, 2}
    assert not multiprocessing.active_children()


def test_the_plan_is_announced_before_anything_is_written(tmp_path: Path) -> None:
    seen: list[str] = []

    def announce(line: str) -> None:
        assert not (tmp_path / "new").exists()
        seen.append(line)

    run(tmp_path / "new", announce=announce, processes=50)
    run(tmp_path / "new", announce=seen.append)
    first = "130 frames of test-counter (train, 8 px): 0.00 GB to write, "
    assert seen[0].startswith(first)
    assert seen[0].endswith(" GB free, 3 processes")
    assert "130 of them are there already: 0.00 GB to write" in seen[1]


def test_rollouts_do_not_depend_on_what_is_done() -> None:
    lengths = [20] * 6 + [10]
    whole = missing_rollouts(lengths, 3, set())
    assert [(rollout.first, len(rollout.lengths)) for rollout in whole] == [(0, 3), (3, 3), (6, 1)]
    rest = missing_rollouts(lengths, 3, {0, 1, 2, 4})
    assert [(rollout.first, rollout.lengths, rollout.missing) for rollout in rest] == [
        (3, (20, 20, 20), (0, 2)),
        (6, (10,), (0,)),
    ]


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
    [({"frames": 0}, "--frames"), ({"seed": -1}, "--seed"), ({"size": 0}, "size"), ({"processes": 0}, "--processes")],
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


def test_a_drive_that_does_not_exist_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(PlaygroundError, match="does not exist; choose another --out"):
        check_disk(tmp_path / "data", 1, 64)
