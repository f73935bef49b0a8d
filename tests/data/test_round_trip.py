"""What a writer is given is what a reader hands out: frames, actions, ends, captions, over any shard edges."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo, complete_shards, motion_path
from playground.data.writer import ClipWriter
from tests.tiny_data import make_tiny_dataset

INFO = DatasetInfo(source="count", size=4, fps=10.0, action_names=["a", "b", "c"], captions=["day", "night"])


def counting_frame(number: int, size: int = 4) -> np.ndarray:
    """A frame that carries its own number, so that a misplaced frame is seen."""
    frame = np.zeros((size, size, 3), np.uint8)
    frame[0, 0, 0], frame[0, 0, 1] = number % 256, number // 256
    return frame


def number_of(frames: np.ndarray) -> np.ndarray:
    """The numbers that ``counting_frame`` put into frames (..., H, W, C)."""
    return frames[..., 0, 0, 0].astype(int) + 256 * frames[..., 0, 0, 1].astype(int)


def write_episodes(folder: Path, lengths: list[int], shard_frames: int, info: DatasetInfo = INFO) -> np.ndarray:
    """Write episodes of the given lengths; frame t holds t, action t is t % 3. Returns the episode of each frame."""
    number = 0
    with ClipWriter(folder, info, shard_frames) as writer:
        for episode, length in enumerate(lengths):
            for step in range(length):
                writer.append(
                    counting_frame(number),
                    action=number % 3,
                    reward=float(number),
                    terminated=step == length - 1,
                    episode=episode,
                    caption=episode % 3 - 1,
                )
                number += 1
    return np.repeat(np.arange(len(lengths)), lengths)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 14), min_size=1, max_size=8),
    shard_frames=st.integers(1, 30),
    length=st.integers(1, 6),
    stride=st.integers(1, 4),
)
def test_windows_hold_what_was_written(lengths: list[int], shard_frames: int, length: int, stride: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        episode_T = write_episodes(Path(folder), lengths, shard_frames)
        whole = ClipDataset(folder, length=1)
        assert whole.num_frames == len(whole) == len(episode_T)
        np.testing.assert_array_equal(number_of(whole.frames(0, whole.num_frames)), np.arange(len(episode_T)))
        shard_T = np.arange(len(episode_T)) // shard_frames
        run_T = list(zip(episode_T.tolist(), shard_T.tolist(), strict=True))
        starts = [t for t in range(len(run_T)) if t + length <= len(run_T) and len(set(run_T[t : t + length])) == 1]
        starts = [t for t in starts if (t - run_T.index(run_T[t])) % stride == 0]
        if not starts:
            return
        data = ClipDataset(folder, length=length, stride=stride)
        assert data.starts_W.tolist() == starts
        for index, start in enumerate(starts):
            clip = data.window(index)
            numbers = np.arange(start, start + length)
            np.testing.assert_array_equal(number_of(clip.frames_BTHWC[0]), numbers)
            # The action that produced a frame is the one stored at the frame before it, in the same run.
            known = [t > 0 and run_T[t - 1] == run_T[t] for t in numbers]
            np.testing.assert_array_equal(clip.actions_BT[0], np.where(known, (numbers - 1) % 3, -1))
            np.testing.assert_array_equal(clip.rewards_BT[0], numbers.astype(np.float32))
            assert clip.captions == [["", "day", "night"][episode_T[start] % 3]]


def test_sampling_is_reproducible_and_stays_inside_episodes(tmp_path: Path) -> None:
    write_episodes(tmp_path, [9, 3, 12, 7], shard_frames=11)
    data = ClipDataset(tmp_path, length=4)
    one, two = (data.sample(256, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.frames_BTHWC, two.frames_BTHWC)
    np.testing.assert_array_equal(one.actions_BT, two.actions_BT)
    assert (one.frames_BTHWC.dtype, one.actions_BT.dtype) == (np.uint8, np.int64)
    assert (np.diff(number_of(one.frames_BTHWC), axis=1) == 1).all()
    assert set(one.starts_B.tolist()) == set(data.starts_W.tolist())
    assert not data.first_T[one.starts_B[:, None] + np.arange(1, 4)].any()


def test_the_action_moves_the_square_that_it_produced(tmp_path: Path) -> None:
    data = ClipDataset(make_tiny_dataset(tmp_path, frames=200), length=2)
    clips = data.clips(data.starts_W)
    yellow = clips.frames_BTHWC[..., 0] > 200
    left_BT = np.argmax(yellow.any(2), axis=-1)
    moved_B, name = left_BT[:, 1] - left_BT[:, 0], np.array(data.info.action_names)
    produced = name[clips.actions_BT[:, 1]]
    # 0 is a square that stands at the edge already.
    assert set(moved_B[produced == "right"].tolist()) == {0, 1}
    assert set(moved_B[produced == "left"].tolist()) == {0, -1}
    assert set(moved_B[np.isin(produced, ["noop", "up", "down"])].tolist()) == {0}


def test_motion_weight_prefers_windows_that_move(tmp_path: Path) -> None:
    with ClipWriter(tmp_path, replace(INFO, captions=[]), 50) as writer:
        for number in range(100):
            writer.append(np.full((4, 4, 3), number % 2 * 200 if number < 20 else 0, np.uint8), episode=0)
    shares = []
    for weight in (0.0, 0.5, 1.0):
        data = ClipDataset(tmp_path, length=3, motion_weight=weight)
        shares.append((data.sample_starts(2000, np.random.default_rng(0)) < 20).mean())
    assert shares[0] < 0.3 < shares[1] < shares[2] == 1.0
    assert motion_path(tmp_path, 0).is_file()
    motion_path(tmp_path, 0).write_bytes(b"not an array")
    assert ClipDataset(tmp_path, length=3).motion()[5] == 200.0


def test_motion_works_in_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_dataset(tmp_path, frames=60)

    def refuse(*_args: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("playground.data.dataset.os.replace", refuse)
    assert ClipDataset(tmp_path, length=3, motion_weight=1.0).sample(4, np.random.default_rng(0)).frames_BTHWC.any()
    assert not motion_path(tmp_path, 0).exists()
    assert not list(tmp_path.glob(".*.tmp"))


def test_several_folders_are_one_dataset(tmp_path: Path) -> None:
    write_episodes(tmp_path / "one", [6, 6], 100)
    write_episodes(tmp_path / "two", [6], 100, replace(INFO, split="test", captions=["night", "fog"]))
    data = ClipDataset([tmp_path / "one", tmp_path / "two"], length=3)
    assert (data.num_frames, data.num_episodes, data.split) == (18, 3, "mixed")
    assert data.captions == ["day", "night", "fog"]
    assert number_of(data.frames(10, 14)).tolist() == [10, 11, 0, 1]
    assert data.frames(0, 12).base is not None, "frames of one shard are a view of the file"
    assert data.frames(5, 5).shape == (0, 4, 4, 3)


def test_writer_continues_after_whole_shards(tmp_path: Path) -> None:
    write_episodes(tmp_path, [8], shard_frames=4)
    with ClipWriter(tmp_path, INFO, 4) as writer:
        assert writer.frames_written == 8
        writer.append(counting_frame(8), episode=1)
    assert complete_shards(tmp_path) == [0, 1, 2]
    assert number_of(ClipDataset(tmp_path, length=1).frames(0, 9)).tolist() == list(range(9))


def test_an_error_in_the_source_publishes_no_partial_shard(tmp_path: Path) -> None:
    def write() -> None:
        with ClipWriter(tmp_path, INFO, 4) as writer:
            for number in range(6):
                writer.append(counting_frame(number))
            raise RuntimeError("source broke")

    with pytest.raises(RuntimeError, match="source broke"):
        write()
    assert complete_shards(tmp_path) == [0]
    assert {path.name for path in tmp_path.iterdir()} == {"dataset.json", "0000.frames.npy", "0000.steps.npz"}
