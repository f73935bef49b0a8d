"""Worlds whose frames are corrected in play run on every backend, and a run does not depend on its neighbours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dynamics.first_frames import FirstFrameDiffusion
from playground.engine.engine import Engine
from playground.world.bundle import World
from playground.world.prompt import opening
from tests.tiny_world import make_tiny_world, shake


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Its model of first frames knows more numbers of a text than its dynamics."""
    folder = Path(tmp_path_factory.mktemp("world"))
    made = World.load(make_tiny_world(folder / "a", texts=True, first_frames=True))
    dynamics = type(made.dynamics)(replace(made.dynamics.config, prompt_dims=100))
    made.dynamics, made.first_frames = dynamics, FirstFrameDiffusion(made.first_frames.config)
    for number, part in enumerate((dynamics, made.first_frames)):
        shake(part, number)
    made.sampling["correct_every"] = 3
    return World.load(made.save(folder / "b"))


@pytest.mark.parametrize("backend", ["eager", "int8", "openvino", "onnx"])
def test_runs_that_are_due_at_different_frames(world: World, backend: str) -> None:
    if backend not in ("eager", "int8"):
        pytest.importorskip("openvino" if backend.startswith("openvino") else "onnxruntime")
    engine = Engine(world, slots=2, backend=backend, threads=1)
    ahead, late = (engine.open(opening(world, number), seed=number, text="snow") for number in (0, 1))
    engine.step({ahead: 0})
    for _ in range(6):
        together = engine.step({ahead: 1, late: 2})
    alone = Engine(world, slots=1, backend=backend, threads=1)
    slot = alone.open(opening(world, 1), seed=1, text="snow")
    for _ in range(6):
        frame = alone.step({slot: 2})[slot].frame
    error = np.abs(together[late].frame.astype(int) - frame).mean()
    assert error < (4 if backend in ("int8", "openvino") else 1)  # rounding to 8 bits depends on the whole batch


@pytest.mark.parametrize("text", ["", "snow"])  # with a text most passes run two rows
@pytest.mark.parametrize("backend", ["int8", "openvino-f32"])
def test_graphs_of_corrections_draw_what_the_network_draws(
    world: World, backend: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend != "int8":
        pytest.importorskip("openvino")
    engine = Engine(world, backend=backend, threads=1)

    def played() -> list[np.ndarray]:
        slot = engine.open(opening(world, 0), seed=1, text=text)
        frames = [engine.step({slot: 1})[slot].frame for _ in range(6)]
        engine.close(slot)
        return frames

    with monkeypatch.context() as patch:
        patch.setattr(FirstFrameDiffusion, "forward", _not_asked)
        graphs = played()
    monkeypatch.setattr(engine.backend, "run_first_frames", None)
    for before, after in zip(played(), graphs, strict=True):
        assert np.abs(before.astype(int) - after).mean() < 1
    monkeypatch.setitem(world.sampling, "correct_every", None)
    assert np.abs(graphs[-1].astype(int) - played()[-1]).mean() > 4  # or else all would agree


def _not_asked(*inputs: torch.Tensor) -> torch.Tensor:
    raise AssertionError("a correction asked the network itself")
