"""The learning rate follows the used budget and always ends at zero."""

from __future__ import annotations

import time

import pytest

from playground.training.schedule import DECAY_START, Budget, learning_rate_scale


def test_rises_stays_and_falls():
    assert learning_rate_scale(0.0) < 0.1
    assert learning_rate_scale(0.1) == 1.0
    assert learning_rate_scale(DECAY_START - 1e-6) == 1.0
    assert learning_rate_scale(DECAY_START + 0.1) < 1.0
    assert learning_rate_scale(1.0) == 0.0
    assert learning_rate_scale(2.0) == 0.0


def test_last_step_of_a_step_budget_is_decayed():
    budget = Budget(steps=10)
    assert not budget.spent(9)
    assert learning_rate_scale(budget.progress(9)) == 0.0
    assert budget.spent(10)


def test_time_budget_counts_earlier_runs_and_ends_decayed():
    budget = Budget(seconds=10.0, used_seconds=9.0)
    assert budget.progress(0) >= 0.9
    assert learning_rate_scale(budget.progress(0, step_seconds=1.0)) == 0.0
    assert Budget(seconds=0.05, used_seconds=0.05).spent(0)
    short = Budget(seconds=0.02)
    time.sleep(0.03)
    assert short.spent(5)


def test_needs_a_limit():
    with pytest.raises(ValueError, match="steps or seconds"):
        Budget()
