"""What every world that clips are drawn from promises before a simulator starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS

WORLDS = sorted(COLLECTORS._builtin)
SPLITS = ("train", "val", "test")
CUT = {"crafter": ["crafter"], "doom": ["vizdoom", "numba"], "flyover": ["numba"], "racing": ["gymnasium", "Box2D"]}
"""Worlds that choose how long an episode lasts, and the packages that play them."""


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"size": 50}, "{world} frames of 50 px are not available.*64"),
        ({"split": "trian"}, "{world} has no split 'trian'.*'train'"),
        ({"options": {"wether": "rain"}}, "{world} has no option 'wether'"),
    ],
    ids=["size", "split", "option"],
)
def test_what_a_world_does_not_have_is_named(world: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message.format(world=world)):
        COLLECTORS.get(world)(**{"size": 64, "split": "train", "options": {}, **asked})


@pytest.mark.parametrize("world", WORLDS)
def test_splits_share_no_seed(world: str) -> None:
    ranges = sorted(COLLECTORS.get(world)(size=64, split=split, options={}).seed_range for split in SPLITS)
    assert all(first < last for first, last in ranges)
    assert all(before[1] <= after[0] for before, after in zip(ranges, ranges[1:], strict=False))


@pytest.mark.parametrize("world", WORLDS)
def test_captions_are_short_distinct_and_have_other_wordings(world: str) -> None:
    collector = COLLECTORS.get(world)(size=64, split="train", options={})
    assert len(set(collector.captions)) == len(collector.captions) == len(collector.paraphrases)
    for caption, others in zip(collector.captions, collector.paraphrases, strict=True):
        assert len({caption, *others}) >= 4
        assert all(text == text.lower() and len(text) <= 80 and "  " not in text for text in (caption, *others))


@pytest.mark.parametrize("world", CUT)
def test_an_episode_can_be_cut_short(world: str) -> None:
    for package in CUT[world]:
        pytest.importorskip(package)
    collector = COLLECTORS.get(world)(size=64, split="test", options={"episode_frames": "16"})
    assert collector.options["episode_frames"] == 16
    ends = [bool(batch.terminated_S[0] or batch.truncated_S[0]) for batch in collector.rollout(3, 0, 1, 48)]
    lengths = np.diff([0, *(np.flatnonzero(ends) + 1)])
    assert len(lengths) >= 3
    assert lengths.max() == 16


@pytest.mark.parametrize("world", CUT)
@pytest.mark.parametrize("frames", ["15", "-1", "many", None])
def test_a_length_that_is_none_is_refused(world: str, frames: Any) -> None:
    with pytest.raises(PlaygroundError, match=f"option 'episode_frames' must be 16 or more, got {frames!r}"):
        COLLECTORS.get(world)(size=64, split="test", options={"episode_frames": frames})
