"""Datasets of plain frames whose rewards and ends are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter


def write_outcomes(
    folder: Path, rewards: list[float], terminated: list[bool], episode: int, size: int = 16, **facts: object
) -> Path:
    """Dark frames with these rewards and ends, in episodes of ``episode`` frames; a frame with an end is bright."""
    info = DatasetInfo(source=folder.name, size=size, fps=10.0, **{"action_names": ["noop", "go"], **facts})
    with ClipWriter(folder, info) as writer:
        for t, (reward, end) in enumerate(zip(rewards, terminated, strict=True)):
            frame = np.full((size, size, 3), 200 if end else t % 50, np.uint8)
            action = -1 if not info.action_names else int(reward > 0)
            last = t % episode == episode - 1 and not end
            writer.append(frame, action, reward=reward, terminated=end, truncated=last, episode=t // episode)
    return folder
