"""Processes that train together take the same steps on different data; one process notices nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from playground.core.errors import PlaygroundError
from playground.training.distributed import ALONE, Peers, find_peers
from playground.training.metrics import read_metrics
from tests.training.peers_worker import STEPS

WORKER = Path(__file__).with_name("peers_worker.py")

needs_gloo = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="this torch cannot connect processes"
)


def launch(repository: Path, *arguments: str) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stderr[-4000:]


@needs_gloo
@pytest.mark.parametrize(("stage", "accelerate"), [("tokenizer", "no"), ("all", "yes")])
def test_two_processes_end_with_the_same_weights(stage, accelerate, tiny_data, tiny_preset, tmp_path, repository):
    if accelerate == "yes" and importlib.util.find_spec("accelerate") is None:
        accelerate = "no"
    text = tiny_preset.read_text().replace("input_size = 16", "input_size = 16\nreseed_after = 2")
    tiny_preset.write_text(text.replace('source_actions = "label"', 'source_actions = "latent"'))
    out = tmp_path / "run"
    launch(repository, str(WORKER), stage, str(tiny_data), str(tiny_preset), str(out), accelerate)
    first, second = (json.loads((out / f"report-{rank}.json").read_text()) for rank in (0, 1))
    assert (first["rank"], second["rank"], first["count"]) == (0, 1, 2)
    assert first["accelerate"] == (accelerate == "yes")
    assert first["weights"] == second["weights"]
    for name in ("streams", "draws"):
        assert all(a != b for a, b in zip(first[name], second[name], strict=True))
    assert all(first["logs"])
    assert not any(second["logs"])
    stages = ["tokenizer", "latent-actions", "dynamics"] if stage == "all" else [stage]
    assert first["finished"] == second["finished"] == [True] * 2 * len(stages)
    assert first["steps"] == [STEPS] * len(stages) + [STEPS + 2] * len(stages)
    for report in (first, second):
        assert report["gradients"] == [[1.5, 3.0], [2.0] * 3, None]
        assert report["copied"] == [[5.0, 5.0], [7.0, 7.0]]
        assert report["agree"] == 0.25
        assert report["any"] == [True, False]
    for name in stages:
        assert json.loads((out / name / "done.json").read_text())["steps"] == STEPS + 2
        steps = [line["step"] for line in read_metrics(out / name / "metrics.jsonl") if "loss" in line]
        assert steps == [STEPS, STEPS + 2]
    assert len(list(out.rglob("done.json"))) == len(stages)
    assert (out / "actions.json").is_file() == (stage == "all")


@needs_gloo
def test_the_command_line_trains_in_several_processes(tiny_data, tiny_preset, tmp_path, repository):
    out = tmp_path / "run"
    where = ["--preset", str(tiny_preset), "--data", str(tiny_data), "--out", str(out)]
    launch(repository, "-m", "apps.cli.main", "train", "tokenizer", *where, "--budget", "2s", "--device", "cpu")
    assert json.loads((out / "tokenizer" / "done.json").read_text())["finished"]


def test_a_process_without_a_launcher_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert find_peers("cuda") is ALONE
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert find_peers("cpu") is ALONE


def test_alone_nothing_changes():
    model = nn.Linear(2, 2)
    model.weight.grad = torch.ones(2, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ALONE.average_gradients(model)
    ALONE.copy_from_first(model)
    ALONE.barrier()
    with ALONE.first_then_others():
        pass
    assert torch.equal(model.weight.grad, torch.ones(2, 2))
    assert model.bias.grad is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert ALONE.first
    assert ALONE.agree(0.1) == 0.1
    assert ALONE.any(True)
    assert not ALONE.any(False)
    assert ALONE.device("cuda:3") == "cuda:3"
    assert ALONE.seed(5) == ALONE.seed(5, step=10) == 5


def test_each_process_has_its_own_seed_and_gpu():
    seeds = [Peers(rank, 3).seed(7, step) for rank in range(3) for step in (0, 10)]
    assert seeds[:2] == [7, 7]
    assert len(set(seeds[1:])) == 5
    assert Peers(5, 8, local_rank=1).device("cuda") == "cuda:1"
    assert Peers(5, 8, local_rank=1).device("cpu") == "cpu"


def test_an_incomplete_launch_is_one_clear_line(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(PlaygroundError, match="WORLD_SIZE is 'two'"):
        find_peers("cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(PlaygroundError, match="RANK is not set; start with torchrun"):
        find_peers("cpu")
    for name, value in {"RANK": "0", "LOCAL_RANK": "99", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PlaygroundError, match="cannot train together on 'mps'"):
        find_peers("mps")
    with pytest.raises(PlaygroundError, match="process 99 of this machine has no GPU"):
        find_peers("cuda")
