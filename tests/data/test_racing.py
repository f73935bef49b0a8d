"""Racing: exact captions, independent streams, a driver that keeps the road, and no traces in the process."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from playground.data.worlds.racing import SPLIT_TRACKS, RacingCollector
from playground.data.worlds.racing_captions import COLOURS, colour_pairs

Played = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


@pytest.fixture
def simulator() -> None:
    """Skip without CarRacing's physics and drawing libraries."""
    pytest.importorskip("Box2D")
    pytest.importorskip("gymnasium")
    pytest.importorskip("pygame")


def play(first: int, streams: int, frames: int, size: int = 64, seed: int = 3) -> Played:
    """Frames, actions and captions, each a list over time of arrays over streams."""
    batches = RacingCollector(size, "train", {}).rollout(seed, first, streams, frames)
    rows = [(batch.frames_SHWC.copy(), batch.actions_S.copy(), batch.captions_S.copy()) for batch in batches]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def test_captions_are_short_distinct_and_have_paraphrases_that_keep_both_colours() -> None:
    collector = RacingCollector(64, "train", {})
    assert len(set(collector.captions)) == len(collector.captions) <= 400
    assert len(collector.paraphrases) == len(collector.captions)
    for index, texts in enumerate(collector.paraphrases):
        for text in (collector.captions[index], *texts):
            assert len(text) <= 80
            assert text == text.lower()
            assert all(colour in text for colour in colour_pairs()[index // 2])


@pytest.mark.usefixtures("simulator")
def test_a_stream_is_the_same_in_any_company() -> None:
    together, halves = play(0, 4, 12), [play(0, 2, 12), play(2, 2, 12)]
    for whole, first, second in zip(together, *halves, strict=True):
        for t, (a, b, c) in enumerate(zip(whole, first, second, strict=True)):
            assert np.array_equal(a, np.concatenate([b, c])), f"frame {t} differs"
    assert not np.array_equal(together[0][0], play(0, 4, 1, seed=4)[0][0])


@pytest.mark.usefixtures("simulator")
def test_the_driver_keeps_the_road_and_uses_every_key() -> None:
    _, actions, captions = play(0, 3, 250)
    on_road = 1 - np.mean(np.concatenate(captions) % 2)
    assert 0.9 < on_road < 1
    shares = np.bincount(np.concatenate(actions), minlength=7) / (3 * 250)
    assert shares.min() > 0.01


@pytest.mark.usefixtures("simulator")
def test_the_caption_names_the_colours_in_the_picture() -> None:
    frames, _, captions = play(0, 4, 1, size=128)
    for picture, caption in zip(frames[0], captions[0], strict=True):
        road, grass = colour_pairs()[caption // 2]
        # The car stands on the road, low in the middle; the lower corners are grass.
        seen = {
            "road": np.median(picture[76:84, 60:68].reshape(-1, 3), 0),
            "grass": np.median(picture[100:, :12], (0, 1)),
        }
        for part, name in (("road", road), ("grass", grass)):
            distances = {key: np.abs(np.array(rgb) - seen[part]).sum() for key, rgb in COLOURS.items()}
            assert distances[name] <= min(distances.values()) + 45, f"{part} should look {name}"


@pytest.mark.usefixtures("simulator")
def test_splits_have_their_own_colours_with_one_seed() -> None:
    plays = [RacingCollector(64, split, {}).rollout(3, 0, 8, 1) for split in SPLIT_TRACKS]
    assert len({tuple(next(iter(play)).captions_S // 2) for play in plays}) == 3


@pytest.mark.usefixtures("simulator")
def test_playing_leaves_the_process_as_it_was() -> None:
    environment, state = dict(os.environ), random.getstate()
    play(0, 1, 3)
    assert dict(os.environ) == environment
    assert random.getstate() == state
