"""CoinRun: deterministic, splits that share no level, options checked without the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.collect import collect
from playground.data.dataset import ClipDataset
from playground.data.worlds.coinrun import SPLIT_LEVELS, CoinrunCollector


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def simulator() -> None:
    """Skip without the Procgen package; its old dependency warns while it is imported."""
    pytest.importorskip("procgen")


@pytest.mark.parametrize(
    ("size", "split", "options", "message"),
    [
        (48, "train", {}, "48 px are not available.*64, 128"),
        (64, "trian", {}, "no split 'trian'.*'train'"),
        (64, "train", {"dificulty": "easy"}, "no option 'dificulty'.*'difficulty'"),
        (64, "train", {"difficulty": "brutal"}, "easy or hard"),
        (64, "train", {"backgrounds": "perhaps"}, "true or false"),
        (64, "train", {"threads": "-1"}, "threads"),
    ],
)
def test_bad_options_are_named(size: int, split: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        CoinrunCollector(size, split, options)


def test_splits_share_no_level() -> None:
    ranges = sorted(SPLIT_LEVELS.values())
    assert all(before[1] <= after[0] for before, after in zip(ranges, ranges[1:], strict=False))


@pytest.mark.usefixtures("simulator")
def test_same_seed_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    for name, seed, threads in (("one", 1, 0), ("two", 1, 2), ("three", 2, 0)):
        options = {"difficulty": "easy", "threads": threads}
        collect("coinrun", 300, tmp_path / name, seed=seed, options=options, progress=False)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert files(tmp_path / "one") != files(tmp_path / "three")


@pytest.mark.usefixtures("simulator")
def test_a_stream_does_not_depend_on_its_neighbours() -> None:
    collector = CoinrunCollector(64, "train", {"difficulty": "easy"})
    alone = [(b.frames_SHWC[0].copy(), b.actions_S[0]) for b in collector.rollout(3, 0, 1, 60)]
    beside = [(b.frames_SHWC[0].copy(), b.actions_S[0]) for b in collector.rollout(3, 0, 4, 60)]
    assert [action for _, action in alone] == [action for _, action in beside]
    assert all(np.array_equal(one, two) for (one, _), (two, _) in zip(alone, beside, strict=True))


@pytest.mark.usefixtures("simulator")
def test_the_stored_actions_replay_to_the_stored_frames(tmp_path: Path) -> None:
    collect("coinrun", 400, tmp_path, seed=5, options={"difficulty": "easy"}, progress=False)
    data = ClipDataset(tmp_path, length=2)
    with np.load(tmp_path / "0000.steps.npz") as steps:
        actions, terminated, rewards = steps["action"], steps["terminated"], steps["reward"]
    env = CoinrunCollector(64, "train", {"difficulty": "easy"})._open(seed=5, first_stream=0, streams=1)
    frames = data.frames(0, 400)
    for t in range(400):
        _, observation, _ = env.observe()
        assert np.array_equal(observation["rgb"][0], frames[t]), f"frame {t} differs"
        env.act(actions[t : t + 1])
        reward, _, first = env.observe()
        assert reward[0] == rewards[t]
        assert bool(first[0]) == bool(terminated[t])
    env.close()


@pytest.mark.usefixtures("simulator")
def test_the_play_moves_and_uses_every_direction(tmp_path: Path) -> None:
    collect("coinrun", 3000, tmp_path, options={"difficulty": "easy"}, progress=False)
    data = ClipDataset(tmp_path, length=8)
    moving = (data.motion()[~data.first_T] > 0.5).mean()
    shares = np.bincount(data.actions_T[data.actions_T >= 0], minlength=9) / data.num_frames
    named = dict(zip(data.info.action_names, shares, strict=True))
    assert moving > 0.75
    assert set(data.actions_T.tolist()) <= set(range(-1, 9))
    for name in ("left", "left-up", "right", "right-up", "noop", "up"):
        assert named[name] > 0.02, f"{name} is too rare to learn"


@pytest.mark.usefixtures("simulator")
def test_large_frames_show_the_same_play(tmp_path: Path) -> None:
    for size in (64, 128):
        collect("coinrun", 30, tmp_path / str(size), size=size, seed=4, progress=False)
    small, large = (ClipDataset(tmp_path / str(size), length=2) for size in (64, 128))
    np.testing.assert_array_equal(small.actions_T, large.actions_T)
    halved = large.frames(0, 30).reshape(30, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(halved - small.frames(0, 30)).mean() < 8
