"""The Procgen games: the same bytes for a seed in every grouping, options by name, one caption a game."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.worlds.coinrun import CoinrunCollector
from playground.data.worlds.procgen import DIRECTIONS, GAMES, ProcgenCollector
from playground.data.worlds.procgen_batch import SPLIT_LEVELS, ProcgenBatch


@pytest.fixture
def simulator() -> None:
    """Skip without the Procgen package."""
    pytest.importorskip("procgen", reason="the package procgen-mirror is not installed")


@pytest.mark.parametrize(
    ("size", "split", "options", "message"),
    [
        (48, "train", {}, "procgen frames of 48 px.*64, 128"),
        (64, "trian", {}, "procgen has no split 'trian'.*'train'"),
        (64, "train", {"gmae": "ninja"}, "no option 'gmae'.*'game'"),
        (64, "train", {"game": "nina"}, "no game 'nina'.*'ninja'"),
        (64, "train", {"game": "coinrun"}, "playground collect coinrun"),
    ],
)
def test_bad_options_are_named(size: int, split: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        ProcgenCollector(size, split, options)


def test_splits_share_no_level() -> None:
    ranges = sorted(SPLIT_LEVELS.values())
    assert all(before[1] <= after[0] for before, after in zip(ranges, ranges[1:], strict=False))


def test_every_game_is_described() -> None:
    for name, game in GAMES.items():
        collector = ProcgenCollector(64, "train", {"game": name})
        assert collector.action_names == DIRECTIONS + ([game.key] if game.key else [])
        assert len({game.caption, *game.paraphrases}) == 4
        assert all(text == text.lower() and len(text) <= 80 for text in (game.caption, *game.paraphrases))
        assert sum(game.chances) == pytest.approx(1)


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    "collector",
    [ProcgenCollector(64, "train", {"game": "ninja"}), CoinrunCollector(64, "train", {})],
    ids=["ninja", "coinrun"],
)
def test_a_stream_is_the_same_in_every_grouping(collector: ProcgenBatch) -> None:
    pair, alone = (list(collector.rollout(3, first, count, 60)) for first, count in ((0, 2), (1, 1)))
    for both, one in zip(pair, alone, strict=True):
        assert np.array_equal(one.frames_SHWC[0], both.frames_SHWC[1])
        for name in ("actions_S", "rewards_S", "terminated_S", "truncated_S", "captions_S"):
            assert getattr(one, name)[0] == getattr(both, name)[1]


@pytest.mark.usefixtures("simulator")
def test_splits_play_differently_with_one_seed() -> None:
    plays = [ProcgenCollector(64, split, {}).rollout(3, 0, 1, 40) for split in SPLIT_LEVELS]
    assert len({tuple(int(batch.actions_S[0]) for batch in play) for play in plays}) == 3


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("name", GAMES)
def test_every_game_plays(name: str) -> None:
    collector = ProcgenCollector(64, "test", {"game": name})
    batches = list(collector.rollout(0, 0, 1, 80))
    frames = np.stack([b.frames_SHWC[0] for b in batches]).astype(np.int16)
    assert frames.shape == (80, 64, 64, 3)
    assert (np.abs(np.diff(frames, axis=0)).mean((1, 2, 3)) > 0.02).mean() > 0.5
    assert {int(b.captions_S[0]) for b in batches} == {list(GAMES).index(name)}
    assert len({int(b.actions_S[0]) for b in batches}) >= 4
    assert max(int(b.actions_S[0]) for b in batches) < len(collector.action_names)


@pytest.mark.usefixtures("simulator")
def test_large_frames_show_the_same_play() -> None:
    small, large = (
        next(iter(ProcgenCollector(size, "train", {"game": "climber"}).rollout(0, 0, 2, 1))).frames_SHWC
        for size in (64, 128)
    )
    halved = large.reshape(2, 64, 2, 64, 2, 3).mean((2, 4))
    assert large.shape == (2, 128, 128, 3)
    assert np.abs(halved - small).mean() < 10
