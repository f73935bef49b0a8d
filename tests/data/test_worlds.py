"""What every world that clips are drawn from promises before a simulator starts."""

from __future__ import annotations

from typing import Any

import pytest

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS

WORLDS = sorted(COLLECTORS._builtin)
SPLITS = ("train", "val", "test")


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
