"""Clips of a game and an mp4 of the same episodes train the same stages, with no other change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.data.dataset import ClipDataset
from playground.data.importing.run import Settings, import_videos
from playground.data.writer import ClipWriter
from tests.data.importing.videos import scene, write_video

pytest.importorskip("av")
PRESET = """
frame_size = 64
[tokenizer]
type = "autoencoder"
steps = 2
batch = 2
budget_share = 0.3
adam_lr = 3e-3
[tokenizer.model]
channels = 8
encoder_widths = [16, 32, 32]
decoder_widths = [32, 32, 16]
[latent_actions]
type = "latent"
steps = 2
batch = 4
budget_share = 0.2
adam_lr = 2e-3
window = 2
[dynamics]
type = "shortcut"
steps = 2
batch = 2
window = 8
budget_share = 0.5
adam_lr = 2e-3
muon_lr = 4e-3
source_actions = "latent"
[dynamics.model]
width = 64
depth = 2
context_frames = 8
"""


def _collected(folder: Path) -> list[np.ndarray]:
    """A dataset as a collector writes it, and its episodes."""
    from playground.data.format import DatasetInfo

    episodes = [scene(seed, 40, 64, 64) for seed in range(3)]
    info = DatasetInfo(source="scenes", size=64, fps=15.0, action_names=["noop", "right"])
    with ClipWriter(folder, info) as writer:
        for number, frames in enumerate(episodes):
            for t, frame in enumerate(frames):
                writer.append(frame, action=1, truncated=t == len(frames) - 1, episode=number)
    return episodes


def test_collected_and_imported_clips_train_the_same_stages(tmp_path: Path) -> None:
    from playground.training.run import train

    episodes = _collected(tmp_path / "collected")
    video = write_video(tmp_path / "episodes.mp4", np.concatenate(episodes))
    import_videos([video], tmp_path / "imported", Settings(), progress=False)
    imported, collected = (ClipDataset(tmp_path / name, 8) for name in ("imported", "collected"))
    assert np.array_equal(imported.first_T, collected.first_T)
    difference = imported.frames(0, 120).astype(int) - collected.frames(0, 120)
    assert np.abs(difference).mean() < 6
    preset = tmp_path / "tiny.toml"
    preset.write_text(PRESET)
    for name in ("collected", "imported"):
        train("all", preset=str(preset), data=[tmp_path / name], out=tmp_path / f"run-{name}")
    first, second = (
        sorted(path.relative_to(tmp_path / f"run-{name}") for path in (tmp_path / f"run-{name}").rglob("*.safetensors"))
        for name in ("collected", "imported")
    )
    assert first == second
    assert {path.parts[0] for path in first} >= {"tokenizer", "latent-actions", "dynamics"}
