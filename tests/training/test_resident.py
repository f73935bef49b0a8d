"""Frames kept on a device are the frames of the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from playground.data.dataset import ClipDataset
from playground.training import resident
from playground.training.resident import ClipFeed
from tests.tiny_data import make_tiny_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> ClipDataset:
    make_tiny_dataset(tmp_path / "a", frames=100)
    make_tiny_dataset(tmp_path / "b", frames=60, seed=1)
    return ClipDataset([tmp_path / "a", tmp_path / "b"], length=3)


def test_a_gpu_feed_gives_the_clips_of_the_dataset(dataset: ClipDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    starts_B = dataset.sample_starts(16, np.random.default_rng(0))
    copied = ClipFeed(dataset, "cpu")
    monkeypatch.setattr(resident, "fits", lambda nbytes, device: True)
    monkeypatch.setattr(resident, "_CHUNK", 7)
    kept = ClipFeed(dataset, "cpu")
    results = []
    for feed in (copied, kept):
        arrays = feed.batch(starts_B)
        results.append(feed.frames({name: torch.from_numpy(array) for name, array in arrays.items()}))
    assert "frame_BT" in kept.batch(starts_B)
    assert "frames_BTHWC" in copied.batch(starts_B)
    assert results[0].dtype == torch.uint8
    assert torch.equal(*results)


def test_frames_stay_where_they_are_without_a_gpu_or_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not resident.fits(1, "cpu")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    assert resident.fits(400, "cuda:0")
    assert not resident.fits(401, "cuda:0")
