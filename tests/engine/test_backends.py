"""Backends: the choice between them, what it remembers, and what happens without int8 kernels."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from playground.core.config import write_json
from playground.core.registry import BACKENDS
from playground.engine import backends, compiled
from playground.engine.backends import int8
from playground.engine.backends.eager import EagerBackend
from playground.engine.engine import Engine
from playground.world.bundle import World
from playground.world.prompt import prompt_frames
from tests.tiny_world import make_tiny_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.load(make_tiny_world(tmp_path / "tiny"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(backends, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "backends.json"


def test_tests_keep_to_a_cache_of_their_own(own_cache: Path) -> None:
    assert own_cache in compiled.cache_folder().parents


@pytest.mark.parametrize(
    ("eager_s", "int8_s", "choice"), [(0.02, 0.01, "int8"), (0.01, 0.02, "eager"), (0.0100, 0.0095, "eager")]
)
def test_auto_takes_the_clearly_faster_and_remembers(
    world: World, cache: Path, monkeypatch: pytest.MonkeyPatch, eager_s: float, int8_s: float, choice: str
) -> None:
    times = {"eager": eager_s, "int8": int8_s}
    monkeypatch.setattr(backends, "installed_candidates", lambda: list(times))
    monkeypatch.setattr(backends, "MEASURE_S", 0.0)
    monkeypatch.setattr(backends, "frame_seconds", lambda backend, *_: times[backend.name])
    assert Engine(world, threads=1).backend_name == choice
    assert [entry["backend"] for entry in json.loads(cache.read_text()).values()] == [choice]
    assert [name for name, _ in world.backends] == [choice]

    def never(*_: object) -> float:
        raise AssertionError("measured again")

    monkeypatch.setattr(backends, "frame_seconds", never)
    assert Engine(world, threads=1).backend_name == choice


def test_auto_measures_for_real_and_survives_a_bad_cache(
    world: World, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "MEASURE_S", 0.05)
    monkeypatch.setattr(backends, "installed_candidates", lambda: ["eager", "int8"])
    cache.parent.mkdir()
    cache.write_text("not json")
    assert Engine(world, threads=1).backend_name in backends.installed_candidates()
    key = next(iter(json.loads(cache.read_text())))
    for damaged in ({key: "int8"}, {key: {"backend": "gone"}}, {key: {"backend": ["int8"]}}):
        write_json(cache, damaged)
        assert Engine(world, threads=1).backend_name in backends.installed_candidates()
    monkeypatch.setattr(backends, "cache_folder", lambda: Path("/dev/null/nowhere"))
    assert Engine(world, threads=1).backend_name in backends.installed_candidates()


def test_without_int8_kernels_eager_plays(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(int8, "int8_engine", lambda: None)
    with caplog.at_level(logging.WARNING):
        engine = Engine(world, backend="int8", threads=1)
    assert engine.backend_name == "eager"
    assert "no int8 kernels" in caplog.text


def test_quantising_leaves_the_world_as_it_is(world: World) -> None:
    before = {name: tensor.clone() for name, tensor in world.dynamics.state_dict().items()}
    engine = Engine(world, backend="int8", threads=1)
    kinds = {type(module).__module__ for module in engine.backend.network.modules()}
    assert any("quantized" in kind for kind in kinds)
    assert not any("quantized" in type(module).__module__ for module in world.dynamics.modules())
    assert all((tensor == before[name]).all() for name, tensor in world.dynamics.state_dict().items())
    assert Engine(world, backend="int8", threads=1).backend is engine.backend


def test_a_failing_candidate_does_not_stop_the_game(
    world: World, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(backends, "installed_candidates", lambda: ["eager", "int8"])
    monkeypatch.setattr(backends, "MEASURE_S", 0.0)
    monkeypatch.setattr(int8, "quantise", broken)
    with caplog.at_level(logging.WARNING):
        assert Engine(world, threads=1).backend_name == "eager"
    assert "no such instruction" in caplog.text


def test_a_gpu_that_cannot_play_leaves_it_to_the_cpu(
    world: World, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(EagerBackend):
        def prepare(self, slots: int) -> None:
            raise RuntimeError("no kernel image is available\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(backends, "installed_candidates", lambda: ["eager"])
    monkeypatch.setitem(BACKENDS._classes, "cudagraph", Refusing)
    with caplog.at_level(logging.WARNING):
        assert Engine(world, threads=1).backend_name == "eager"
    (told,) = caplog.messages
    assert "no kernel image" in told
    assert "\n" not in told
    assert {name for name, _ in world.backends} == {"eager"}
    monkeypatch.setitem(BACKENDS._classes, "cudagraph", type("Working", (EagerBackend,), {"name": "cudagraph"}))
    assert Engine(world, threads=1).backend_name == "cudagraph"


def test_another_number_of_threads_or_version_measures_again(
    world: World, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "installed_candidates", lambda: ["eager", "int8"])
    monkeypatch.setattr(backends, "MEASURE_S", 0.0)
    for threads in (1, 2, 1):
        Engine(world, threads=threads)
    assert len(json.loads(cache.read_text())) == 2
    monkeypatch.setattr(backends, "_version", lambda package: "another")
    Engine(world, threads=1)
    assert len(json.loads(cache.read_text())) == 3


def test_int8_plays_without_a_recorded_graph(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("torch.jit is gone")

    def first_frame() -> np.ndarray:
        world.backends.clear()
        engine = Engine(world, backend="int8", threads=1)
        return engine.step({engine.open(prompt_frames(world, 0), 5): 1})[0].frame

    recorded = first_frame()
    monkeypatch.setattr(torch.jit, "trace", refuse)
    np.testing.assert_array_equal(first_frame(), recorded)
