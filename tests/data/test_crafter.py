"""Crafter: the same bytes for a seed in every grouping, exact captions, new worlds for every split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.data.worlds import StepBatch
from playground.data.worlds.crafter import SPLIT_WORLDS, CrafterCollector
from playground.data.worlds.crafter_captions import caption_id


def play(size: int, first: int, streams: int, frames: int) -> list[StepBatch]:
    """A rollout of the train split, with frames that stay."""
    batches = CrafterCollector(size, "train", {}).rollout(3, first, streams, frames)
    return [StepBatch(b.frames_SHWC.copy(), *(getattr(b, n) for n in FIELDS)) for b in batches]


FIELDS = ("actions_S", "rewards_S", "terminated_S", "truncated_S", "captions_S")


@pytest.fixture(scope="module")
def pair() -> list[StepBatch]:
    """Two streams side by side."""
    pytest.importorskip("crafter", reason="the package crafter is not installed")
    return play(64, 0, 2, 120)


def test_captions_say_time_place_and_neighbour() -> None:
    captions = CrafterCollector(64, "train", {}).captions
    forest, cave = {"grass": 50, "tree": 31}, {"path": 40, "stone": 41}
    assert captions[caption_id(1.0, {"grass": 81}, {"Player"})] == "green meadows by day"
    assert captions[caption_id(0.1, forest, {"Zombie", "Cow"})] == "a forest with a zombie at night"
    assert captions[caption_id(0.5, cave, {"Skeleton"})] == "a cave with a skeleton at twilight"


def test_twilight_lies_between_day_and_night() -> None:
    pytest.importorskip("crafter", reason="the package crafter is not installed")
    collector = CrafterCollector(64, "train", {})
    times = [collector.captions[b.captions_S[0]].split()[-1] for b in collector.rollout(3, 1, 1, 420)]
    order = [time for time, before in zip(times, ["", *times], strict=False) if time != before]
    cycle = ["day", "twilight", "night", "twilight"] * 3
    assert any(order == cycle[first : first + len(order)] for first in range(4))
    assert len(order) >= 5


def test_a_stream_is_the_same_alone(pair: list[StepBatch]) -> None:
    for alone, beside in zip(play(64, 1, 1, 120), pair, strict=True):
        assert np.array_equal(alone.frames_SHWC[0], beside.frames_SHWC[1])
        assert all(getattr(alone, name)[0] == getattr(beside, name)[1] for name in FIELDS)


def test_large_frames_show_the_same_play(pair: list[StepBatch]) -> None:
    large = play(128, 0, 1, 20)
    for big, small in zip(large, pair, strict=False):
        assert big.actions_S[0] == small.actions_S[0]
        halved = big.frames_SHWC[0].reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(halved - small.frames_SHWC[0]).mean() < 2


def test_the_play_moves_and_is_lit(pair: list[StepBatch]) -> None:
    frames = np.stack([b.frames_SHWC for b in pair]).astype(np.int16)
    assert (np.abs(np.diff(frames, axis=0)).mean((2, 3, 4)) > 0.5).mean() > 0.6
    assert frames.mean((2, 3, 4)).min() > 25
    assert {int(a) for b in pair for a in b.actions_S} >= {1, 2, 3, 4}


@pytest.mark.usefixtures("pair")
def test_splits_play_differently_with_one_seed() -> None:
    plays = [CrafterCollector(64, split, {}).rollout(3, 0, 1, 40) for split in SPLIT_WORLDS]
    assert len({tuple(int(batch.actions_S[0]) for batch in play) for play in plays}) == 3


@pytest.mark.usefixtures("pair")
def test_nothing_global_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - this is what must not change
    play(64, 5, 1, 3)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert not list(tmp_path.iterdir())
