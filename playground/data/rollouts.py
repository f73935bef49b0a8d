"""Plays the rollouts of a collector into shards: which ones are missing, and one of them at a time."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.core.errors import PlaygroundError
from playground.data.worlds import Collector
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


def play_rollout(job: Job, collector: Collector, rollout: Rollout, advance: Advance) -> None:
    """Play one rollout and write those of its shards that are missing.

    Raises:
        PlaygroundError: the disk is full, or whatever the collector says.
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
