"""Writes clip datasets so that a stopped process never leaves a shard that a reader would trust."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.format import (
    STEP_DTYPES,
    TEMPORARY_SUFFIX,
    DatasetInfo,
    complete_shards,
    frames_path,
    motion_path,
    remove_leftovers,
    save_info,
    steps_path,
)

DEFAULT_SHARD_FRAMES = 4096


class ShardWriter:
    """Writes one shard through temporary files; nothing is visible to readers before ``finish``."""

    def __init__(self, folder: Path, index: int, size: int) -> None:
        """Open the temporary file of shard ``index`` for frames of ``size`` x ``size`` pixels."""
        self._folder, self._index, self._size = folder, index, size
        self._temporary = _temporary(frames_path(folder, index))
        self._columns: dict[str, list[float]] = {name: [] for name in STEP_DTYPES}
        self._file: BinaryIO = open(self._temporary, "wb", buffering=1 << 20)  # noqa: SIM115 - closed by finish
        self._header_bytes = self._write_header(0)

    def __len__(self) -> int:
        return len(self._columns["action"])

    def append(
        self,
        frame_HWC: np.ndarray,
        action: int,
        reward: float,
        terminated: bool,
        truncated: bool,
        episode: int,
        caption: int,
    ) -> None:
        """Add one frame and the step taken at it (the action leads to the next frame, as in Gymnasium)."""
        self._file.write(np.ascontiguousarray(frame_HWC).data)
        row = (action, reward, terminated, truncated, episode, caption)
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    def finish(self) -> None:
        """Publish the shard: frames first, steps last. An episode that stops without an end is marked truncated."""
        steps = {name: np.array(self._columns[name], dtype) for name, dtype in STEP_DTYPES.items()}
        last = np.append(np.diff(steps["episode"]) != 0, True)
        steps["truncated"] |= last & ~steps["terminated"]
        self._file.seek(0)
        if self._write_header(len(self)) != self._header_bytes:
            raise AssertionError("the npy header changed its length; numpy no longer pads it")
        _flush_to_disk(self._file)
        self._file.close()
        # A stale motion cache of an earlier shard with this number would otherwise be believed.
        motion_path(self._folder, self._index).unlink(missing_ok=True)
        os.replace(self._temporary, frames_path(self._folder, self._index))
        target = steps_path(self._folder, self._index)
        temporary = _temporary(target)
        with open(temporary, "wb") as file:
            np.savez(file, **steps)  # type: ignore[arg-type]  # mypy takes any of the names for ``allow_pickle``
            _flush_to_disk(file)
        os.replace(temporary, target)

    def abort(self) -> None:
        """Throw the unfinished shard away."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _write_header(self, frames: int) -> int:
        shape = (frames, self._size, self._size, 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()


class ClipWriter:
    """Appends frames to a dataset folder, shard by shard; resumes after a stop.

    Whole shards of an earlier run stay, ``frames_written`` says how many frames they hold, and a source that can
    skip continues from there. Use it as a context manager: leaving normally publishes the last shard, leaving by an
    error drops the unfinished one.
    """

    def __init__(self, folder: Path | str, info: DatasetInfo, shard_frames: int = DEFAULT_SHARD_FRAMES) -> None:
        """Create or continue the dataset in ``folder``.

        Raises:
            PlaygroundError: the folder holds a different dataset, or cannot be written.
        """
        if shard_frames < 1:
            raise PlaygroundError(f"shard_frames must be 1 or more, got {shard_frames}")
        self.info = info
        self._folder, self._shard_frames = Path(folder), shard_frames
        prepare_folder(self._folder, info)
        done = complete_shards(self._folder)
        self._next = done[-1] + 1 if done else 0
        self.frames_written = sum(
            len(np.load(frames_path(self._folder, index), mmap_mode="r", allow_pickle=False)) for index in done
        )
        self._shard: ShardWriter | None = None

    def append(
        self,
        frame: np.ndarray,
        action: int = -1,
        reward: float = 0.0,
        terminated: bool = False,
        truncated: bool = False,
        episode: int = 0,
        caption: int = -1,
    ) -> None:
        """Add one frame.

        Args:
            frame: uint8 (size, size, 3).
            action: id of the action taken AT this frame (it leads to the next one), -1 when not known.
            reward: reward of that action.
            terminated: that action ended the episode.
            truncated: the episode was cut here.
            episode: number that is different for every episode of the dataset.
            caption: id in ``info.captions``, -1 for none.

        Raises:
            PlaygroundError: wrong frame shape or type, or an id that ``info`` does not name.
        """
        info = self.info
        if frame.dtype != np.uint8 or frame.shape != (info.size, info.size, 3):
            raise PlaygroundError(
                f"frame is {frame.dtype} {frame.shape}, expected uint8 ({info.size}, {info.size}, 3); resize it first"
            )
        for name, value, known in (("action", action, info.action_names), ("caption", caption, info.captions)):
            if not -1 <= value < len(known):
                raise PlaygroundError(f"{name} id {value} is outside -1..{len(known) - 1}; add it to the dataset info")
        if self._shard is None:
            self._shard = ShardWriter(self._folder, self._next, info.size)
        self._shard.append(frame, action, reward, terminated, truncated, episode, caption)
        if len(self._shard) >= self._shard_frames:
            self._publish()

    def close(self) -> None:
        """Publish the frames that do not fill a whole shard."""
        if self._shard is not None:
            self._publish()

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._shard is not None:
            self._shard.abort()
            self._shard = None

    def _publish(self) -> None:
        shard, self._shard = self._shard, None
        if shard is not None:
            shard.finish()
            self.frames_written += len(shard)
            self._next += 1


def prepare_folder(folder: Path, info: DatasetInfo) -> None:
    """Make ``folder`` ready for shards of ``info``: create it, write or check its info, remove leftovers.

    Raises:
        PlaygroundError: it holds a different dataset, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_info(folder, info)
        remove_leftovers(folder)
    except OSError as error:
        raise PlaygroundError(f"cannot write to {folder} ({error.strerror}); choose another folder") from error


def _flush_to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _temporary(path: Path) -> Path:
    # With the process id in the name, a worker that outlives its killed parent for a moment spoils no file of the next.
    return path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
