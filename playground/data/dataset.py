"""Reads clip datasets: windows of consecutive frames with the actions that produced them, fast enough for training."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.format import (
    INFO_NAME,
    DatasetInfo,
    Shard,
    complete_shards,
    load_info,
    motion_path,
    open_shard,
)
from playground.data.sampling import (
    balance_captions,
    check_shares,
    check_source_weights,
    favour_changes,
    motion_weights,
    share_sources,
)

_MOTION_CHUNK = 256
# Motion is compared on about this many rows and columns: on all pixels of 300,000 frames of 128 px it takes minutes.
_MOTION_SIDE = 32


@dataclass(frozen=True)
class Clips:
    """B windows of T frames.

    Attributes:
        frames_BTHWC: uint8 frames.
        actions_BT: int64 in ``ClipDataset.action_names``, ``actions_BT[:, t]`` PRODUCED frame t; -1 where not known
            (first frame of an episode, video without labels).
        captions: caption of the last frame of each window, ``""`` for none.
        rewards_BT: float32 reward of the action taken AT frame t. The frame after the end of an episode is never
            seen, so a reward that ends one (CoinRun's coin) could not be attached to the frame that it produced.
        ends_BT: bool, the action taken AT frame t ended the episode (only possible at the last frame).
        caption_ids_BT: int64 id in ``ClipDataset.captions``, -1 for none.
        starts_B: int64 number of each window's first frame in the whole dataset.
    """

    frames_BTHWC: np.ndarray
    actions_BT: np.ndarray
    captions: list[str]
    rewards_BT: np.ndarray
    ends_BT: np.ndarray
    caption_ids_BT: np.ndarray
    starts_B: np.ndarray


class ClipDataset:
    """One or more dataset folders as a single list of windows that never cross an episode.

    Folders must agree in the size of their frames only; actions and captions get one table each, by name. Frames are
    numbered 0 to ``num_frames - 1`` over all shards of all folders. Frames stay on disk (memory-mapped), the small
    per-frame arrays are held in memory.

    Attributes:
        info: description of the first folder; its size holds for all.
        infos: description of every folder.
        action_names: name of each action id over all folders, empty when none has labels.
        captions: text of each caption id over all folders.
        sources: names of the sources, in order of appearance.
        split: the split of all folders, ``"mixed"`` when they differ.
        actions_T: int64 action that PRODUCED each frame, -1 where not known.
        rewards_T: float32 reward of the action taken at each frame.
        ends_T: bool, the action taken at the frame ended its episode.
        caption_ids_T: int64 caption of each frame, -1 for none.
        source_T: int16 index in ``sources`` of each frame.
        first_T: bool, the frame starts an episode (or a shard).
        starts_W: int64 first frame of each window.
        shard_bounds: int64 number of the first frame of each shard, and ``num_frames`` at the end.
    """

    def __init__(
        self,
        folders: Path | str | Iterable[Path | str],
        length: int,
        stride: int = 1,
        motion_weight: float = 0.0,
        source_weights: Mapping[str, float] | None = None,
        rare_captions: float = 0.0,
        caption_changes: float = 0.0,
    ) -> None:
        """Open the folders and list their windows.

        Args:
            folders: one folder or several.
            length: frames in a window.
            stride: frames between the starts of neighbouring windows of an episode; frames inside a window are
                always consecutive.
            motion_weight: 0 samples windows evenly, 1 in proportion to their motion, between is a mixture.
            source_weights: how much is sampled of each source, in any unit; by default what its windows make up.
            rare_captions: 0 samples captions as often as they occur, 1 every caption of a source equally often,
                between is a mixture. A window counts for the caption of its last frame.
            caption_changes: least share, of the windows drawn of each source, of those around a change of the caption
                (it comes in them, or in the ``length`` frames before them).

        Raises:
            PlaygroundError: a missing, damaged or mismatching folder, or no episode of ``length`` frames.
        """
        shares = {"motion_weight": motion_weight, "rare_captions": rare_captions, "caption_changes": caption_changes}
        _check_arguments(length, stride, shares)
        paths = [Path(folders)] if isinstance(folders, (str, Path)) else [Path(folder) for folder in folders]
        if not paths:
            raise PlaygroundError("no dataset folder given; pass --data with at least one folder")
        self.length, self.stride, self.motion_weight = length, stride, motion_weight
        self.rare_captions, self.caption_changes = rare_captions, caption_changes
        self.folders = paths
        self.infos = [load_info(path) for path in paths]
        self.info: DatasetInfo = self.infos[0]
        self._check_sizes()
        self.sources = list(dict.fromkeys(info.source for info in self.infos))
        if source_weights is not None:
            check_source_weights(source_weights, self.sources)
        self.source_weights = source_weights
        splits = {info.split for info in self.infos}
        self.split = splits.pop() if len(splits) == 1 else "mixed"
        self._shards: list[Shard] = []
        self._read_steps(self._open_shards())
        self.starts_W = self._list_windows()
        if not len(self.starts_W):
            raise PlaygroundError(
                f"{paths[0]} has no episode of {length} frames (the longest has {self._episode_lengths().max()}); "
                "use shorter windows or collect more"
            )
        self._ending_W = self.ends_T[self.starts_W + length - 1]
        self._cumulative_W: np.ndarray | None = None

    @property
    def num_frames(self) -> int:
        """Number of frames in all shards."""
        return int(self.shard_bounds[-1])

    @property
    def num_episodes(self) -> int:
        """Number of unbroken runs of frames; an episode cut at a shard edge counts once a shard."""
        return int(self.first_T.sum())

    def __len__(self) -> int:
        return len(self.starts_W)

    def sample_starts(self, batch: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the first frames (int64, B) of ``batch`` windows, with replacement, by the weights.

        An end is the last frame of a single window, other frames are in up to ``length``; so that it is seen as often
        as it happens, that window counts as many. Latents kept in the order of the frames are then
        ``latents[starts[:, None] + np.arange(length)]``.
        """
        asked = self.motion_weight or self.rare_captions or self.caption_changes or self.source_weights is not None
        if not asked and not self._ending_W.any():
            return self.starts_W[rng.integers(0, len(self.starts_W), batch)]
        if self._cumulative_W is None:
            self._cumulative_W = np.cumsum(self._window_weights())
        draws = rng.random(batch) * self._cumulative_W[-1]
        index = np.searchsorted(self._cumulative_W, draws, side="right")
        return self.starts_W[np.minimum(index, len(self.starts_W) - 1)]

    def sample(self, batch: int, rng: np.random.Generator) -> Clips:
        """Draw ``batch`` windows with replacement."""
        return self.clips(self.sample_starts(batch, rng))

    def window(self, index: int) -> Clips:
        """Window ``index`` of ``len(self)`` as a batch of one; the order never changes."""
        return self.clips(self.starts_W[[index]])

    def clips(self, starts: np.ndarray) -> Clips:
        """The windows that start at the given frame numbers (int, B).

        Raises:
            PlaygroundError: a window would leave its episode.
        """
        starts_B = np.asarray(starts, np.int64)
        frame_BT = starts_B[:, None] + np.arange(self.length)
        inside = len(starts_B) == 0 or (starts_B.min() >= 0 and frame_BT[:, -1].max() < self.num_frames)
        if not inside or self.first_T[frame_BT[:, 1:]].any():
            raise PlaygroundError(f"a window of {self.length} frames leaves its episode; take starts from starts_W")
        size = self.info.size
        frames_BTHWC = np.empty((len(starts_B), self.length, size, size, 3), np.uint8)
        shard_B = np.searchsorted(self.shard_bounds, starts_B, side="right") - 1
        # Windows are contiguous in one shard: a slice copies at memory speed, a fancy index would gather row by row.
        for row, (shard, offset) in enumerate(
            zip(shard_B.tolist(), (starts_B - self.shard_bounds[shard_B]).tolist(), strict=True)
        ):
            frames_BTHWC[row] = self._shards[shard].frames_THWC[offset : offset + self.length]
        caption_ids_BT = self.caption_ids_T[frame_BT]
        captions = [self.captions[index] if index >= 0 else "" for index in caption_ids_BT[:, -1].tolist()]
        return Clips(
            frames_BTHWC,
            self.actions_T[frame_BT],
            captions,
            self.rewards_T[frame_BT],
            self.ends_T[frame_BT],
            caption_ids_BT,
            starts_B,
        )

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Frames ``start`` to ``stop - 1`` of the whole dataset, uint8 (T, H, W, C), across episodes and shards.

        Inside one shard this is a read-only view of the file, otherwise a copy.

        Raises:
            PlaygroundError: outside 0..num_frames.
        """
        if not 0 <= start <= stop <= self.num_frames:
            raise PlaygroundError(f"frames {start}..{stop} are outside 0..{self.num_frames}")
        parts = []
        for number, shard in enumerate(self._shards):
            low, high = int(self.shard_bounds[number]), int(self.shard_bounds[number + 1])
            if low < stop and high > start:
                parts.append(shard.frames_THWC[max(start - low, 0) : stop - low])
        if not parts:
            return self._shards[0].frames_THWC[:0]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def motion(self) -> np.ndarray:
        """Mean absolute difference of each frame to the one before it (float32, T; 0..255, 0 at episode starts).

        Looks at every n-th row and column. Computed once per shard and kept beside it; a folder that cannot be
        written is no error.
        """
        motion_T = np.concatenate([_shard_motion(shard) for shard in self._shards])
        return np.where(self.first_T, np.float32(0), motion_T)

    def source_of(self, window: int) -> str:
        """Name of the source of window ``window`` of ``len(self)``."""
        return self.sources[self.source_T[self.starts_W[window]]]

    def _open_shards(self) -> list[DatasetInfo]:
        """Open the finished shards of all folders; returns the facts of each."""
        shard_infos: list[DatasetInfo] = []
        for path, info in zip(self.folders, self.infos, strict=True):
            indices = complete_shards(path)
            if not indices:
                raise PlaygroundError(f"{path} has no finished shard; repeat the command that wrote it")
            self._shards += [open_shard(path, index, info) for index in indices]
            shard_infos += [info] * len(indices)
        lengths = [len(shard.frames_THWC) for shard in self._shards]
        self.shard_bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return shard_infos

    def _check_sizes(self) -> None:
        for path, info in zip(self.folders, self.infos, strict=True):
            if info.size != self.info.size:
                raise PlaygroundError(
                    f"{path / INFO_NAME}: field 'size' is {info.size}, but {self.folders[0]} has {self.info.size}; "
                    "train on datasets that agree, or write one of them again"
                )

    def _read_steps(self, shard_infos: list[DatasetInfo]) -> None:
        actions, rewards, ends, captions, firsts = [], [], [], [], []
        known_actions: dict[str, int] = {}
        known_captions: dict[str, int] = {}
        for shard, info in zip(self._shards, shard_infos, strict=True):
            steps = shard.steps
            done_T = steps["terminated"] | steps["truncated"]
            first_T = np.ones(len(done_T), bool)
            first_T[1:] = done_T[:-1] | (np.diff(steps["episode"]) != 0)
            # On disk a row holds the action taken at its frame; training wants the one that produced it.
            produced_T = np.where(first_T, -1, np.roll(steps["action"], 1))
            actions.append(_ids_by_name(known_actions, info.action_names)[produced_T])
            rewards.append(steps["reward"])
            captions.append(_ids_by_name(known_captions, info.captions)[steps["caption"]])
            ends.append(steps["terminated"])
            firsts.append(first_T)
        self.action_names, self.captions = list(known_actions), list(known_captions)
        self.actions_T, self.rewards_T = np.concatenate(actions), np.concatenate(rewards)
        self.ends_T, self.caption_ids_T = np.concatenate(ends), np.concatenate(captions)
        self.first_T = np.concatenate(firsts)
        source = [self.sources.index(info.source) for info in shard_infos]
        self.source_T = np.repeat(np.array(source, np.int16), np.diff(self.shard_bounds))

    def _episode_lengths(self) -> np.ndarray:
        edges = np.append(np.flatnonzero(self.first_T), self.num_frames)
        return np.diff(edges)

    def _list_windows(self) -> np.ndarray:
        begins = np.flatnonzero(self.first_T)
        lengths = self._episode_lengths()
        begin_T, length_T = np.repeat(begins, lengths), np.repeat(lengths, lengths)
        offset_T = np.arange(self.num_frames) - begin_T
        return np.flatnonzero((offset_T % self.stride == 0) & (offset_T + self.length <= length_T)).astype(np.int64)

    def _window_motion(self) -> np.ndarray:
        if self.motion_weight == 0.0:
            # It would be multiplied by zero, and finding it reads every frame.
            return np.zeros(len(self.starts_W))
        total = np.concatenate([[0.0], np.cumsum(self.motion(), dtype=np.float64)])
        # The difference to the frame before the window is not seen, so it does not count.
        return total[self.starts_W + self.length] - total[self.starts_W + 1]

    def _window_weights(self) -> np.ndarray:
        motion_W, count_W = self._window_motion(), np.where(self._ending_W, self.length, 1)
        if self.source_weights is None and not (self.rare_captions or self.caption_changes):
            return count_W * motion_weights(motion_W, self.motion_weight)
        weights_W, changing_W = np.zeros(len(motion_W)), self._changing()
        source_W = self.source_T[self.starts_W]
        caption_W = self.caption_ids_T[self.starts_W + self.length - 1]
        for source in np.unique(source_W):
            mine = source_W == source
            moving_W = count_W[mine] * motion_weights(motion_W[mine], self.motion_weight)
            balanced_W = balance_captions(moving_W, caption_W[mine], self.rare_captions)
            weights_W[mine] = favour_changes(balanced_W, changing_W[mine], self.caption_changes)
        shares = np.bincount(source_W, minlength=len(self.sources)).tolist()
        if self.source_weights is not None:
            shares = [self.source_weights[name] for name in self.sources]
            check_shares(shares, weights_W, source_W, self.sources, self.length)
        return share_sources(weights_W, source_W, shares)

    def _changing(self) -> np.ndarray:
        """Which windows (bool, W) have a change of the caption in them, or in as many frames before them."""
        changed_T = (np.diff(self.caption_ids_T, prepend=self.caption_ids_T[:1]) != 0) & ~self.first_T.astype(bool)
        before_T = np.concatenate([[0], np.cumsum(changed_T)])
        # The frames before a window may be those of another episode, whose changes do not show here.
        episode_T = np.maximum.accumulate(np.where(self.first_T, np.arange(self.num_frames), 0))
        since_W = np.maximum(self.starts_W - self.length, episode_T[self.starts_W])
        changing_W: np.ndarray = before_T[self.starts_W + self.length] > before_T[since_W]
        return changing_W


def _check_arguments(length: int, stride: int, shares: Mapping[str, float]) -> None:
    if length < 1 or stride < 1:
        raise PlaygroundError(f"length and stride must be 1 or more, got {length} and {stride}")
    for name, value in shares.items():
        if not 0.0 <= value <= 1.0:
            raise PlaygroundError(f"{name} must be 0..1, got {value}")


def _ids_by_name(known: dict[str, int], names: list[str]) -> np.ndarray:
    """Ids over all folders of the names of one folder, and -1 behind them, so that -1 stays -1."""
    return np.array([known.setdefault(name, len(known)) for name in names] + [-1], np.int64)


def _shard_motion(shard: Shard) -> np.ndarray:
    path, frames = motion_path(shard.folder, shard.index), shard.frames_THWC
    with contextlib.suppress(OSError, ValueError, EOFError):
        cached = np.load(path, allow_pickle=False)
        if cached.shape == (len(frames),) and cached.dtype == np.float32 and np.isfinite(cached).all():
            return cached
    motion_T = np.zeros(len(frames), np.float32)
    thin = max(1, frames.shape[1] // _MOTION_SIDE)
    for low in range(1, len(frames), _MOTION_CHUNK):
        some = frames[low - 1 : low + _MOTION_CHUNK, thin // 2 :: thin, thin // 2 :: thin].astype(np.int16)
        motion_T[low : low + _MOTION_CHUNK] = np.abs(np.diff(some, axis=0)).mean((1, 2, 3), dtype=np.float64)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        try:
            with open(temporary, "wb") as file:
                np.save(file, motion_T)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return motion_T
