"""Worlds whose quality is known in advance must get the numbers that they deserve."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.evaluation import probes, rollouts
from playground.evaluation.report import MEANING, limits
from playground.evaluation.run import evaluate_world
from tests.evaluation.fake_world import SIZE, FakeWorld, ScrollData, ScrollDynamics, picture


def evaluate(world: FakeWorld, out: Path, **options: object) -> dict[str, float]:
    return evaluate_world(world, ScrollData(), out, frames=96, progress=False, **options)


def test_a_perfect_world_scores_perfectly(tmp_path: Path) -> None:
    numbers = evaluate(FakeWorld(), tmp_path)
    assert numbers["tokenizer_psnr"] == 100.0
    assert numbers["rollout_psnr_1"] == numbers["rollout_psnr_16"] == 100.0
    assert numbers["motion_ratio"] == pytest.approx(1.0)
    assert min(numbers["control_gap_db_16"], numbers["noop_gap_db_16"], numbers["delta_t_psnr"]) > 10
    assert numbers["key_accuracy"] == 1.0
    assert numbers["codes_used"] == 3
    assert numbers["frames_evaluated"] == 96


def test_everything_is_written(tmp_path: Path) -> None:
    numbers = evaluate(FakeWorld(), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == numbers
    page = (tmp_path / "report.md").read_text()
    for name in ("reconstruction.png", "rollouts.png", "control.png", "gallery.png"):
        assert (tmp_path / name).is_file()
        assert name in page
    assert set(numbers) <= set(MEANING)


def test_a_world_that_ignores_actions_has_no_control_gap(tmp_path: Path) -> None:
    numbers = evaluate(FakeWorld(ScrollDynamics("ignore", noise=3.0)), tmp_path)
    assert numbers["control_gap_db_16"] == numbers["noop_gap_db_16"] == numbers["delta_t_psnr"] == 0.0
    assert numbers["motion_ratio"] > 0.5
    assert numbers["key_accuracy"] == pytest.approx(1 / 3, abs=0.01)
    assert any("no clear effect" in line for line in limits(numbers))


def test_a_frozen_world_fails_the_motion_ratio(tmp_path: Path) -> None:
    numbers = evaluate(FakeWorld(ScrollDynamics("freeze")), tmp_path)
    assert numbers["motion_ratio"] == 0.0
    assert numbers["rollout_psnr_mean_16"] == numbers["frozen_psnr_mean_16"]
    assert any("too little" in line for line in limits(numbers))


def test_the_same_seed_gives_the_same_report(tmp_path: Path) -> None:
    world = FakeWorld(ScrollDynamics(noise=5.0))
    first, second, other = (evaluate(world, tmp_path / str(seed), seed=seed) for seed in (1, 1, 2))
    first.pop("seconds"), second.pop("seconds")
    assert first == second
    assert first["rollout_psnr_16"] != other["rollout_psnr_16"]


def test_without_a_latent_action_model_its_numbers_are_left_out(tmp_path: Path) -> None:
    numbers = evaluate(FakeWorld(latent_actions=None), tmp_path)
    assert "control_gap_db_16" not in numbers
    assert "key_accuracy" not in numbers
    assert "tokenizer_psnr" in numbers


def test_opposite_keys_are_counted() -> None:
    prompts = [picture(seed)[None] for seed in range(3)]
    assert probes.opposite_prompts(FakeWorld(), prompts, frames=10) == (3, 3)
    assert probes.opposite_prompts(FakeWorld(ScrollDynamics("ignore")), prompts, frames=10) == (0, 3)
    assert probes.opposite_prompts(FakeWorld(ScrollDynamics("freeze")), prompts, frames=10) == (0, 3)
    assert probes.opposite_prompts(FakeWorld(), prompts, keys=("left", "jump")) is None


def test_survival_tells_a_lasting_world_from_one_that_dissolves() -> None:
    prompts = [picture(seed)[None] for seed in range(2)]
    real = rollouts.spread_windows(ScrollData(), 6)
    assert probes.survival(FakeWorld(), prompts, real, frames=120) == 1.0
    assert probes.survival(FakeWorld(ScrollDynamics(noise=40.0)), prompts, real, frames=120) == 0.0


def test_held_rows_share_their_noise() -> None:
    clips = rollouts.hold(FakeWorld(ScrollDynamics("freeze", noise=9.0)), picture()[None], [0, 1, 2], 4, seed=3)
    assert clips.shape == (3, 4, SIZE, SIZE, 3)
    assert np.array_equal(clips[0], clips[1])
    assert np.array_equal(clips[0], clips[2])


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="Did you mean 'core'"):
        evaluate(FakeWorld(), tmp_path, suite="cor")
    with pytest.raises(PlaygroundError, match="64x64"):
        evaluate(FakeWorld(frame_size=64), tmp_path)
    with pytest.raises(PlaygroundError, match="longer episodes"):
        evaluate_world(FakeWorld(), ScrollData(clips=0), tmp_path, progress=False)
