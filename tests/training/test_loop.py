"""Resuming changes nothing, kills lose little, budgets end decayed."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.training import loop, schedule
from playground.training.builders import BUILDERS, Run
from playground.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from playground.training.loop import LoopOptions, train_stage
from playground.training.metrics import read_metrics
from playground.training.prefetch import Prefetcher
from playground.training.presets import load_preset
from playground.training.run import train
from playground.training.schedule import Budget


def options(folder: Path, **changes) -> LoopOptions:
    return LoopOptions(folder, **{"adam_lr": 3e-3, "muon_lr": 3e-3, "checkpoint_every": 5, "log_every": 5, **changes})


def stage(name: str, tiny_data: Path, tiny_preset: Path, out: Path):
    preset = load_preset(str(tiny_preset))
    run = Run(preset, [tiny_data], out, 0, "cpu", False, None, False)
    return BUILDERS[name](run, preset.stage(name))


@pytest.mark.parametrize("name", ["tokenizer", "dynamics"])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_five_steps_and_five_more_equal_ten(name, bfloat16, tiny_data, tiny_preset, tmp_path):
    out = tmp_path / "run"
    train("tokenizer", str(tiny_preset), [tiny_data], out, steps=2, device="cpu", progress=False)

    def go(folder: str, **changes):
        built = stage(name, tiny_data, tiny_preset, out)
        train_stage(built, options(tmp_path / folder, bfloat16=bfloat16, **changes), Budget(steps=10))

    go("whole")
    go("parts", stop_after=5)
    assert load_checkpoint(checkpoints(tmp_path / "parts" / "checkpoints")[-1])[0] == 5
    assert not (tmp_path / "parts" / "done.json").exists()
    go("parts", resume=True)
    states = [load_checkpoint(checkpoints(tmp_path / f / "checkpoints")[-1])[1] for f in ("whole", "parts")]
    for part in ("model", "average"):
        for key, value in states[0][part].items():
            assert torch.equal(value, states[1][part][key]), key
    assert torch.equal(states[0]["generator"], states[1]["generator"])
    assert states[0]["data_generator"] == states[1]["data_generator"]
    curves = [read_metrics(tmp_path / f / "metrics.jsonl") for f in ("whole", "parts")]
    assert [line.get("loss") for line in curves[0]] == [line.get("loss") for line in curves[1]]


def test_time_budget_ends_decayed_and_exports(tiny_data, tiny_preset, tmp_path, monkeypatch):
    # A clock that goes on by as much whenever it is looked at: a busy machine takes as many steps as a quiet one.
    ticks = itertools.count(0.0, 0.004)
    clock = SimpleNamespace(monotonic=lambda: next(ticks), perf_counter=lambda: next(ticks))
    for module in (loop, schedule):
        monkeypatch.setattr(module, "time", clock)
    built = stage("tokenizer", tiny_data, tiny_preset, tmp_path)
    result = train_stage(built, options(tmp_path / "stage", log_every=1), Budget(seconds=4.0))
    lines = [line for line in read_metrics(tmp_path / "stage" / "metrics.jsonl") if "loss" in line]
    assert result.finished
    scales = [line["lr_scale"] for line in lines]
    assert max(scales) == 1.0
    assert scales[-1] < 0.1
    assert 3.8 < lines[-1]["seconds"] < 4.2
    for name in ("export/config.json", "export/model.safetensors", "done.json"):
        assert (tmp_path / "stage" / name).is_file()
    assert list((tmp_path / "stage" / "samples").glob("*.png"))


SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from playground.training.run import train
data, preset, out = sys.argv[1:4]
train("tokenizer", preset, [Path(data)], Path(out), steps=100000, resume=True, device="cpu", progress=False)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_loses_at_most_one_interval(number, tiny_data, tiny_preset, tmp_path, repository):
    tiny_preset.write_text(tiny_preset.read_text().replace("steps = 40", "steps = 40\ncheckpoint_every = 10", 1))
    out = tmp_path / "run"
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", SCRIPT, str(tiny_data), str(tiny_preset), str(out)]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE)
    metrics = out / "tokenizer" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (read_metrics(metrics) and read_metrics(metrics)[-1]["step"] >= 30):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    process.wait(30)
    process.stderr.close()
    reached = read_metrics(metrics)[-1]["step"]
    step, _ = load_checkpoint(checkpoints(out / "tokenizer" / "checkpoints")[-1])
    assert step >= reached - 10
    result = train("tokenizer", str(tiny_preset), [tiny_data], out, steps=step + 5, resume=True, progress=False)
    assert result["tokenizer"].finished
    assert result["tokenizer"].steps == step + 5


def test_checkpoints_are_complete_and_few(tmp_path):
    state = {"a": torch.arange(3), "b": {0: [torch.ones(2), 1.5, None], "big": 1 << 100}}
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, state)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000002", "step-00000003"]
    step, loaded = load_checkpoint(checkpoints(tmp_path)[-1])
    assert step == 3
    assert loaded["b"]["big"] == 1 << 100
    assert loaded["b"][0][1:] == [1.5, None]
    assert torch.equal(loaded["b"][0][0], torch.ones(2))


def test_damaged_checkpoint_is_one_clear_line(tmp_path):
    path = save_checkpoint(tmp_path, 1, {"a": torch.zeros(1000)})
    weights = path / "state.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(PlaygroundError, match="step-00000001.*damaged.*delete") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    (path / "state.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(PlaygroundError, match="format 99"):
        load_checkpoint(path)


def test_a_run_is_never_overwritten_by_accident(tiny_data, tiny_preset, tmp_path):
    train("tokenizer", str(tiny_preset), [tiny_data], tmp_path / "run", steps=2, progress=False)
    with pytest.raises(PlaygroundError, match="add --resume"):
        train("tokenizer", str(tiny_preset), [tiny_data], tmp_path / "run", steps=2, progress=False)


def test_batch_thread_hands_errors_over_and_stops(rng):
    def broken(generator):
        raise PlaygroundError("shard 3 is damaged")

    batches = Prefetcher(broken, rng)
    with pytest.raises(PlaygroundError, match="shard 3"):
        batches.next()
    batches.close()
    assert not any(thread.name == "batches" for thread in threading.enumerate())


def test_the_export_keeps_the_checkpoint_that_scores_best(tiny_data, tiny_preset, tmp_path):
    built = stage("tokenizer", tiny_data, tiny_preset, tmp_path / "run")
    scores, exported = iter([1.0, 3.0, 2.0, 2.5]), []
    folder = tmp_path / "run" / "tokenizer"

    def inspect(model):
        if (folder / "export" / "model.safetensors").is_file():
            exported.append((folder / "export" / "model.safetensors").read_bytes())
        return None, {"score": next(scores)}

    built.inspect = inspect
    train_stage(built, options(folder, inspect_every=5, stop_after=10), Budget(steps=15))
    second = (folder / "export" / "model.safetensors").read_bytes()
    assert second != exported[0]
    built = stage("tokenizer", tiny_data, tiny_preset, tmp_path / "run")
    built.inspect = inspect
    result = train_stage(built, options(folder, inspect_every=5, resume=True), Budget(steps=15))
    assert result.finished
    assert result.metrics["score"] == 3.0
    assert json.loads((folder / "done.json").read_text())["exported_step"] == 10
    assert (folder / "export" / "model.safetensors").read_bytes() == second
