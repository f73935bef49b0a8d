"""``playground bench`` on a tiny world: stable keys, one row a backend, and times that add up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from apps.cli import bench_backends, bench_window
from apps.cli.main import main
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
    options = ["--backend", "int8", "--threads", "1", "--frames", "10", "--json", str(report)]
    assert main(["bench", str(world), *options]) == 0
    numbers = json.loads(report.read_text())
    assert set(numbers) >= KEYS
    assert numbers["backend"] == "int8"
    assert numbers["threads"] == 1
    assert numbers["window_fps_median"] > 0
    assert numbers["key_to_frame_ms_p95"] > 0
    for name in ("eager", "int8"):
        parts = sum(numbers[f"{name}_{part}_ms"] for part in ("dynamics", "decode", "rest"))
        assert parts > 0
    assert numbers["eager_speedup"] == 1.0
    assert "eager_agreement_db" not in numbers
    assert numbers["int8_agreement_db"] > 5
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:-1]] == ["eager", "int8"]


def test_agreement_in_decibel() -> None:
    black = np.zeros((2, 4, 4, 3), np.uint8)
    assert bench_backends.psnr(black, black) == 99.0
    assert bench_backends.psnr(black, black + 1) == pytest.approx(48.13, abs=0.01)
