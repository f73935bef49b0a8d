"""A writer that is killed at any moment leaves a dataset that reads and that the next writer continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.data.collect import collect
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo, complete_shards
from playground.data.writer import ClipWriter, ShardWriter
from tests.data.counting import contents

pytestmark = [
    pytest.mark.usefixtures("counting_world"),
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal"),
]

WRITER = """
import sys
import numpy as np
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
writer = ClipWriter(sys.argv[1], DatasetInfo(source="count", size=4, fps=10.0), shard_frames=50)
number = 0
while True:
    writer.append(np.full((4, 4, 3), number % 251, np.uint8), episode=0)
    number += 1
"""
COLLECT = """
import signal
import sys
from playground.core.registry import COLLECTORS
from playground.data.collect import collect
from playground.data.rollouts import shard_lengths
from tests.data.counting import CounterCollector
if __name__ == "__main__":
    # A shell that runs the tests in the background passes on that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    COLLECTORS.register("test-counter")(CounterCollector)
    shard_lengths.__defaults__ = (20,)
    options = {"wait_ms": int(sys.argv[2])}
    collect("test-counter", 800, sys.argv[1], size=8, options=options, processes=2, progress=False)
"""


def wait_for_shards(process: subprocess.Popen[bytes], folder: Path, count: int) -> None:
    """Wait until ``count`` shards are finished."""
    deadline = time.monotonic() + 60
    while not folder.is_dir() or len(complete_shards(folder)) < count:
        assert process.poll() is None, "the writer ended by itself"
        assert time.monotonic() < deadline, "the writer is stuck"
        time.sleep(0.002)


@pytest.mark.parametrize("extra_ms", [0, 7, 23])
def test_kill_leaves_only_whole_shards(tmp_path: Path, repository: Path, extra_ms: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=repository)
    try:
        wait_for_shards(process, tmp_path, 3)
        time.sleep(extra_ms / 1000)
    finally:
        process.kill()
        process.wait()
    shards = complete_shards(tmp_path)
    assert len(shards) >= 3
    data = ClipDataset(tmp_path, length=1)
    assert data.num_frames == 50 * len(shards)
    numbers = data.frames(0, data.num_frames)[:, 0, 0, 0]
    np.testing.assert_array_equal(numbers, np.arange(data.num_frames) % 251)
    with ClipWriter(tmp_path, DatasetInfo(source="count", size=4, fps=10.0), shard_frames=50) as writer:
        assert writer.frames_written == data.num_frames
        writer.append(np.zeros((4, 4, 3), np.uint8), episode=1)
    assert ClipDataset(tmp_path, length=1).num_frames == data.num_frames + 1
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize(("shards", "extra_ms", "processes"), [(1, 0, 1), (4, 11, 3)])
def test_a_killed_collection_takes_its_workers_along_and_continues(
    tmp_path: Path, repository: Path, shards: int, extra_ms: int, processes: int
) -> None:
    part = tmp_path / "part"
    # Workers inherit the pipe, so it ends when the last of them has ended.
    process = subprocess.Popen([sys.executable, "-c", COLLECT, str(part), "1"], cwd=repository, stdout=subprocess.PIPE)
    try:
        wait_for_shards(process, part, shards)
        time.sleep(extra_ms / 1000)
    finally:
        process.kill()
        process.communicate(timeout=60)
    found = contents(part)
    collect("test-counter", 800, tmp_path / "whole", size=8, progress=False)
    whole = contents(tmp_path / "whole")
    for index in complete_shards(part):
        for name in (f"{index:04d}.frames.npy", f"{index:04d}.steps.npz"):
            assert found[name] == whole[name]
    ClipDataset(part, length=2)
    collect("test-counter", 800, part, size=8, processes=processes, progress=False)
    assert contents(part) == whole


def test_an_interrupt_ends_a_collection_with_processes_at_once(tmp_path: Path, repository: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COLLECT, str(tmp_path), "20"],  # slow, so that it is still at work when asked to stop
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for_shards(process, tmp_path, 1)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: every process of the group gets it
    _, errors = process.communicate(timeout=60)
    assert errors.decode().count("Traceback") == 1, "the workers end in silence"
    assert errors.decode().rstrip().endswith("KeyboardInterrupt")
    assert not list(tmp_path.glob(".*"))
    ClipDataset(tmp_path, length=2)


def instrumented(at: int, action: Callable[[], None], patch: pytest.MonkeyPatch) -> list[int]:
    """Call ``action`` before step ``at`` of all that writes: frames, syncs and renames. Returns a counter."""
    count = [0]

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            if count[0] == at:
                action()
            count[0] += 1
            return function(*args, **options)

        return counted

    patch.setattr(os, "fsync", wrap(os.fsync))
    patch.setattr(os, "replace", wrap(os.replace))
    patch.setattr(ShardWriter, "append", wrap(ShardWriter.append))
    return count


def collect_small(folder: Path) -> None:
    """Collect 50 frames: three shards in one rollout."""
    collect("test-counter", 50, folder, size=8, progress=False)


@settings(max_examples=40, deadline=None)
@given(share=st.integers(0, 999).map(lambda thousandths: thousandths / 1000))
def test_a_kill_at_any_step_leaves_what_can_be_continued(share: float) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        counter = instrumented(-1, lambda: None, patch)
        collect_small(Path(name) / "whole")
        patch.undo()
        part, whole = Path(name) / "part", contents(Path(name) / "whole")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads of other tests
            child = os.fork()
        if child == 0:
            try:
                instrumented(int(share * counter[0]), lambda: os.kill(os.getpid(), signal.SIGKILL), patch)
                collect_small(part)
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        part.mkdir(exist_ok=True)
        found = contents(part)
        for index in complete_shards(part):
            for file in (f"{index:04d}.frames.npy", f"{index:04d}.steps.npz"):
                assert found[file] == whole[file]
        if complete_shards(part):
            ClipDataset(part, length=2)
        collect_small(part)
        assert contents(part) == whole
