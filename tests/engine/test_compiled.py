"""Compiled backends: agreement with eager float32, the cache of compiled models, and the recording of CUDA graphs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from playground.core.errors import PlaygroundError
from playground.core.registry import BACKENDS
from playground.engine import compiled, quantised
from playground.engine.backends.cudagraph import CudaGraphBackend
from playground.engine.backends.fixed import Graph
from playground.engine.compiled import CompiledCache, source_files, weights_hash, world_facts
from playground.engine.engine import Engine
from playground.engine.quantised import measured_ranges
from playground.engine.static import PROMPT_INPUT
from playground.world.bundle import World
from playground.world.prompt import prompt_frames
from tests.tiny_world import make_tiny_world

ACTIONS = (1, 2, 3, 0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "compiled"


@pytest.fixture(scope="module", params=["shortcut", "maskgit", "texts"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    texts = request.param == "texts"
    head = "shortcut" if texts else request.param
    return World.load(make_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny", head=head, texts=texts))


def play(world: World, backend: str, seed: int = 5, text: str = "") -> np.ndarray:
    engine = Engine(world, backend=backend, threads=1)
    slot = engine.open(prompt_frames(world, 0), seed, text)
    return np.stack([engine.step({slot: action})[slot].frame for action in ACTIONS])


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(first.astype(float) - second).mean(), 1e-9)))


@pytest.mark.parametrize("backend", ["openvino-f32", "onnx"])
def test_float_graphs_draw_the_same_frames(world: World, backend: str) -> None:
    pytest.importorskip("openvino" if backend.startswith("openvino") else "onnxruntime")
    exact, graph = play(world, "eager"), play(world, backend)
    if world.dynamics.discrete:  # one token that flips by rounding changes what follows
        exact, graph = exact[:1], graph[:1]
    assert psnr(exact, graph) > 45


@pytest.mark.parametrize("text", ["", "snow begins to fall"])
def test_rounded_graphs_stay_close(tmp_path: Path, text: str) -> None:
    pytest.importorskip("openvino")
    world = World.load(make_tiny_world(tmp_path / "tiny", texts=bool(text)))
    exact, rounded = (play(world, name, text=text)[:1].astype(float) for name in ("eager", "openvino"))
    assert 0 < np.abs(exact - rounded).mean() < 0.15 * exact.std()


def test_ranges_are_measured_with_and_without_a_text(tmp_path: Path) -> None:
    world = World.load(make_tiny_world(tmp_path / "tiny", texts=True))
    world.prompts = world.prompts[:1]
    seen: list[float] = []
    world.dynamics.network.register_forward_pre_hook(
        lambda _, inputs: seen.extend(inputs[PROMPT_INPUT].norm(dim=-1).tolist())
    )
    measured_ranges(world)
    assert {round(length, 5) for length in seen} == {0.0, 1.0}


def test_ranges_do_not_depend_on_what_is_rolled_side_by_side(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    together = measured_ranges(world)
    real = quantised._openings

    def one_by_one(world: World, count: int) -> list[tuple[list[int], Tensor | None]]:
        return [
            ([number], None if frames is None else frames[row : row + 1])
            for numbers, frames in real(world, count)
            for row, number in enumerate(numbers)
        ]

    monkeypatch.setattr(quantised, "_openings", one_by_one)
    for side_by_side, apart in zip(together, measured_ranges(world), strict=True):
        assert side_by_side.keys() == apart.keys()
        if not world.dynamics.discrete:  # a token that flips by rounding changes what follows
            for name, (low, high) in apart.items():
                torch.testing.assert_close(side_by_side[name], (low, high), rtol=1e-3, atol=1e-3)


def test_neighbours_do_not_matter_to_a_compiled_slot(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    world = World.load(make_tiny_world(tmp_path / "tiny", texts=True))

    def four_with(seed: int, text: str) -> list[np.ndarray]:
        engine = Engine(world, slots=4, backend="openvino", threads=1)
        mine = engine.open(prompt_frames(world, 0), 5)
        others = [engine.open(prompt_frames(world, 1), seed + slot, text) for slot in range(3)]
        frames = []
        for t in range(4):
            frames.append(engine.step({mine: 1, **{slot: (seed + t) % 4 for slot in others}})[mine].frame)
        engine.close(others.pop())
        frames.append(engine.step({mine: 1, **dict.fromkeys(others, 2)})[mine].frame)
        return frames

    np.testing.assert_array_equal(four_with(1, ""), four_with(30, "snow"))


def test_slots_come_and_go_without_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    world = World.load(make_tiny_world(tmp_path / "tiny"))
    engine = Engine(world, slots=3, backend="openvino-f32", threads=1)

    def never(rows: int) -> None:
        raise AssertionError(f"compiled again for {rows} rows")

    monkeypatch.setattr(engine.backend, "compile_step", never)
    monkeypatch.setattr(engine.backend, "compile_decoder", never)
    slots = [engine.open(prompt_frames(world, 0), seed) for seed in range(3)]
    engine.step(dict.fromkeys(slots, 1))
    waiting = engine.snapshot(slots[1])
    engine.step({slots[0]: 1, slots[2]: 2})
    assert torch.equal(engine.snapshot(slots[1]).state.keys, waiting.state.keys)
    assert torch.equal(engine.snapshot(slots[1]).generator, waiting.generator)
    engine.close(slots.pop())
    engine.step(dict.fromkeys(slots, 1))


def test_a_second_start_reads_what_was_compiled(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    from playground.engine.backends import openvino as module

    world = World.load(make_tiny_world(tmp_path / "tiny"))
    first = play(world, "openvino-f32")
    assert len(list(cache.glob("*.bin"))) == 2
    converted: list[nn.Module] = []
    real = module.convert
    monkeypatch.setattr(module, "convert", lambda part, example: converted.append(part) or real(part, example))
    world.backends.clear()
    np.testing.assert_array_equal(play(world, "openvino-f32"), first)
    assert converted == []
    for path in cache.glob("*.bin"):
        path.write_bytes(b"damaged")
    world.backends.clear()
    np.testing.assert_array_equal(play(world, "openvino-f32"), first)
    assert len(converted) == 2
    with torch.no_grad():
        world.dynamics.network.head.bias += 0.1
    world.backends.clear()
    assert (play(world, "openvino-f32") != first).any()


def test_a_damaged_export_is_made_again(tmp_path: Path, cache: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    world = World.load(make_tiny_world(tmp_path / "tiny"))
    first = play(world, "onnx")
    for path in cache.glob("*.bin"):
        path.write_bytes(path.read_bytes()[:1000])
    world.backends.clear()
    np.testing.assert_array_equal(play(world, "onnx"), first)
    assert min(path.stat().st_size for path in cache.glob("*.bin")) > 1000


def test_a_kept_model_belongs_to_its_code_sizes_and_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.load(make_tiny_world(tmp_path / "tiny"))
    before = world_facts(world)
    assert world_facts(World.load(tmp_path / "tiny")) == before
    names = {"/".join(path.parts[-2:]) for path in source_files(world)}
    assert names >= {"dynamics/trunk.py", "tokenizer/model.py", "nn/ring.py", "engine/quantised.py", "engine/static.py"}
    changed = tmp_path / "trunk.py"
    changed.write_text("another network")
    monkeypatch.setattr(compiled, "source_files", lambda world: [*source_files(world)[:-1], changed])
    assert world_facts(world)["code"] != before["code"]
    monkeypatch.undo()
    world.dynamics.scale_C += 1
    world.sampling["steps"] = 1
    world.manifest.prompts["dots.png"] = "another picture"
    assert {name for name, value in world_facts(world).items() if value != before[name]} == {
        *("weights", "sampling", "prompts")
    }


def test_the_cache_keeps_to_its_size_and_drops_the_oldest(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path / "kept", max_bytes=250)
    for age, name in ((300, "old"), (200, "used"), (100, "new")):
        cache.put(name, b"x" * 100)
        os.utime(cache.path(name), (1000 - age, 1000 - age))
    cache.get("used")
    cache.put("last", b"x" * 100)
    kept = {name for name in ("old", "used", "new", "last") if cache.get(name)}
    assert kept == {"used", "last"}
    assert not list((tmp_path / "kept").glob("*.partial"))
    CompiledCache(Path("/dev/null/nowhere")).put("key", b"data")
    assert CompiledCache(Path("/dev/null/nowhere")).get("key") is None


def test_the_hash_follows_every_weight(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Embedding(0, 2))
    before = weights_hash([network])
    assert before == weights_hash([network])
    with torch.no_grad():
        network[1].bias[1] += 1e-6
    assert weights_hash([network]) != before


def test_exported_files_are_complete(world: World, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from playground.engine.export import export_onnx, step_names

    step, decoder = (runtime.InferenceSession(str(path)) for path in export_onnx(world, tmp_path / "onnx", rows=2))
    assert {item.name for item in step.get_inputs()} <= set(step_names(world))
    assert ("prompt" in step_names(world)) == bool(world.prompt_dims)
    latents = np.zeros((2, 64, world.tokenizer.latent_channels), np.float32)
    assert decoder.run(None, {"latents": latents})[0].shape == (2, 64, 64, 3)


class OnCpu(CudaGraphBackend):
    """The CUDA graph backend with a recording that runs on a CPU, for everything but the recording itself."""

    device: ClassVar[str] = "cpu"

    def record(self, module: nn.Module, inputs: list[Tensor]) -> tuple[Callable[[], None], list[Tensor]]:
        """Run the module over the recorded tensors again."""
        with torch.inference_mode():
            made = module(*inputs)
        outputs = list(made) if isinstance(made, tuple) else [made]

        def replay() -> None:
            again = module(*inputs)
            for output, new in zip(outputs, again if isinstance(again, tuple) else [again], strict=True):
                output.copy_(new)

        return replay, outputs


def test_replayed_recordings_draw_the_same_frames(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS._classes, "on-cpu", OnCpu)
    np.testing.assert_array_equal(play(world, "on-cpu"), play(world, "eager"))
    engine = Engine(world, slots=3, backend="on-cpu", threads=1)
    slots = [engine.open(prompt_frames(world, 0), 5) for _ in range(3)]
    same = engine.step(dict.fromkeys(slots, 1))
    np.testing.assert_array_equal(same[0].frame, same[2].frame)
    assert engine.backend.world.dynamics is not world.dynamics


def test_equal_slots_in_two_threads_are_prepared_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, made = OnCpu(world), []
    real, begun = backend.compile_decoder, threading.Event()

    def slowly(rows: int) -> Graph:
        made.append(rows)
        begun.set()
        time.sleep(0.2)
        return real(rows)

    def late() -> None:
        begun.wait()
        backend.prepare(2)
        ready.append(2 in backend._steps and 2 in backend._decoders)

    ready: list[bool] = []
    monkeypatch.setattr(backend, "compile_decoder", slowly)
    threads = [threading.Thread(target=backend.prepare, args=(2,)), threading.Thread(target=late)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made, ready) == ([2], [True])


def test_what_is_missing_is_named(world: World) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(PlaygroundError, match="NVIDIA GPU"):
            Engine(world, backend="cudagraph", threads=1)
    with pytest.raises(PlaygroundError, match="unknown backend"):
        Engine(world, backend="quantum", threads=1)


def test_openvino_reports_nothing_to_its_makers() -> None:
    """In a process of its own, as here it may have been imported before."""
    pytest.importorskip("openvino")
    code = (
        "from playground.engine.backends.openvino import quiet_openvino\n"
        "quiet_openvino(); import openvino.tools.ovc, sys\n"
        "assert sys.modules.get('openvino_telemetry') is None, 'the package that reports is loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
