"""Rewards and ends of a dataset as targets: each with its frame, and ends drawn as often as they happen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.data.dataset import ClipDataset
from playground.data.outcomes import end_share, find_outcomes
from tests.outcome_data import write_outcomes

NONE = float("nan")


def test_a_reward_comes_with_the_frame_that_its_action_produced(tmp_path: Path) -> None:
    folder = write_outcomes(tmp_path / "a", [1, 2, 10, 4, 5, 6], [False, False, True, False, False, False], episode=3)
    outcomes_T2 = find_outcomes(ClipDataset(folder, length=2))
    assert outcomes_T2 is not None
    # The coin's 10 has no frame of its own: it comes with the last one, beside the 2 that led there. The reward of a
    # cut off episode's last action is lost, as its frame is.
    np.testing.assert_array_equal(outcomes_T2[:, 0], [NONE, 1, 12, NONE, 4, 5])
    np.testing.assert_array_equal(outcomes_T2[:, 1], [0, 0, 1, 0, 0, 0])
    assert end_share(outcomes_T2) == pytest.approx(1 / 6)


def test_video_tells_nothing_and_constant_rewards_are_not_learned(tmp_path: Path) -> None:
    never = [False] * 6
    played = write_outcomes(tmp_path / "played", [0, 1, 0, 0, 0, 0], never, episode=3)
    video = write_outcomes(tmp_path / "video", [0] * 6, never, episode=3, action_names=[])
    both = find_outcomes(ClipDataset([played, video], length=2))
    assert both is not None
    assert np.isnan(both[6:]).all()
    assert not np.isnan(both[:6, 1]).any()
    assert end_share(both) == 0.5
    assert find_outcomes(ClipDataset(video, length=2)) is None
    same = write_outcomes(tmp_path / "same", [0.5] * 6, never, episode=3)
    assert find_outcomes(ClipDataset(same, length=2)) is None


@pytest.mark.parametrize("asked", [{}, {"source_weights": {"a": 1.0}}, {"rare_captions": 0.5}])
def test_ends_are_drawn_as_often_as_they_happen(tmp_path: Path, asked: dict[str, object]) -> None:
    # Every second episode ends; the others are cut off, as long games are.
    ends = [t % 80 == 79 for t in range(4000)]
    data = ClipDataset(write_outcomes(tmp_path / "a", [0.0] * 4000, ends, episode=40), length=8, **asked)
    starts = data.sample_starts(20_000, np.random.default_rng(0))
    drawn = data.ends_T[starts[:, None] + np.arange(8)]
    # Each end is in one window only, so that plain drawing would show a sixth of them.
    assert drawn.mean() == pytest.approx(1 / 80, rel=0.25)
    assert not drawn[:, :-1].any()
