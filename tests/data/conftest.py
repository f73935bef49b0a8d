"""Fixtures of the tests of collection."""

from __future__ import annotations

import pytest

from playground.core.registry import COLLECTORS
from playground.data.rollouts import shard_lengths
from tests.data.counting import CounterCollector


@pytest.fixture
def counting_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counting world under a name, and shards of 20 frames, so that a hundred frames make several rollouts."""
    monkeypatch.setitem(COLLECTORS._classes, "test-counter", CounterCollector)
    monkeypatch.setattr(shard_lengths, "__defaults__", (20,))
