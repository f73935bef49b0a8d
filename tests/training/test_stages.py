"""All three stages learn something on a moving square, and say clearly what they miss."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from apps.cli.main import main
from playground.core.component import load_component
from playground.core.config import read_json
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, LATENT_ACTION_MODELS, TOKENIZERS
from playground.training.alarms import code_alarms, code_metrics, control_alarms
from playground.training.metrics import read_metrics
from playground.training.run import train
from playground.training.stages.latent_actions import purity


def losses(out, stage):
    return [line["loss"] for line in read_metrics(out / stage / "metrics.jsonl") if "loss" in line]


def test_tokenizer_and_dynamics_learn_from_labels(tiny_data, tiny_preset, tmp_path):
    out = tmp_path / "run"
    told = {"device": "cpu", "progress": False, "seed": 2}  # others may end with one grey picture, easy to predict
    for stage, steps, share in (("tokenizer", 150, 0.2), ("dynamics", 300, 0.7)):
        result = train(stage, str(tiny_preset), [tiny_data], out, steps=steps, **told)[stage]
        assert result.finished
        assert losses(out, stage)[-1] < share * losses(out, stage)[0]
    tokenizer = load_component(TOKENIZERS, out / "tokenizer" / "export")
    dynamics = load_component(DYNAMICS, out / "dynamics" / "export")
    assert dynamics.config.tokens_per_frame == tokenizer.tokens_per_frame
    assert dynamics.num_actions == 5
    assert (out / "cache" / "codes.npy").is_file()
    book = read_json(out / "actions.json")["actions"]
    assert [entry["name"] for entry in book if entry["noop"]] == ["noop"]
    assert book[2] == {"code": 2, "name": "right", "keys": ["right", "d"], "noop": False}


def test_all_three_stages_share_a_time_budget(tiny_data, tiny_preset, tmp_path):
    tiny_preset.write_text(tiny_preset.read_text().replace('"label"', '"latent"'))
    out = tmp_path / "run"
    results = train("all", str(tiny_preset), [tiny_data], out, budget_seconds=9, device="cpu", progress=False)
    assert list(results) == ["tokenizer", "latent-actions", "dynamics"]
    assert all(result.finished for result in results.values())
    assert (out / "actions.json").is_file()
    again = train("all", str(tiny_preset), [tiny_data], out, budget_seconds=9, resume=True, progress=False)
    assert [r.steps for r in again.values()] == [r.steps for r in results.values()]


def test_shown_labels_reach_the_latent_actions(tiny_data, tiny_preset, tmp_path):
    text = tiny_preset.read_text()
    assert "[latent_actions.model]" in text  # the share belongs to the section before it
    tiny_preset.write_text(text.replace("[latent_actions.model]", "label_share = 0.5\n[latent_actions.model]"))
    train("latent-actions", str(tiny_preset), [tiny_data], tmp_path, steps=2, progress=False)
    model = load_component(LATENT_ACTION_MODELS, tmp_path / "latent-actions" / "export")
    assert model.config.num_labels == 5
    tiny_preset.write_text(text)
    train("latent-actions", str(tiny_preset), [tiny_data], tmp_path / "plain", steps=2, progress=False)
    assert load_component(LATENT_ACTION_MODELS, tmp_path / "plain" / "latent-actions" / "export").labels is None


def test_codes_that_mean_nothing_yet_are_called_so(tiny_data, tiny_preset, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "playground.training"):
        train("latent-actions", str(tiny_preset), [tiny_data], tmp_path, steps=2, progress=False)
    assert "meaningless codes" in caplog.text


def test_a_stage_can_start_from_an_earlier_run(tiny_data, tiny_preset, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    train("tokenizer", str(tiny_preset), [tiny_data], first, progress=False)
    train("tokenizer", str(tiny_preset), [tiny_data], second, steps=10, init=first, progress=False)
    assert losses(second, "tokenizer")[0] < losses(first, "tokenizer")[0]


def test_missing_stage_and_wrong_size_are_one_clear_line(tiny_data, tiny_preset, tmp_path):
    with pytest.raises(PlaygroundError, match="playground train tokenizer"):
        train("dynamics", str(tiny_preset), [tiny_data], tmp_path / "run", progress=False)
    with pytest.raises(PlaygroundError, match="16 px.*64 px"):
        train("tokenizer", "cpu", [tiny_data], tmp_path / "run", progress=False)
    with pytest.raises(PlaygroundError, match="Did you mean 'dynamics'"):
        train("dynamic", "cpu", [tiny_data], tmp_path / "run", progress=False)
    text = tiny_preset.read_text().replace("channels = 8", "chanels = 8")
    tiny_preset.write_text(text)
    with pytest.raises(PlaygroundError, match="unknown field 'chanels'"):
        train("tokenizer", str(tiny_preset), [tiny_data], tmp_path / "other", progress=False)


def test_alarms_name_collapse():
    one = code_metrics(np.zeros(100, np.int64), 8)
    assert len(code_alarms(one, 8)) == 2
    assert code_alarms(code_metrics(np.arange(100) % 8, 8), 8) == []
    assert code_alarms({"loss": 1.0}, 8) == []
    (warning,) = code_alarms({"explained_codes": 0.20, "explained_shuffled": 0.19}, 8)
    assert "meaningless codes" in warning
    assert code_alarms({"explained_codes": 0.40, "explained_shuffled": -1.0}, 8) == []
    assert control_alarms({"control_gap_db": 0.01})
    assert control_alarms({"control_gap_db": 1.0}) == []
    assert purity(np.array([0, 0, 1, 1]), np.array([3, 3, 2, 4])) == 0.75


def test_a_person_sees_the_estimate_before_training(tiny_data, tiny_preset, tmp_path, capsys):
    logging.getLogger("playground.training").setLevel(logging.NOTSET)
    arguments = ["train", "tokenizer", "--preset", str(tiny_preset), "--data", str(tiny_data), "--steps", "2"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().err
    assert "tokenizer: " in shown
    assert " M parameters, " in shown
    assert " MB" in shown
