"""Runs of a world of several sources begin with the keys of their own source."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from playground.evaluation import probes, rollouts
from playground.evaluation.starts import Starts
from tests.evaluation.fake_world import FakeBook, FakeWorld, book, picture


def _swapped_world() -> Any:
    """A world in which left and right have changed places in one source and do not exist in another."""
    stay, left, right = book()
    swapped = FakeBook(
        [stay, SimpleNamespace(**{**vars(left), "code": 2}), SimpleNamespace(**{**vars(right), "code": 1})]
    )
    world: Any = FakeWorld()
    world.sources = {"mirror": SimpleNamespace(actions=swapped), "shaft": SimpleNamespace(actions=FakeBook([stay]))}
    return world


def test_starts_are_told_apart_by_their_source() -> None:
    clips = np.stack([picture(seed)[None] for seed in range(4)])
    starts = Starts(clips, ["b", "a", "b", "a"], torch.arange(4.0)[:, None])
    found = dict(starts.by_source())
    assert list(found) == ["b", "a"]
    np.testing.assert_array_equal(found["a"].clips, clips[[1, 3]])
    assert found["b"].text_BP is not None
    assert found["b"].text_BP.flatten().tolist() == [0.0, 2.0]
    ragged = Starts([clips[0], np.repeat(clips[1], 2, axis=0)], ["a", "b"])
    assert [len(part.clips[0]) for _, part in ragged.by_source()] == [1, 2]


@pytest.mark.parametrize(("source", "left"), [("", 1), ("mirror", 2), ("shaft", None), ("not told", 1)])
def test_each_source_is_asked_with_its_own_keys(source: str, left: int | None) -> None:
    world, prompts = _swapped_world(), [picture(seed)[None] for seed in range(3)]
    assert probes.code_of_key(world, "left", source) == left
    answer = probes.opposite_prompts(world, prompts, frames=10, source=source)
    assert answer == (None if left is None else (3, 3))
    assert (probes.revisit_gains(world, prompts, 4, source=source) is None) == (left is None)


def test_actions_are_shuffled_within_a_source_and_stand_still_with_its_key() -> None:
    world = _swapped_world()
    stay, left, right = book()
    world.sources["mirror"].actions = FakeBook([SimpleNamespace(**{**vars(stay), "code": 7}), left, right])
    true_BT = np.repeat(np.array([[1], [5], [2], [6]]), 4, axis=1)
    arms = rollouts.arm_actions(true_BT, world, ["shaft", "mirror", "shaft", "mirror"], np.random.default_rng(0))
    assert sorted(arms["shuffled"][[0, 2]].flatten().tolist()) == [1] * 4 + [2] * 4
    assert sorted(arms["shuffled"][[1, 3]].flatten().tolist()) == [5] * 4 + [6] * 4
    assert arms["noop"][:, 0].tolist() == [0, 7, 0, 7]
