"""The evaluation runs on the real models and a real dataset on disk; untrained, so only form is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynamics.config import DynamicsConfig
from dynamics.shortcut import ShortcutDynamics
from playground.evaluation import features, inverse_dynamics, perceptual
from playground.evaluation.run import HORIZON, evaluate_world
from tests.evaluation.fake_world import FakeWorld
from tests.tiny_data import make_tiny_dataset
from tokenizer.config import TokenizerConfig
from tokenizer.model import AutoencoderTokenizer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_dataset(tmp_path_factory.mktemp("evaluation") / "tiny", frames=240)


@pytest.fixture(autouse=True)
def _without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large networks and a well trained judge take long, and their numbers say nothing about untrained worlds."""
    monkeypatch.setattr(inverse_dynamics, "STEPS", 12)
    monkeypatch.setattr(features, "available", lambda: False)
    monkeypatch.setattr(perceptual, "available", lambda: False)


def untrained_world() -> FakeWorld:
    """Real models of the smallest size in a world without files."""
    tokenizer = AutoencoderTokenizer(
        TokenizerConfig(frame_size=16, grid=4, channels=4, encoder_widths=(8, 32), decoder_widths=(8, 8))
    )
    sizes = {"tokens_per_frame": 16, "latent_channels": 4, "width": 32, "depth": 2, "head_dim": 16}
    dynamics = ShortcutDynamics(DynamicsConfig(num_actions=3, context_frames=4, **sizes))
    world = FakeWorld(frame_size=16, sampling={"steps": 2})
    world.tokenizer, world.dynamics = tokenizer.eval(), dynamics.eval()
    return world


def test_real_models_are_measured(data: Path, tmp_path: Path) -> None:
    numbers = evaluate_world(untrained_world(), data, tmp_path / "result.json", frames=64, progress=False)
    assert (tmp_path / "result.json").is_file()
    assert (tmp_path / "result.md").is_file()
    assert numbers["frames_evaluated"] == 4 * HORIZON
    assert 0.0 < numbers["rollout_psnr_16"] < 60.0
    assert numbers["context_frames"] == 4
