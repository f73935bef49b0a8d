"""Bundles on disk: the evaluation loads them by folder, and a run packs into one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from playground.core.component import save_component
from playground.core.config import write_json
from playground.core.errors import PlaygroundError
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.engine import backends
from playground.evaluation import features, perceptual
from playground.evaluation.run import evaluate_world
from playground.evaluation.starts import shipped_prompts
from playground.training.pack import pack
from playground.training.sources import PROMPT_FRAMES
from playground.world.bundle import World
from tests.tiny_world import FRAME_SIZE, make_tiny_world, tiny_actions


def noise_clips(folder: Path, split: str, seed: int, source: str = "coinrun") -> Path:
    """Three episodes of 24 frames of scrolling noise, at the tiny world's frame size."""
    info = DatasetInfo(source=source, size=FRAME_SIZE, fps=15.0, action_names=["stay"], split=split, captions=["noise"])
    rng = np.random.default_rng(seed)
    with ClipWriter(folder, info, shard_frames=72) as writer:
        for episode in range(3):
            frame = rng.integers(0, 256, (FRAME_SIZE, FRAME_SIZE, 3)).astype(np.uint8)
            for t in range(24):
                writer.append(np.roll(frame, t, axis=1), action=0, truncated=t == 23, episode=episode, caption=0)
    return folder


@pytest.fixture(autouse=True)
def _without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers must not depend on what is installed; large networks and a careful choice of backend take long."""
    monkeypatch.setattr(backends, "MEASURE_S", 0.0)
    monkeypatch.setattr(features, "available", lambda: False)
    monkeypatch.setattr(perceptual, "available", lambda: False)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("clips")
    return {split: noise_clips(root / split, split, seed) for seed, split in enumerate(("train", "test"))}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, clips: dict[str, Path]) -> Path:
    """What a training run leaves behind, with untrained parts."""
    root = tmp_path_factory.mktemp("run")
    world = World.load(make_tiny_world(root / "source", latent_actions=True))
    run = root / "run"
    parts = {"tokenizer": world.tokenizer, "latent-actions": world.latent_actions, "dynamics": world.dynamics}
    for stage, part in parts.items():
        save_component(part, run / stage / "export")
    tiny_actions().save(run / "actions.json")
    write_json(run / "run.json", {"preset": {"name": "tiny"}, "data": [str(clips["train"])], "seed": 4})
    return run


@pytest.mark.parametrize("head", ["shortcut", "maskgit"])
def test_a_bundle_is_measured_by_its_folder(head: str, clips: dict[str, Path], tmp_path: Path) -> None:
    folder = make_tiny_world(tmp_path / head, head=head, texts=head == "shortcut", latent_actions=True)
    data = [clips["test"], noise_clips(tmp_path / "other", "test", 5, source="other")]
    numbers = evaluate_world(folder, data, tmp_path / "out", frames=64, progress=False)
    assert numbers["clips_evaluated"] == 4
    for key in ("tokenizer_psnr", "rollout_psnr_16", "motion_ratio"):
        low, high = sorted((numbers[f"{key}/coinrun"], numbers[f"{key}/other"]))
        assert low - 1e-3 <= numbers[key] <= high + 1e-3
    assert "## By source" in (tmp_path / "out" / "report.md").read_text()
    assert numbers["opposite_prompts_total"] == 3
    assert 0.0 <= numbers["key_consistency"] <= 1.0
    assert numbers["fps_median"] > 0.0
    assert 1 <= numbers["codes_used"] <= 4
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == numbers


def test_a_run_packs_into_a_world_with_prompts_from_held_out_clips(
    run_folder: Path, clips: dict[str, Path], tmp_path: Path
) -> None:
    folder = pack(run_folder, tmp_path / "packed", data=[clips["train"], clips["test"]], prompts=4)
    world = World.load(folder)
    assert world.name == "packed"
    prompts = shipped_prompts(world).clips
    assert [prompt.shape[0] for prompt in prompts] == [PROMPT_FRAMES] * 4
    held_out = np.load(clips["test"] / "0000.frames.npy")
    assert all((held_out == prompt[0]).all(axis=(1, 2, 3)).any() for prompt in prompts)
    card = (folder / "README.md").read_text()
    assert "Kenney" in card
    assert str(clips["train"].parent) not in card


def test_packing_an_unfinished_run_names_the_missing_stage(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    write_json(tmp_path / "half" / "run.json", {"data": []})
    with pytest.raises(PlaygroundError, match="playground train tokenizer"):
        pack(tmp_path / "half", tmp_path / "packed")


def test_the_report_goes_into_the_card(run_folder: Path, clips: dict[str, Path], tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", {"rollout_psnr_1": 21.5, "rollout_psnr_16": 15.25, "motion_ratio": 0.4})
    folder = pack(run_folder, tmp_path / "w", data=[clips["test"]], prompts=2, report=tmp_path / "report.json")
    card = (folder / "README.md").read_text()
    assert "(-6.2 dB)" in card
    assert "too little" in card
