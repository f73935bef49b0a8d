"""Sizes that do not fit each other are named before anything is built."""

from __future__ import annotations

from typing import Any

import pytest

from dynamics.config import DynamicsConfig
from latent_actions.config import LatentActionConfig
from playground.core.config import config_from_dict, config_to_dict
from playground.core.errors import PlaygroundError
from tokenizer.config import TokenizerConfig


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (TokenizerConfig, {"frame_size": 48}, "encoder_widths"),
        (TokenizerConfig, {"decoder_widths": [32]}, "decoder_widths"),
        (TokenizerConfig, {"levels": []}, "levels"),
        (TokenizerConfig, {"levels": [8, 1]}, "levels"),
        (TokenizerConfig, {"bottleneck": "vae"}, "'continuous', 'fsq'"),
        (TokenizerConfig, {"grid": -8}, "grid"),
        (TokenizerConfig, {"channels": 0}, "channels"),
        (TokenizerConfig, {"encoder_widths": [32, 0, 128]}, "encoder_widths"),
        (TokenizerConfig, {"encoder_widths": [32, 64, 48]}, "encoder_widths"),
        (LatentActionConfig, {"input_size": 24}, "input_size"),
        (LatentActionConfig, {"widths": [32]}, "widths"),
        (LatentActionConfig, {"num_actions": 1}, "num_actions"),
        (LatentActionConfig, {"input_size": 0}, "input_size"),
        (DynamicsConfig, {"tokens_per_frame": 60}, "packing"),
        (DynamicsConfig, {"packing": 3}, "packing"),
        (DynamicsConfig, {"packing": 0}, "packing"),
        (DynamicsConfig, {"tokens_per_frame": -4}, "tokens_per_frame"),
        (DynamicsConfig, {"width": 100}, "width"),
        (DynamicsConfig, {"head_dim": 0}, "head_dim"),
        (DynamicsConfig, {"depth": 0}, "depth"),
        (DynamicsConfig, {"time_every": 0}, "time_every"),
        (DynamicsConfig, {"steps": 3}, "steps"),
        (DynamicsConfig, {"steps": 0}, "steps"),
        (DynamicsConfig, {"context_frames": 1}, "context_frames"),
    ],
)
def test_impossible_sizes(cls: type, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message) as caught:
        config_from_dict(cls, fields, "config.json")
    assert str(caught.value).startswith("config.json: ")


@pytest.mark.parametrize("cls", [TokenizerConfig, LatentActionConfig, DynamicsConfig])
def test_defaults_are_valid_and_survive_json(cls: type) -> None:
    assert config_from_dict(cls, config_to_dict(cls()), "config.json") == cls()
