"""A writer that is killed at any moment leaves a dataset that reads and that the next writer continues."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo, complete_shards
from playground.data.writer import ClipWriter

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


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
@pytest.mark.parametrize("extra_ms", [0, 7, 23])
def test_kill_leaves_only_whole_shards(tmp_path: Path, repository: Path, extra_ms: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=repository)
    try:
        deadline = time.monotonic() + 60
        while len(complete_shards(tmp_path)) < 3 and time.monotonic() < deadline:
            assert process.poll() is None, "the writer ended by itself"
            time.sleep(0.002)
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
