"""The stage of first frames: it learns from captions, goes into the bundle, and is left out where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.training.metrics import read_metrics
from playground.training.pack import pack
from playground.training.run import train
from playground.world.bundle import World

STAGE = """
[first_frames]
type = "diffusion"
steps = 60
batch = 32
budget_share = 0.5
adam_lr = 3e-3
[first_frames.model]
packing = 1
width = 32
depth = 2
reader = true
"""
COLOURS = {"a red field": (220, 40, 40), "a green field": (40, 220, 40)}
TOLD = {"device": "cpu", "progress": False}


@pytest.fixture
def preset(tiny_preset: Path) -> Path:
    text = tiny_preset.read_text().replace('"label"', '"latent"')
    tiny_preset.write_text(text + "prompt_dims = 384\n" + STAGE)
    return tiny_preset


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Fields of two colours with a square that moves about, each with its caption."""
    info = DatasetInfo(source="fields", size=16, fps=10.0, action_names=["noop", "right"], captions=list(COLOURS))
    rng = np.random.default_rng(0)
    with ClipWriter(tmp_path / "colours", info) as writer:
        for episode in range(20):
            for t in range(20):
                frame = np.full((16, 16, 3), list(COLOURS.values())[episode % 2], np.uint8)
                frame[6:10, min(t // 2, 12) : min(t // 2, 12) + 4] = 250
                writer.append(frame, action=int(rng.integers(2)), episode=episode, caption=episode % 2)
    return tmp_path / "colours"


def test_a_world_gets_first_frames_that_show_their_words(colours: Path, preset: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    results = train("all", str(preset), [colours], first, steps=60, **TOLD)
    assert list(results) == ["tokenizer", "latent-actions", "dynamics", "first-frames"]
    lines = [line for line in read_metrics(first / "first-frames" / "metrics.jsonl") if "loss" in line]
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert (first / "first-frames" / "samples").is_dir()
    world = World.load(pack(first, tmp_path / "world"))
    assert world.manifest.sampling.guidance
    assert world.first_frames.reader is not None
    means = [world.draw_first_frame(text).reshape(-1, 3).mean(0) for text in COLOURS]
    assert means[0][0] > means[0][1] + 30, "the red field is red"
    assert means[1][1] > means[1][0] + 30, "the green field is green"
    # A bundle is enough to train its first frames further, and what else it has is taken over.
    train("first-frames", str(preset), [colours], second, init=tmp_path / "world", steps=2, **TOLD)
    again = World.load(pack(second, tmp_path / "again"))
    assert [action.name for action in again.actions] == [action.name for action in world.actions]
    assert (again.dynamics.network.embed.weight == world.dynamics.network.embed.weight).all()
    for each in (world, again):
        each.sampling["guidance"] = None  # it would enlarge what two steps changed in a hardly trained model
    drawn = [each.draw_first_frame("a red field").astype(int) for each in (world, again)]
    assert np.abs(drawn[0] - drawn[1]).mean() < 40


def test_a_world_without_one_can_get_it_later(colours: Path, preset: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for stage in ("tokenizer", "latent-actions", "dynamics"):
        train(stage, str(preset), [colours], first, steps=2, **TOLD)
    assert World.load(pack(first, tmp_path / "world")).first_frames is None
    train("first-frames", str(preset), [colours], second, init=tmp_path / "world", steps=2, **TOLD)
    assert World.load(pack(second, tmp_path / "again")).first_frames is not None


def test_data_without_captions_goes_without(tiny_data: Path, preset: Path, tmp_path: Path) -> None:
    results = train("all", str(preset), [tiny_data], tmp_path / "run", steps=2, **TOLD)
    assert list(results) == ["tokenizer", "latent-actions", "dynamics"]
    assert World.load(pack(tmp_path / "run", tmp_path / "world")).first_frames is None
    # Whoever wants one nevertheless gets one that knows no words and corrects what is played.
    train("first-frames", str(preset), [tiny_data], tmp_path / "run", steps=2, **TOLD)
    world = World.load(pack(tmp_path / "run", tmp_path / "world"))
    assert world.first_frames.config.prompt_dims == world.text_dims == 0
    assert world.first_frames.reader is None
    assert world.sampling["correct_every"]
    assert world.sampling["steps"] == 2 < world.dynamics.config.steps
    assert world.draw_first_frame().any()
    with world.generate(backend="eager") as session:
        frames = [session.step(0) for _ in range(5)]
    world.sampling["correct_every"] = None
    with world.generate(backend="eager") as session:
        plain = [session.step(0) for _ in range(5)]
    assert [(a == b).all() for a, b in zip(frames, plain, strict=True)] != [True] * 5


def test_a_preset_without_the_stage_says_so(tiny_preset: Path, colours: Path, tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match=r"no section \[first_frames\]"):
        train("first-frames", str(tiny_preset), [colours], tmp_path / "run", **TOLD)
