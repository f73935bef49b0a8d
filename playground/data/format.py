"""The clip dataset on disk: names, schema and strict reading of untrusted folders.

A dataset is a folder with ``dataset.json`` and shards. Shard ``0007`` is ``0007.frames.npy`` (uint8, T x H x W x 3)
and ``0007.steps.npz`` (one row a frame). The steps file is renamed into place last, so a shard exists exactly when
its steps file does; anything else is a leftover of a writer that was stopped.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.config import config_from_dict, config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError

SCHEMA_VERSION = 1
INFO_NAME = "dataset.json"
TEMPORARY_SUFFIX = ".tmp"
MAX_FRAME_SIZE = 1024
# What reading a cut, damaged or encrypted npz file raises.
NPZ_ERRORS = (OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)
STEP_DTYPES: dict[str, type[np.generic]] = {
    "action": np.int32,
    "reward": np.float32,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "episode": np.int64,
    "caption": np.int32,
}


@dataclass(frozen=True)
class DatasetInfo:
    """What ``dataset.json`` says about every shard beside it.

    Attributes:
        source: where the frames come from, for example ``"coinrun"``.
        size: height and width of every frame in pixels.
        fps: frames per second of the original.
        action_names: name of each action id; empty when the source has no actions (ids are then all -1).
        captions: text of each caption id; a frame without a caption has id -1.
        paraphrases: for each caption other texts that say the same; empty when the source has none.
        split: ``"train"``, ``"val"``, ``"test"`` or another name that training keeps apart.
        seed_range: first level seed and the one after the last, or ``[]`` when the source has no levels.
        seed: the seed that the collector was given.
        frames: number of frames that the whole dataset was planned to have, 0 when not known beforehand.
        licence: licence and origin of the pictures.
        options: collector options, exactly as used.
        collector_version: version of the collector's play, 0 when not known; a folder begun with another is not
            continued, because its shards would not be what one run writes.
        schema_version: version of this layout.
    """

    source: str
    size: int
    fps: float
    action_names: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    paraphrases: list[list[str]] = field(default_factory=list)
    split: str = "train"
    seed_range: list[int] = field(default_factory=list)
    seed: int = 0
    frames: int = 0
    licence: str = "unknown"
    options: dict[str, Any] = field(default_factory=dict)
    collector_version: int = 0
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Reject values that no dataset can have."""
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(
                f"field 'schema_version' is {self.schema_version}, this version reads {SCHEMA_VERSION}; "
                "collect the data again or use the matching version of playground"
            )
        if not 1 <= self.size <= MAX_FRAME_SIZE:
            raise ValueError(f"field 'size' must be 1..{MAX_FRAME_SIZE} pixels, got {self.size}")
        if not 0 < self.fps < float("inf"):
            raise ValueError(f"field 'fps' must be above 0, got {self.fps}")
        if len(self.seed_range) not in (0, 2):
            raise ValueError(f"field 'seed_range' must be [first, one after the last] or [], got {self.seed_range}")
        if self.paraphrases and len(self.paraphrases) != len(self.captions):
            raise ValueError(
                f"field 'paraphrases' has {len(self.paraphrases)} entries for {len(self.captions)} captions; "
                "give one list for each caption, or none at all"
            )
        if self.frames < 0:
            raise ValueError(f"field 'frames' must be 0 or more, got {self.frames}")


@dataclass(frozen=True)
class Shard:
    """One readable shard.

    Attributes:
        folder: the dataset folder.
        index: number of the shard.
        frames_THWC: uint8 frames, memory-mapped and read-only.
        steps: the arrays of ``STEP_DTYPES``, each of length T.
    """

    folder: Path
    index: int
    frames_THWC: np.ndarray
    steps: dict[str, np.ndarray]


def frames_path(folder: Path, index: int) -> Path:
    """Path of a shard's frames."""
    return folder / f"{index:04d}.frames.npy"


def steps_path(folder: Path, index: int) -> Path:
    """Path of a shard's steps; its presence is what makes the shard complete."""
    return folder / f"{index:04d}.steps.npz"


def motion_path(folder: Path, index: int) -> Path:
    """Path of a shard's cached motion (float32, one value a frame); may be deleted at any time."""
    return folder / f"{index:04d}.motion.npy"


def load_info(folder: Path | str) -> DatasetInfo:
    """Read ``dataset.json``.

    Raises:
        PlaygroundError: not a dataset folder, another schema version, or a wrong field.
    """
    folder = Path(folder)
    path = folder / INFO_NAME
    if not path.is_file():
        raise PlaygroundError(
            f"{folder} is not a clip dataset: {INFO_NAME} is missing; "
            "point to a folder written by `playground collect` or `playground import`"
        )
    return config_from_dict(DatasetInfo, read_json(path, max_bytes=1 << 24), str(path))


def still_there(folders: Iterable[Path]) -> list[Path]:
    """The folders that are clip datasets: the data of an old run may have been deleted or moved since."""
    return [folder for folder in folders if (folder / INFO_NAME).is_file()]


def save_info(folder: Path, info: DatasetInfo) -> None:
    """Write ``dataset.json``, or accept the one that is there when it says the same.

    Raises:
        PlaygroundError: the folder holds a different dataset; the message names the first field that differs.
    """
    if not (folder / INFO_NAME).exists():
        write_json(folder / INFO_NAME, config_to_dict(info))
        return
    old, new = config_to_dict(load_info(folder)), config_to_dict(info)
    for name, value in new.items():
        if old[name] != value:
            raise PlaygroundError(
                f"{folder / INFO_NAME} describes another dataset "
                f"(field {name!r} is {_short(old[name])}, not {_short(value)}); "
                "choose an empty folder or repeat the command that started this one"
            )


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def complete_shards(folder: Path) -> list[int]:
    """Numbers of the finished shards, in order."""
    names = (path.name.removesuffix(".steps.npz") for path in folder.glob("*.steps.npz"))
    return sorted(int(name) for name in names if name.isdecimal() and frames_path(folder, int(name)).is_file())


def remove_leftovers(folder: Path) -> None:
    """Delete what a stopped writer left: temporary files and frames without steps."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
    done = {frames_path(folder, index).name for index in complete_shards(folder)}
    for path in folder.glob("*.frames.npy"):
        if path.name not in done:
            path.unlink(missing_ok=True)


def open_shard(folder: Path, index: int, info: DatasetInfo) -> Shard:
    """Memory-map one shard and check every shape, type and range against ``info``.

    Raises:
        PlaygroundError: a truncated, damaged or mismatching file, named.
    """
    path = frames_path(folder, index)
    try:
        frames_THWC = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PlaygroundError(f"{path} is cut short or damaged ({error}); {_REPAIR}") from error
    expected = (info.size, info.size, 3)
    if frames_THWC.dtype != np.uint8 or frames_THWC.ndim != 4 or frames_THWC.shape[1:] != expected:
        raise PlaygroundError(
            f"{path} holds {frames_THWC.dtype} {frames_THWC.shape}, but {INFO_NAME} says uint8 "
            f"(T, {info.size}, {info.size}, 3); {_REPAIR}"
        )
    return Shard(folder, index, frames_THWC, _read_steps(steps_path(folder, index), len(frames_THWC), info))


_REPAIR = "delete this shard (both files) and repeat the command that wrote the dataset"


def _read_steps(path: Path, frames: int, info: DatasetInfo) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > 64 * frames + 16384:
                raise PlaygroundError(f"{path} is far larger than {frames} frames need; {_REPAIR}")
        with np.load(path, allow_pickle=False) as arrays:
            steps = {name: np.asarray(arrays[name]) for name in STEP_DTYPES if name in arrays.files}
    except NPZ_ERRORS as error:
        raise PlaygroundError(f"{path} is cut short or damaged ({error}); {_REPAIR}") from error
    for name, dtype in STEP_DTYPES.items():
        if name not in steps:
            raise PlaygroundError(f"{path}: array {name!r} is missing; {_REPAIR}")
        if steps[name].shape != (frames,) or steps[name].dtype != dtype:
            raise PlaygroundError(
                f"{path}: array {name!r} is {steps[name].dtype} {steps[name].shape}, expected "
                f"{np.dtype(dtype)} ({frames},); {_REPAIR}"
            )
    for name, known in (("action", len(info.action_names)), ("caption", len(info.captions))):
        ids = steps[name]
        if frames and (ids.min() < -1 or ids.max() >= known):
            raise PlaygroundError(
                f"{path}: {name} ids run from {ids.min()} to {ids.max()}, but {INFO_NAME} names {known}; {_REPAIR}"
            )
    return steps
