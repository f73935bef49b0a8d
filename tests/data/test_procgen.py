"""The Procgen games: the same bytes for a seed in every grouping, options by name, captions that fit the backdrop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.worlds.coinrun import CoinrunCollector
from playground.data.worlds.procgen import DIRECTIONS, GAMES, ProcgenCollector
from playground.data.worlds.procgen_batch import SPLIT_LEVELS, ProcgenBatch, _shrink
from playground.data.worlds.procgen_state import parse_state


@pytest.fixture
def simulator() -> None:
    """Skip without the Procgen package."""
    pytest.importorskip("procgen", reason="the package procgen-mirror is not installed")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gmae": "ninja"}, "no option 'gmae'.*'game'"),
        ({"game": "nina"}, "no game 'nina'.*'ninja'"),
        ({"game": "coinrun"}, "playground collect coinrun"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        ProcgenCollector(64, "train", options)


def test_every_game_is_described() -> None:
    for name, game in GAMES.items():
        collector = ProcgenCollector(64, "train", {"game": name})
        assert collector.action_names == DIRECTIONS + ([game.key] if game.key else [])
        assert sum(game.chances) == pytest.approx(1)


def test_captions_are_short_and_distinct() -> None:
    collector = ProcgenCollector(64, "train", {})
    rows = [[caption, *others] for caption, others in zip(collector.captions, collector.paraphrases, strict=True)]
    texts = [text for row in rows for text in row]
    assert len(set(texts)) == len(texts) == 4 * len(collector.captions)
    assert all(text == text.lower() and len(text) <= 80 and "{" not in text for text in texts)


@pytest.mark.usefixtures("simulator")
def test_the_caption_names_the_colour_of_the_floor() -> None:
    collector = ProcgenCollector(64, "train", {"game": "dodgeball"})
    seen = set()
    for seed in (0, 1):
        batch = next(iter(collector.rollout(seed, 0, 16, 1)))
        for picture, caption in zip(batch.frames_SHWC, batch.captions_S, strict=True):
            red, green, blue = (int(value) for value in np.median(picture.reshape(-1, 3), 0))
            floor = "dark grey stone"
            if green > red + 15 and green > blue + 15:
                floor = "green grass"
            elif blue > red + 50:
                floor = "blue water"
            elif red > 150:
                floor = "yellow sand"
            elif red > blue + 20:
                floor = "brown earth"
            assert collector.captions[caption].endswith(floor)
            seen.add(floor)
    assert len(seen) == 5


@pytest.mark.usefixtures("simulator")
def test_a_state_of_another_layout_is_refused() -> None:
    env = ProcgenCollector(64, "train", {"game": "ninja"})._open(0, 0, 1)
    state = env.get_state()[0]
    env.close()
    assert parse_state(state).game == "ninja"
    assert parse_state(state).types_E[parse_state(state).player] == 0
    for other in (b"\x01" + state[1:], state[:4] + b"\xff\xff\xff\x7f" + state[8:], state[:-4], state[:300], b""):
        with pytest.raises(PlaygroundError, match=r"unknown way .*pip install procgen-mirror"):
            parse_state(other)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_large_pictures_are_averaged_and_rounded(size: int) -> None:
    picture = np.random.default_rng(size).integers(0, 256, (512, 512, 3), np.uint8)
    small = np.empty((size, size, 3), np.uint8)
    _shrink(picture, small)
    factor = 512 // size
    mean = picture.reshape(size, factor, size, factor, 3).mean((1, 3))
    assert np.array_equal(small, np.floor(mean + 0.5))


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
    texts = {collector.captions[int(b.captions_S[0])] for b in batches}
    assert texts <= {caption for caption, *_ in GAMES[name].describe()}
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
