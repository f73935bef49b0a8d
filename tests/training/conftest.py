"""A tiny dataset and preset that train in seconds."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from tests.tiny_data import make_tiny_dataset

LATENT_MODEL = "[latent_actions.model]\ninput_size = 16\nwidths = [16, 32]"

PRESET = """
frame_size = 16
[tokenizer]
type = "autoencoder"
steps = 40
batch = 16
budget_share = 0.3
adam_lr = 3e-3
[tokenizer.model]
grid = 4
channels = 8
encoder_widths = [16, 32]
decoder_widths = [32, 16]
[latent_actions]
type = "latent"
steps = 30
batch = 16
budget_share = 0.2
adam_lr = 2e-3
window = 2
{latent_model}
[dynamics]
type = "shortcut"
steps = 40
batch = 4
window = 8
budget_share = 0.5
adam_lr = 2e-3
muon_lr = 4e-3
source_actions = "{source}"
[dynamics.model]
width = 64
depth = 2
context_frames = 8
"""


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("playground.training").setLevel(logging.ERROR)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    return make_tiny_dataset(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture
def tiny_preset(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(PRESET.format(source="label", latent_model=LATENT_MODEL))
    return path
