"""Plays the rollouts of a collector into shards: which ones are missing, and one of them at a time."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.worlds import Collector, StepBatch
from playground.data.writer import DEFAULT_SHARD_FRAMES, ShardWriter

EPISODES_PER_SHARD = 1 << 20

Advance = Callable[[int], None]
"""Told how many frames were written since the last call."""


@dataclass(frozen=True)
class Job:
    """What a process needs to play any rollout of a collection; every field can be sent to another process.

    Attributes:
        collector: the collector class itself, not its name, so that classes of plug-ins are found there too.
        size: pixels of a frame's side.
        split: name of the split.
        options: collector options as they were given.
        seed: chooses levels and play.
        folder: the dataset.
    """

    collector: Callable[..., Collector]
    size: int
    split: str
    options: dict[str, Any]
    seed: int
    folder: Path

    def open(self) -> Collector:
        """Make the collector; simulators start with the first rollout only."""
        return self.collector(size=self.size, split=self.split, options=self.options)


@dataclass(frozen=True)
class Rollout:
    """Shards that are played side by side.

    Attributes:
        first: number of the first shard, which is the number of its stream too.
        lengths: frames of each shard.
        missing: rows of ``lengths`` whose shards are not there yet.
    """

    first: int
    lengths: tuple[int, ...]
    missing: tuple[int, ...]


def shard_lengths(frames: int, shard_frames: int = DEFAULT_SHARD_FRAMES) -> list[int]:
    """Split ``frames`` into shards of nearly equal length, none above ``shard_frames``."""
    shards = -(-frames // shard_frames)
    return [frames // shards + (index < frames % shards) for index in range(shards)]


def missing_rollouts(lengths: list[int], streams: int, done: set[int]) -> list[Rollout]:
    """The rollouts that still have a shard to write.

    The groups depend on the collector alone, and never on the number of processes or on what is done: some
    simulators play a level differently beside other neighbours.

    Args:
        lengths: frames of every shard of the dataset.
        streams: shards in a rollout at most.
        done: numbers of the finished shards.
    """
    rollouts = []
    for first in range(0, len(lengths), streams):
        group = tuple(lengths[first : first + streams])
        missing = tuple(row for row in range(len(group)) if first + row not in done)
        if missing:
            rollouts.append(Rollout(first, group, missing))
    return rollouts


def _check_batch(batch: StepBatch, streams: int, job: Job, collector: Collector) -> None:
    """Refuse what a shard could not hold or nobody could read; a collector may come from a plug-in.

    Raises:
        PlaygroundError: names the collector and the field.
    """
    name = getattr(job.collector, "__name__", type(collector).__name__)
    frames, shape = batch.frames_SHWC, (streams, job.size, job.size, 3)
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.shape != shape:
        got = f"{getattr(frames, 'dtype', type(frames).__name__)} {getattr(frames, 'shape', '')}".rstrip()
        raise PlaygroundError(f"collector {name}: frames_SHWC must be uint8 {shape}, got {got}")
    steps = {
        "actions_S": (0, len(collector.action_names)),
        "rewards_S": None,
        "terminated_S": None,
        "truncated_S": None,
        "captions_S": (-1, len(collector.captions)),
    }
    for field, bounds in steps.items():
        values_S = np.asarray(getattr(batch, field))
        if values_S.shape != (streams,):
            raise PlaygroundError(f"collector {name}: {field} must have shape ({streams},), got {values_S.shape}")
        if bounds is None:
            continue
        wrong_S = (values_S < bounds[0]) | (values_S >= bounds[1])
        if values_S.dtype.kind not in "iu" or wrong_S.any():
            raise PlaygroundError(
                f"collector {name}: {field} must hold integers {bounds[0]}..{bounds[1] - 1}, got {values_S.tolist()}"
            )


def play_rollout(job: Job, collector: Collector, rollout: Rollout, advance: Advance) -> None:
    """Play one rollout and write those of its shards that are missing.

    Raises:
        PlaygroundError: the disk is full, the collector hands out what a dataset cannot hold, or whatever it says.
    """
    first, lengths = rollout.first, rollout.lengths
    with contextlib.ExitStack() as stack:
        shards: dict[int, ShardWriter] = {}
        for row in rollout.missing:
            shards[row] = ShardWriter(job.folder, first + row, job.size)
            stack.callback(shards[row].abort)
        episodes = [(first + row) * EPISODES_PER_SHARD for row in range(len(lengths))]
        batches = collector.rollout(job.seed, first, len(lengths), max(lengths))
        try:
            for t, batch in zip(range(max(lengths)), batches, strict=True):
                _check_batch(batch, len(lengths), job, collector)
                for row, shard in shards.items():
                    if t >= lengths[row]:
                        continue
                    terminated, truncated = bool(batch.terminated_S[row]), bool(batch.truncated_S[row])
                    shard.append(
                        batch.frames_SHWC[row],
                        int(batch.actions_S[row]),
                        float(batch.rewards_S[row]),
                        terminated,
                        truncated,
                        episodes[row],
                        int(batch.captions_S[row]),
                    )
                    episodes[row] += terminated or truncated
                advance(sum(t < lengths[row] for row in shards))
            for shard in shards.values():
                shard.finish()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise PlaygroundError(
                f"the disk of {job.folder} is full; free some space and repeat the command, it continues"
            ) from error
