"""Encodes a whole dataset once: latents or tokens, and the action that produced each frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from playground.core.config import read_json, write_json
from playground.core.errors import PlaygroundError
from playground.data.dataset import ClipDataset
from playground.training.precision import autocast
from playground.training.stages.latent_actions import infer_codes

CHUNK = 128
"""Frames encoded at a time."""

Progress = Callable[[int], None]


def encode_frames(
    tokenizer: Any, dataset: ClipDataset, cache: Path, key: str, discrete: bool, device: str, progress: bool
) -> np.ndarray:
    """Latents (frames, N, C) float16, or tokens (frames, N) int32, memory-mapped from ``cache``.

    Args:
        tokenizer: trained, in eval mode.
        dataset: its frames are encoded in order, so frame numbers index the result.
        cache: folder; a result of the same ``key`` is used again.
        key: see :func:`fingerprint`.
        discrete: whether the dynamics works on tokens.
        device: where to compute.
        progress: show a bar.

    Raises:
        PlaygroundError: the tokenizer has no tokens but they are wanted.
    """
    if discrete and tokenizer.codebook_size is None:
        raise PlaygroundError(
            "this dynamics model works on tokens, but the tokenizer is continuous;"
            " set bottleneck = 'fsq' in [tokenizer.model] or choose the dynamics type 'shortcut'"
        )
    shape: tuple[int, ...] = (dataset.num_frames, tokenizer.tokens_per_frame)
    shape = shape if discrete else (*shape, tokenizer.latent_channels)
    tokenizer = tokenizer.to(device)

    def fill(array: np.ndarray, advance: Progress) -> None:
        for low in range(0, dataset.num_frames, CHUNK):
            frames = dataset.frames(low, min(low + CHUNK, dataset.num_frames))
            with torch.inference_mode(), autocast(device):
                codes = tokenizer.encode(torch.from_numpy(np.array(frames))[None].to(device))
                codes = tokenizer.quantize(codes) if discrete else codes.float()
            array[low : low + len(frames)] = codes[0].cpu().numpy()
            advance(len(frames))

    return _cached(cache, "codes", key, shape, np.int32 if discrete else np.float16, fill, progress)


def infer_actions(model: Any, dataset: ClipDataset, cache: Path, key: str, device: str, progress: bool) -> np.ndarray:
    """The latent action that produced each frame, (frames,) int64, -1 at the first frame of an episode."""
    model = model.to(device)

    def fill(array: np.ndarray, advance: Progress) -> None:
        for low in range(0, dataset.num_frames, CHUNK):
            high = min(low + CHUNK, dataset.num_frames)
            frames = dataset.frames(max(low - 1, 0), high)
            pairs = np.stack((frames[:-1], frames[1:]), axis=1)
            with autocast(device):
                codes = infer_codes(model, pairs, CHUNK)
            array[high - len(codes) : high] = codes
            advance(high - low)
        array[dataset.first_T] = -1

    actions = _cached(cache, "actions", key, (dataset.num_frames,), np.int64, fill, progress)
    return np.array(actions)


def fingerprint(component: Path, dataset: ClipDataset) -> str:
    """A digest of an exported component and of which data is encoded with it."""
    digest = hashlib.sha256()
    for path in sorted(component.glob("*")):
        digest.update(path.read_bytes())
    for folder in dataset.folders:
        digest.update(str(folder.resolve()).encode())
    digest.update(dataset.shard_bounds.tobytes())
    return digest.hexdigest()


def _cached(
    cache: Path,
    name: str,
    key: str,
    shape: tuple[int, ...],
    dtype: Any,
    fill: Callable[[np.ndarray, Progress], None],
    progress: bool,
) -> np.ndarray:
    path, note = cache / f"{name}.npy", cache / f"{name}.json"
    if note.is_file() and path.is_file() and read_json(note) == {"key": key, "shape": list(shape)}:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    cache.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    partial = cache / f".{name}.partial.npy"
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
    from tqdm import tqdm

    with tqdm(total=shape[0], desc=f"encode {name}", unit="frame", disable=not progress) as bar:
        fill(array, bar.update)
    array.flush()
    del array
    partial.replace(path)
    write_json(note, {"key": key, "shape": list(shape)})
    return np.load(path, mmap_mode="r", allow_pickle=False)
