"""Presets are strict."""

from __future__ import annotations

import pytest

from playground.core.errors import PlaygroundError
from playground.training.presets import load_preset, preset_names


def test_shipped_presets_load():
    assert {"base", "cpu"} <= set(preset_names())
    for name in preset_names():
        preset = load_preset(name)
        shares = [preset.stage(s).budget_share for s in ("tokenizer", "latent-actions", "dynamics")]
        assert abs(sum(shares) - 1) < 1e-6
        assert preset.dynamics.model["prompt_dims"] == 384


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(PlaygroundError, match="Did you mean 'cpu'"):
        load_preset("cpuu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 40", "stepss = 40", "unknown field 'stepss'.*Did you mean 'steps'"),
        ("budget_share = 0.3", "", "field 'budget_share' is missing"),
        ("steps = 40", 'steps = "many"', "field 'steps' must be int"),
        ("steps = 40", "steps = 0", "must be 1 or more"),
        ("[tokenizer]", "[tokenizer", "not valid TOML"),
    ],
)
def test_wrong_fields_are_named(tiny_preset, old, new, message):
    tiny_preset.write_text(tiny_preset.read_text().replace(old, new, 1))
    with pytest.raises(PlaygroundError, match=message) as caught:
        load_preset(str(tiny_preset))
    assert "\n" not in str(caught.value)
    assert "tiny.toml" in str(caught.value)
