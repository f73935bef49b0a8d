"""Keeps what batches are cut from in GPU memory where it fits, so that no step waits for data.

At 128 pixels one thread copies about 9,000 frames a second out of memory-mapped files, which a fast GPU trains away.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from playground.data.dataset import ClipDataset

RESIDENT_SHARE = 0.4
"""Largest share of the free GPU memory that may be taken."""

_CHUNK = 4096


class ClipFeed:
    """Clips of a dataset as a training step wants them: copied by the batch thread, or gathered on the GPU."""

    def __init__(self, dataset: ClipDataset, device: str) -> None:
        """Take the dataset, and move all its frames to ``device`` if that is a GPU with room."""
        self._dataset = dataset
        bounds = dataset.shard_bounds.tolist()
        parts = [dataset.frames(low, high) for low, high in pairwise(bounds)]
        self._frames_FHWC = upload(parts, device) if fits(sum(part.nbytes for part in parts), device) else None

    def batch(self, starts_B: np.ndarray) -> dict[str, np.ndarray]:
        """What has to travel to the device for the clips that start at these frame numbers."""
        if self._frames_FHWC is None:
            return {"frames_BTHWC": self._dataset.clips(starts_B).frames_BTHWC}
        return {"frame_BT": starts_B[:, None] + np.arange(self._dataset.length)}

    def frames(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The clips of a batch that is on the device, uint8 (B, T, H, W, C)."""
        return batch["frames_BTHWC"] if self._frames_FHWC is None else self._frames_FHWC[batch["frame_BT"]]


def fits(nbytes: int, device: str) -> bool:
    """Whether ``device`` is a GPU with room for so many bytes beside the training."""
    if not device.startswith("cuda"):
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return nbytes <= RESIDENT_SHARE * free


def upload(parts: Sequence[np.ndarray], device: str) -> torch.Tensor:
    """All parts behind each other as one tensor on ``device``; each may be a view of a file."""
    first = torch.from_numpy(np.array(parts[0][:0]))
    result = torch.empty((sum(len(part) for part in parts), *first.shape[1:]), dtype=first.dtype, device=device)
    done = 0
    for part in parts:
        for low in range(0, len(part), _CHUNK):
            some = torch.from_numpy(np.array(part[low : low + _CHUNK]))
            result[done : done + len(some)] = some.to(device)
            done += len(some)
    return result
