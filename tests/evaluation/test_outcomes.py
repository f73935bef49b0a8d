"""How well a world knows rewards and ends, measured on worlds of which the answer is known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dynamics.outcome import Outcome
from playground.data.dataset import ClipDataset
from playground.data.outcomes import find_outcomes
from playground.evaluation.keys import KEYS
from playground.evaluation.outcomes import average_precision, judged_starts, measure_outcomes, score_outcomes
from tests.evaluation.fake_world import SIZE, FakeWorld, ScrollDynamics
from tests.outcome_data import write_outcomes

ENDS = [t % 50 == 49 for t in range(1000)]


class KnowingDynamics(ScrollDynamics):
    """Tells an end for bright frames, or for frames at random; tells no reward."""

    knows = True
    config = SimpleNamespace(outcomes=True)

    def outcome(self, written: torch.Tensor) -> Outcome:
        bright_B = written.mean(dim=(1, 2))
        odds_B = bright_B / 255 if self.knows else torch.rand(len(bright_B), generator=torch.Generator().manual_seed(0))
        return Outcome(torch.zeros(len(bright_B)), odds_B)


def test_a_world_that_knows_its_ends_scores_one_and_one_that_guesses_scores_chance(tmp_path: Path) -> None:
    # A world with bright frames in the middle of its episodes would make the knowing one fail.
    data = ClipDataset(write_outcomes(tmp_path / "a", [0.0] * 1000, ENDS, episode=50, size=SIZE), length=12)
    world = FakeWorld(dynamics=KnowingDynamics())
    numbers = measure_outcomes(world, {"a": data}, context=4)
    assert set(numbers) == {"end_average_precision", "end_share", "ends_judged"}
    assert set(numbers) <= set(KEYS)
    assert numbers["end_average_precision"] == pytest.approx(1.0)
    assert numbers["ends_judged"] == 20
    world.dynamics.knows = False
    guessed = measure_outcomes(world, {"a": data}, context=4)
    assert guessed["end_average_precision"] < 5 * guessed["end_share"]


def test_several_sources_are_told_apart(tmp_path: Path) -> None:
    ending = ClipDataset(write_outcomes(tmp_path / "a", [0.0] * 1000, ENDS, episode=50, size=SIZE), length=12)
    rewards = [float(t % 7 == 0) for t in range(200)]
    endless = ClipDataset(write_outcomes(tmp_path / "b", rewards, [False] * 200, episode=50, size=SIZE), length=12)
    numbers = measure_outcomes(FakeWorld(dynamics=KnowingDynamics()), {"a": ending, "b": endless}, context=4)
    assert numbers["ends_judged/a"] == numbers["ends_judged"] == 20
    assert "end_average_precision/b" not in numbers
    # The world tells the same reward everywhere, which is to know nothing.
    assert numbers["reward_correlation"] == numbers["reward_correlation/b"] == 0.0


def test_worlds_and_data_without_outcomes_have_no_such_numbers(tmp_path: Path) -> None:
    ending = ClipDataset(write_outcomes(tmp_path / "a", [0.0] * 100, ENDS[:100], episode=50, size=SIZE), length=12)
    endless = ClipDataset(write_outcomes(tmp_path / "b", [0.0] * 100, [False] * 100, episode=50, size=SIZE), length=12)
    assert measure_outcomes(FakeWorld(), {"a": ending}, context=4) == {}
    assert measure_outcomes(FakeWorld(dynamics=KnowingDynamics()), {"b": endless}, context=4) == {}


def test_unknown_outcomes_are_not_asked_about() -> None:
    true = np.array([[[np.nan, 0.0], [1.0, 1.0], [2.0, np.nan]]])
    told = np.array([[[9.0, 0.2], [3.0, 0.8], [5.0, 0.9]]])
    scores = score_outcomes(told, true)
    assert scores["reward_correlation"] == pytest.approx(1.0)
    assert scores["end_average_precision"] == 1.0


def test_clips_that_are_judged_show_what_is_rare(tmp_path: Path) -> None:
    ends = [t % 100 == 99 for t in range(1000)]
    dataset = ClipDataset(write_outcomes(tmp_path / "a", [0.0] * 1000, ends, episode=100), length=4)
    outcomes_T2 = find_outcomes(dataset)
    assert outcomes_T2 is not None
    starts = judged_starts(dataset, outcomes_T2, 32)
    shown = outcomes_T2[starts[:, None] + np.arange(4), 1].any(axis=1)
    assert set(starts) <= set(dataset.starts_W)
    assert shown.sum() >= 8
    assert (~shown).sum() >= 8


def test_average_precision_of_known_rankings() -> None:
    true = np.array([True, False, True, False])
    assert average_precision(true, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(true, np.array([9.0, 1.0, 8.0, 0.0])) == 1.0
    assert average_precision(true, np.zeros(4)) == pytest.approx(0.5)
