"""Fills a clip dataset from a collector: deterministic, resumable, and honest about disk space beforehand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.captions import store_captions
from playground.data.format import MAX_FRAME_SIZE, DatasetInfo, complete_shards, remove_leftovers
from playground.data.processes import play_in_processes
from playground.data.rollouts import Advance, Job, Rollout, missing_rollouts, play_rollout, shard_lengths
from playground.data.worlds import Collector
from playground.data.writer import prepare_folder

STEP_BYTES = 22
SPARE_BYTES = 64 << 20


def collect(
    source: str,
    frames: int,
    out: Path | str,
    size: int = 64,
    seed: int = 0,
    split: str = "train",
    options: dict[str, Any] | None = None,
    processes: int = 1,
    progress: bool = True,
    announce: Callable[[str], None] | None = None,
) -> DatasetInfo:
    """Play a source world and write the frames as a clip dataset.

    The same arguments give the same bytes, whatever the number of processes. A stopped collection continues when it
    is repeated: finished shards stay, half-written files are removed.

    Args:
        source: name of a collector, for example ``"coinrun"``.
        frames: number of frames to write.
        out: dataset folder, created when missing.
        size: height and width in pixels.
        seed: chooses levels and play.
        split: ``"train"``, ``"val"`` or ``"test"``; splits never share a level.
        options: options of the collector; values may be strings.
        processes: how many play at once, at most one a rollout. With more than one, a script that calls this needs
            the usual ``if __name__ == "__main__":``.
        progress: show a progress bar on stderr.
        announce: told in one line what is about to be written and how much disk that takes.

    Returns:
        What was written to ``dataset.json``.

    Raises:
        PlaygroundError: unknown source, split or option, too little disk space, or a folder with other data.
    """
    _check_numbers(frames, size, seed, processes)
    folder = Path(out)
    job = Job(COLLECTORS.get(source), size, split, dict(options or {}), seed, folder)
    collector = job.open()
    info = _describe(source, frames, job, collector)
    done = set(complete_shards(folder)) if folder.is_dir() else set()
    lengths = shard_lengths(frames)
    missing = sum(length for index, length in enumerate(lengths) if index not in done)
    check_disk(folder, missing, size)
    rollouts = missing_rollouts(lengths, collector.streams_per_rollout, done)
    processes = max(1, min(processes, len(rollouts)))
    if announce:
        announce(_announcement(info, folder, missing, processes))
    prepare_folder(folder, info)
    store_captions(folder, info)
    with tqdm(total=frames, initial=frames - missing, unit="frame", desc=source, disable=not progress) as bar:
        _play(job, collector, rollouts, processes, bar.update)
    return info


def bytes_on_disk(frames: int, size: int) -> int:
    """Size of ``frames`` frames of ``size`` pixels with their steps."""
    return frames * (size * size * 3 + STEP_BYTES)


def check_disk(folder: Path, frames: int, size: int) -> None:
    """Refuse to start what cannot fit.

    Raises:
        PlaygroundError: ``frames`` frames of ``size`` pixels need more than the free space at ``folder``, or its drive
            does not exist.
    """
    needed = bytes_on_disk(frames, size)
    place, free = _free_space(folder)
    if needed + SPARE_BYTES > free:
        raise PlaygroundError(
            f"{frames} frames of {size} px need {needed / 1e9:.2f} GB, but {place} has {free / 1e9:.2f} GB free; "
            "free some space, choose another --out or ask for fewer --frames"
        )


def _play(job: Job, collector: Collector, rollouts: list[Rollout], processes: int, advance: Advance) -> None:
    if processes == 1:
        for rollout in rollouts:
            play_rollout(job, collector, rollout, advance)
        return
    try:
        play_in_processes(job, rollouts, processes, advance)
    finally:
        remove_leftovers(job.folder)


def _free_space(folder: Path) -> tuple[Path, int]:
    """The nearest folder that exists, and the bytes that are free there."""
    place = folder.absolute()
    while not place.exists():
        if place == place.parent:
            raise PlaygroundError(f"{place} does not exist; choose another --out")
        place = place.parent
    return place, shutil.disk_usage(place).free


def _announcement(info: DatasetInfo, folder: Path, missing: int, processes: int) -> str:
    left = "" if missing == info.frames else f", {info.frames - missing} of them are there already"
    return (
        f"{info.frames} frames of {info.source} ({info.split}, {info.size} px){left}: "
        f"{bytes_on_disk(missing, info.size) / 1e9:.2f} GB to write, {_free_space(folder)[1] / 1e9:.1f} GB free, "
        f"{processes} process{'es' if processes > 1 else ''}"
    )


def _describe(source: str, frames: int, job: Job, collector: Collector) -> DatasetInfo:
    return DatasetInfo(
        source=source,
        size=job.size,
        fps=collector.fps,
        action_names=collector.action_names,
        captions=collector.captions,
        paraphrases=getattr(collector, "paraphrases", []),
        split=job.split,
        seed_range=collector.seed_range,
        seed=job.seed,
        frames=frames,
        licence=collector.licence,
        options=collector.options,
        collector_version=collector.version,
    )


def _check_numbers(frames: int, size: int, seed: int, processes: int) -> None:
    for name, value in (("frames", frames), ("processes", processes)):
        if value < 1:
            raise PlaygroundError(f"--{name} must be 1 or more, got {value}")
    if not 1 <= size <= MAX_FRAME_SIZE:
        raise PlaygroundError(f"--size must be 1..{MAX_FRAME_SIZE} pixels, got {size}")
    if seed < 0:
        raise PlaygroundError(f"--seed must be 0 or more, got {seed}")
