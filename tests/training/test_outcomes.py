"""Rewards and ends are learned where the data has any."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.component import load_component
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.training.builders import tells_texts_apart
from playground.training.metrics import read_metrics
from playground.training.run import train
from tests.outcome_data import write_outcomes


def test_a_stage_learns_outcomes_where_the_data_has_them(tmp_path: Path, tiny_preset: Path) -> None:
    rng = np.random.default_rng(0)
    ends = [t % 20 == 19 and t % 40 > 20 for t in range(400)]
    data = write_outcomes(tmp_path / "data", rng.integers(0, 2, 400).astype(float).tolist(), ends, episode=20)
    out = tmp_path / "run"
    for stage, steps in (("tokenizer", 20), ("dynamics", 80)):
        train(stage, str(tiny_preset), [data], out, steps=steps, device="cpu", progress=False)
    model = load_component(DYNAMICS, out / "dynamics" / "export")
    assert model.config.outcomes
    assert model.outcome_head.end_weight.item() == pytest.approx(39.0)
    lines = read_metrics(out / "dynamics" / "metrics.jsonl")
    last = [line for line in lines if "reward_correlation" in line][-1]
    assert last["reward_correlation"] > 0.9
    assert last["end_average_precision"] > 0.5
    # The data decides, the preset may refuse, and weights that training starts from keep their heads.
    quiet = write_outcomes(tmp_path / "quiet", [0.0] * 400, [False] * 400, episode=20)
    assert not trained(tmp_path / "b", out, tiny_preset, quiet).config.outcomes
    kept = trained(tmp_path / "c", out, tiny_preset, quiet, init=out)
    assert kept.config.outcomes
    assert kept.outcome_head.end_weight.item() == pytest.approx(39.0)
    text = tiny_preset.read_text()
    tiny_preset.write_text(text + "outcomes = false\nprompt_dims = 384\n")
    silent = trained(tmp_path / "d", out, tiny_preset, data).config
    assert not silent.outcomes
    assert silent.prompt_dims == 0
    tiny_preset.write_text(text + "outcomes = true\n")
    with pytest.raises(PlaygroundError, match="field 'outcomes' is True, but must be False; remove it"):
        trained(tmp_path / "e", out, tiny_preset, quiet)


def trained(out: Path, run: Path, preset: Path, data: Path, init: Path | None = None) -> Any:
    """Dynamics after two steps on ``data``, over the tokenizer of another run."""
    shutil.copytree(run / "tokenizer" / "export", out / "tokenizer" / "export")
    train("dynamics", str(preset), [data], out, steps=2, init=init, device="cpu", progress=False)
    return load_component(DYNAMICS, out / "dynamics" / "export")


@pytest.mark.parametrize(("ids", "told_apart"), [([-1] * 4, False), ([0, 0, 0, 0], False), ([0, 1, -1, 1], True)])
def test_texts_count_where_two_of_them_occur(tmp_path: Path, ids: list[int], told_apart: bool) -> None:
    info = DatasetInfo(source="a", size=16, fps=10.0, captions=["day", "night"])
    with ClipWriter(tmp_path / "a", info) as writer:
        for caption in ids:
            writer.append(np.zeros((16, 16, 3), np.uint8), caption=caption)
    assert tells_texts_apart(ClipDataset(tmp_path / "a", length=2)) is told_apart
