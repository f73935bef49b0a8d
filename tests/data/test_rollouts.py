"""What a collector of somebody else hands out is checked before it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.rollouts import Job, Rollout, play_rollout
from playground.data.worlds import StepBatch
from tests.data.counting import CounterCollector


class WrongCollector(CounterCollector):
    """Counts as it should, but field ``field`` of the fourth batch is ``value``."""

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        super().__init__(size, split, options)
        self._wrong = {options["field"]: options["value"]}

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Batches of the counting world, one of them damaged."""
        for t, batch in enumerate(super().rollout(seed, first_stream, streams, frames)):
            yield replace(batch, **self._wrong) if t == 3 else batch


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("frames_SHWC", np.zeros((2, 4, 4, 3), np.float32), "frames_SHWC must be uint8 (2, 4, 4, 3), got float32"),
        ("frames_SHWC", np.zeros((2, 8, 8, 3), np.uint8), "got uint8 (2, 8, 8, 3)"),
        ("frames_SHWC", [[0]], "got list"),
        ("actions_S", np.array([0, 4]), "actions_S must hold integers 0..3, got [0, 4]"),
        ("actions_S", np.array([0.5, 1]), "actions_S must hold integers 0..3"),
        ("actions_S", np.array([0]), "actions_S must have shape (2,), got (1,)"),
        ("captions_S", np.array([0, -1]), "captions_S must hold integers -1..-1, got [0, -1]"),
        ("terminated_S", np.zeros((2, 1), bool), "terminated_S must have shape (2,), got (2, 1)"),
    ],
)
def test_a_wrong_batch_is_refused(tmp_path: Path, field: str, value: Any, message: str) -> None:
    job = Job(WrongCollector, 4, "train", {"field": field, "value": value}, 0, tmp_path)
    with pytest.raises(PlaygroundError, match=f"collector WrongCollector: .*{re.escape(message)}"):
        play_rollout(job, job.open(), Rollout(0, (6, 6), (0, 1)), lambda _: None)
    # Nothing half-written stays.
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
