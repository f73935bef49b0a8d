"""Fills a clip dataset from a collector: deterministic, resumable, and honest about disk space beforehand."""

from __future__ import annotations

import contextlib
import errno
import shutil
from pathlib import Path
from typing import Any

from tqdm import tqdm

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.format import MAX_FRAME_SIZE, DatasetInfo, complete_shards
from playground.data.worlds import Collector
from playground.data.writer import DEFAULT_SHARD_FRAMES, ShardWriter, prepare_folder

STEP_BYTES = 22
SPARE_BYTES = 64 << 20
EPISODES_PER_SHARD = 1 << 20


def collect(
    source: str,
    frames: int,
    out: Path | str,
    size: int = 64,
    seed: int = 0,
    split: str = "train",
    options: dict[str, Any] | None = None,
    progress: bool = True,
) -> DatasetInfo:
    """Play a source world and write the frames as a clip dataset.

    The same arguments give the same bytes. A stopped collection continues when it is repeated: finished shards stay,
    half-written files are removed.

    Args:
        source: name of a collector, for example ``"coinrun"``.
        frames: number of frames to write.
        out: dataset folder, created when missing.
        size: height and width in pixels.
        seed: chooses levels and play.
        split: ``"train"``, ``"val"`` or ``"test"``; splits never share a level.
        options: options of the collector; values may be strings.
        progress: show a progress bar on stderr.

    Returns:
        What was written to ``dataset.json``.

    Raises:
        PlaygroundError: unknown source, split or option, too little disk space, or a folder with other data.
    """
    _check_numbers(frames, size, seed)
    collector: Collector = COLLECTORS.get(source)(size=size, split=split, options=options or {})
    info = DatasetInfo(
        source=source,
        size=size,
        fps=collector.fps,
        action_names=collector.action_names,
        captions=collector.captions,
        split=split,
        seed_range=collector.seed_range,
        seed=seed,
        frames=frames,
        licence=collector.licence,
        options=collector.options,
        collector_version=collector.version,
    )
    folder = Path(out)
    done = set(complete_shards(folder)) if folder.is_dir() else set()
    lengths = shard_lengths(frames)
    missing = sum(length for index, length in enumerate(lengths) if index not in done)
    check_disk(folder, missing, size)
    prepare_folder(folder, info)
    with tqdm(total=frames, initial=frames - missing, unit="frame", desc=source, disable=not progress) as bar:
        _collect_missing(collector, folder, info, lengths, done, bar)
    return info


def shard_lengths(frames: int, shard_frames: int = DEFAULT_SHARD_FRAMES) -> list[int]:
    """Split ``frames`` into shards of nearly equal length, none above ``shard_frames``."""
    shards = -(-frames // shard_frames)
    return [frames // shards + (index < frames % shards) for index in range(shards)]


def check_disk(folder: Path, frames: int, size: int) -> None:
    """Refuse to start what cannot fit.

    Raises:
        PlaygroundError: ``frames`` frames of ``size`` pixels need more than the free space at ``folder``.
    """
    needed = frames * (size * size * 3 + STEP_BYTES)
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed + SPARE_BYTES > free:
        raise PlaygroundError(
            f"{frames} frames of {size} px need {needed / 1e9:.2f} GB, but {place} has {free / 1e9:.2f} GB free; "
            "free some space, choose another --out or ask for fewer --frames"
        )


def _check_numbers(frames: int, size: int, seed: int) -> None:
    if frames < 1:
        raise PlaygroundError(f"--frames must be 1 or more, got {frames}")
    if not 1 <= size <= MAX_FRAME_SIZE:
        raise PlaygroundError(f"--size must be 1..{MAX_FRAME_SIZE} pixels, got {size}")
    if seed < 0:
        raise PlaygroundError(f"--seed must be 0 or more, got {seed}")


def _collect_missing(
    collector: Collector, folder: Path, info: DatasetInfo, lengths: list[int], done: set[int], bar: tqdm[Any]
) -> None:
    """Play every rollout that has an unwritten shard, from the first stream on."""
    for first in range(0, len(lengths), collector.streams_per_rollout):
        group = lengths[first : first + collector.streams_per_rollout]
        if not done.issuperset(range(first, first + len(group))):
            _collect_group(collector, folder, info, group, first, done, bar)


def _collect_group(
    collector: Collector,
    folder: Path,
    info: DatasetInfo,
    lengths: list[int],
    first: int,
    done: set[int],
    bar: tqdm[Any],
) -> None:
    """Play one rollout and write those of its shards that are not there yet."""
    with contextlib.ExitStack() as stack:
        shards: dict[int, ShardWriter] = {}
        for row in range(len(lengths)):
            if first + row not in done:
                shards[row] = ShardWriter(folder, first + row, info.size)
                stack.callback(shards[row].abort)
        episodes = [(first + row) * EPISODES_PER_SHARD for row in range(len(lengths))]
        steps = zip(range(max(lengths)), collector.rollout(info.seed, first, len(lengths), max(lengths)), strict=True)
        try:
            for t, batch in steps:
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
                bar.update(sum(t < lengths[row] for row in shards))
            for shard in shards.values():
                shard.finish()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise PlaygroundError(
                f"the disk of {folder} is full; free some space and repeat the command, it continues"
            ) from error
