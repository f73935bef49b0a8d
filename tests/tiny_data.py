"""A dataset of a white square that an action moves, small enough for any test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter

ACTIONS = {"noop": (0, 0), "left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


def make_tiny_dataset(folder: Path, frames: int = 600, size: int = 16, episode: int = 40, seed: int = 0) -> Path:
    """Write ``frames`` frames of ``size`` pixels in episodes of ``episode`` frames; returns ``folder``."""
    rng = np.random.default_rng(seed)
    info = DatasetInfo(source="tiny", size=size, fps=15.0, action_names=list(ACTIONS), licence="CC0-1.0")
    side = size // 4
    with ClipWriter(folder, info, shard_frames=frames // 2) as writer:
        action = 0
        for index in range(frames):
            if index % episode == 0:
                place = rng.integers(0, size - side + 1, 2)
            if rng.random() < 0.3:
                action = int(rng.integers(len(ACTIONS)))
            frame = np.zeros((size, size, 3), np.uint8)
            frame[..., 2] = 90
            frame[place[0] : place[0] + side, place[1] : place[1] + side] = (250, 240, 80)
            writer.append(frame, action=action, truncated=index % episode == episode - 1, episode=index // episode)
            step = np.array(list(ACTIONS.values())[action])
            place = np.clip(place + step, 0, size - side)
    return folder
