"""``playground bench`` on a tiny world: stable keys, one row a backend, and times that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from apps.cli import bench_backends, bench_window
from apps.cli.main import main
from playground.core.registry import BACKENDS
from playground.engine.backends.eager import EagerBackend
from playground.training.presets import load_preset
from playground.world.bundle import World
from tests.bench import random_world
from tests.tiny_world import make_tiny_world

KEYS = {
    *("fps_median", "fps_p5", "frame_ms_p50", "frame_ms_p95", "key_to_frame_ms_p95", "first_frame_s", "load_s"),
    *("rss_mb", "threads", "backend", "other_load", "window_fps_median", "window_frame_ms_p95"),
}


def test_the_report_has_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setattr(bench_window, "FULL_SPEED_S", 0.5)
    monkeypatch.setattr(bench_window, "KEYS_S", 2.0)
    world, report = make_tiny_world(tmp_path / "tiny"), tmp_path / "bench.json"
    options = ["--backend", "int8", "--threads", "1", "--frames", "10", "--busy", "--json", str(report)]
    assert main(["bench", str(world), *options]) == 0
    numbers = json.loads(report.read_text())
    assert set(numbers) >= KEYS
    assert numbers["backend"] == "int8"
    assert numbers["threads"] == 1
    assert numbers["window_fps_median"] > 0
    assert numbers["key_to_frame_ms_p95"] > 0
    ratio = numbers["busy_frame_ms_p95"] / numbers["frame_ms_p50"]
    assert numbers["busy_p95_over_quiet_median"] == pytest.approx(ratio, abs=1e-3)
    for name in ("eager", "int8"):
        parts = sum(numbers[f"{name}_{part}_ms"] for part in ("dynamics", "decode", "rest"))
        assert parts > 0
    assert numbers["eager_speedup"] == 1.0
    assert "eager_agreement_db" not in numbers
    assert numbers["int8_agreement_db"] > 5
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:-1]] == ["eager", "int8"]


class Failing(EagerBackend):
    """Gives up after some frames."""

    frames_left = 0

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """A frame, while there are some left."""
        self.frames_left -= 1
        if self.frames_left < 0:
            raise RuntimeError("out of memory")
        return super().decode(latents_BTNC)


@pytest.mark.parametrize("frames_left", [0, 20])
def test_a_failing_engine_costs_its_own_row_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], frames_left: int
) -> None:
    monkeypatch.setattr(Failing, "frames_left", frames_left)
    monkeypatch.setitem(BACKENDS._classes, "failing", Failing)
    world = World.load(make_tiny_world(tmp_path / "tiny"))
    rows = bench_backends.compare_backends(world, ["eager", "failing"], threads=1, num_frames=10)
    assert [row.backend for row in rows] == ["eager"]
    assert "failing: out of memory" in capsys.readouterr().out


def test_times_on_a_gpu_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[bool] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(True))
    timed = bench_backends.TimedBackend(EagerBackend(World.load(make_tiny_world(tmp_path / "tiny"))))
    latents = torch.zeros(1, 1, 64, 4)
    timed.decode(latents)
    assert waited == []
    timed._on_gpu = True
    timed.decode(latents)
    assert waited == [True]


def test_a_random_world_of_any_size_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = load_preset("base")
    small = replace(preset.dynamics, model={**preset.dynamics.model, "width": 64, "depth": 2})
    monkeypatch.setattr(random_world, "load_preset", lambda name: replace(preset, dynamics=small))
    world = World.load(random_world.make_random_world(tmp_path / "small", frame_size=32))
    assert (world.frame_size, world.dynamics.config.width, world.dynamics.config.prompt_dims) == (32, 64, 384)
    with world.generate(backend="eager", threads=1) as session:
        assert session.step(1).std() > 1
