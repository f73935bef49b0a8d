"""CoinRun: deterministic, splits that share no level, options checked without the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.collect import collect
from playground.data.dataset import ClipDataset
from playground.data.worlds import StepBatch
from playground.data.worlds.coinrun import CoinrunCollector
from playground.data.worlds.coinrun_captions import EVENTS, GROUNDS
from playground.data.worlds.procgen_backdrops import PLATFORM
from tests.data.counting import contents


@pytest.fixture
def simulator() -> None:
    """Skip without the Procgen package; its old dependency warns while it is imported."""
    pytest.importorskip("procgen")


def play(size: int, streams: int, frames: int, seed: int = 3, **options: Any) -> list[StepBatch]:
    """A rollout of the train split."""
    return list(CoinrunCollector(size, "train", options).rollout(seed, 0, streams, frames))


def parts(captions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of ground, backdrop and event of caption ids."""
    ground, backdrop, event = np.unravel_index(captions, (len(GROUNDS), len(PLATFORM.names), len(EVENTS)))
    return ground, backdrop, event


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dificulty": "easy"}, "no option 'dificulty'.*'difficulty'"),
        ({"difficulty": "brutal"}, "easy or hard"),
        ({"backgrounds": "perhaps"}, "true or false"),
        ({"threads": "-1"}, "threads"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        CoinrunCollector(64, "train", options)


@pytest.mark.usefixtures("simulator")
def test_same_seed_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    for name, seed, threads in (("one", 1, 0), ("two", 1, 2), ("three", 2, 0)):
        options = {"difficulty": "easy", "threads": threads}
        collect("coinrun", 300, tmp_path / name, seed=seed, options=options, progress=False)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one") != contents(tmp_path / "three")


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


def test_captions_are_short_and_distinct_and_other_wordings_keep_the_ground() -> None:
    collector = CoinrunCollector(64, "train", {})
    texts = [[caption, *others] for caption, others in zip(collector.captions, collector.paraphrases, strict=True)]
    assert len(collector.captions) <= 400
    assert len({text for row in texts for text in row}) == 4 * len(collector.captions)
    for index, row in enumerate(texts):
        ground = GROUNDS[parts(np.array(index))[0]]
        assert all(len(text) <= 80 and text == text.lower() and f" {ground} " in text for text in row)


@pytest.mark.usefixtures("simulator")
def test_every_ground_and_nearly_every_backdrop_occurs() -> None:
    levels = np.concatenate([play(64, 16, 1, seed)[0].captions_S for seed in range(16)])
    grounds, backdrops, _ = parts(levels)
    assert set(grounds) == set(range(len(GROUNDS)))
    assert len(set(backdrops)) >= len(PLATFORM.names) - 1


@pytest.mark.usefixtures("simulator")
def test_the_ground_looks_like_its_name() -> None:
    # With one theme everything is drawn with the first one, dirt: only levels of dirt look the same then.
    drawn, dirt = (np.concatenate([play(64, 16, 1, seed, **only)[0].frames_SHWC for seed in (1, 2)]) for only in ONE)
    captions = np.concatenate([play(64, 16, 1, seed)[0].captions_S for seed in (1, 2)])
    changed = (drawn != dirt).any(3).mean((1, 2))
    is_dirt = parts(captions)[0] == GROUNDS.index("dirt")
    assert is_dirt.any()
    assert changed[is_dirt].max() < 0.05 < changed[~is_dirt].min()
    assert set(parts(play(64, 16, 1, 1, restrict_themes=True)[0].captions_S)[0]) == {GROUNDS.index("dirt")}


ONE: tuple[dict[str, Any], ...] = ({}, {"restrict_themes": True})


@pytest.mark.usefixtures("simulator")
def test_the_backdrop_has_the_colour_of_its_name() -> None:
    seen: dict[str, list[np.ndarray]] = {}
    for seed in range(6):
        shown, black = (play(64, 16, 1, seed, backgrounds=flag)[0] for flag in (True, False))
        for row, family in enumerate(parts(shown.captions_S)[1]):
            backdrop = shown.frames_SHWC[row][(shown.frames_SHWC[row] != black.frames_SHWC[row]).any(2)]
            seen.setdefault(PLATFORM.names[family][0], []).append(
                np.median(backdrop, 0) if len(backdrop) else np.zeros(3)
            )
        assert {PLATFORM.names[family][0] for family in parts(black.captions_S)[1]} == {"dark shadows"}
    red, green, blue = range(3)
    for colour in seen["starry space"] + seen["dark shadows"]:
        assert colour.mean() < 105
    for colour in seen["a light blue sky"]:
        assert colour[blue] > 160
        assert colour[blue] >= colour[red]
    for colour in seen["green hills"]:
        assert colour[green] > max(colour[red], colour[blue])
    for colour in seen["a desert"]:
        assert colour[red] > colour[green] > colour[blue]
    for colour in seen["a dark blue backdrop"]:
        assert colour[blue] > colour[red]


@pytest.mark.usefixtures("simulator")
def test_the_caption_tells_when_the_coin_comes_into_view() -> None:
    coin = list(EVENTS).index("coin")
    told, sizes = [], []
    for batch in play(128, 5, 50, difficulty="easy"):
        red, green, blue = (batch.frames_SHWC[..., channel].astype(int) for channel in range(3))
        # Nothing else is so yellow before the dark backdrop of the easy levels.
        sizes.append(((red > 200) & (green > 150) & (blue < 90)).sum((1, 2)))
        told.append(parts(batch.captions_S)[2] == coin)
    told_N, size_N = np.concatenate(told), np.concatenate(sizes)
    assert 0.05 < told_N.mean() < 0.95
    # A coin counts from its middle on.
    assert size_N[told_N].min() >= 0.3 * size_N.max()
    assert size_N[~told_N].max() <= 0.7 * size_N.max()


@pytest.mark.usefixtures("simulator")
def test_captions_change_with_the_view_only_and_hardly_differ_between_sizes() -> None:
    small, large = (play(size, 3, 100, seed=6) for size in (64, 128))
    captions_TS, exact_TS = (np.stack([batch.captions_S for batch in batches]) for batches in (small, large))
    ended_TS = np.stack([batch.terminated_S | batch.truncated_S for batch in small])[:-1]
    levels_TS = captions_TS // len(EVENTS)
    assert (levels_TS[1:] == levels_TS[:-1])[~ended_TS].all()
    assert (captions_TS[1:] != captions_TS[:-1])[~ended_TS].any()
    # Small frames are played with fewer readings, and the time between two is filled in.
    assert np.array_equal(levels_TS, exact_TS // len(EVENTS))
    assert (captions_TS != exact_TS).mean() < 0.05
