"""The engine: a slot's frames depend on its own prompt, seed and actions, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.engine.engine import Engine, default_threads
from playground.world.bundle import World
from playground.world.prompt import Prompt, prompt_frames
from tests.tiny_world import make_tiny_world

FRAMES = 6
BACKENDS = ("eager", "int8")


@pytest.fixture(scope="module", params=["shortcut", "maskgit"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.load(make_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny", head=request.param))


@pytest.fixture(scope="module")
def text_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.load(make_tiny_world(tmp_path_factory.mktemp("worlds") / "texts", texts=True))


def play(engine: Engine, slot: int, actions: list[int]) -> np.ndarray:
    return np.stack([engine.step({slot: action})[slot].frame for action in actions])


def alone(world: World, backend: str, prompt: Any = 0, seed: int = 5, actions: tuple[int, ...] = (1,) * FRAMES) -> Any:
    engine = Engine(world, backend=backend, threads=1)
    return play(engine, engine.open(prompt_frames(world, prompt), seed), list(actions))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_neighbours_do_not_matter(world: World, backend: str, exact: bool) -> None:
    expected = alone(world, backend)
    engine = Engine(world, slots=4, backend=backend, threads=1, exact=exact)
    for seed in (1, 2):
        engine.open(prompt_frames(world, seed), seed)
    mine = engine.open(prompt_frames(world, 0), 5)
    other = engine.open(prompt_frames(world, 1), 3)
    got = []
    for t in range(FRAMES):
        busy = {0: t % 4, mine: 1} if t % 2 else {0: 1, 1: 2, other: 3, mine: 1}  # with gaps, and all in a row
        got.append(engine.step(busy)[mine].frame)
        if t == 3:
            engine.close(other)
            other = engine.open(prompt_frames(world, 2), 9)
    if exact or backend == "int8":
        np.testing.assert_array_equal(np.stack(got), expected)
    elif not world.dynamics.discrete:  # rounding by batch size may move a pixel by a level (and flip a whole token)
        assert np.abs(np.stack(got).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_frame_depends_on(world: World, backend: str) -> None:
    first = alone(world, backend)
    assert first.shape == (FRAMES, 64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, alone(world, backend))
    assert (first[0] != alone(world, backend, seed=6)[0]).any()
    assert (first[0] != alone(world, backend, prompt=1)[0]).any()
    changed = alone(world, backend, actions=(1, 1, 2, 1, 1, 1))
    np.testing.assert_array_equal(first[:2], changed[:2])
    assert (first[2] != changed[2]).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_snapshot_brings_everything_back(world: World, backend: str) -> None:
    engine = Engine(world, slots=2, backend=backend, threads=1, exact=True)
    slot = engine.open(prompt_frames(world, 0), 5)
    play(engine, slot, [1, 2])
    saved = engine.snapshot(slot)
    rest = play(engine, slot, [3, 1, 2, 0])
    engine.restore(slot, saved)
    np.testing.assert_array_equal(play(engine, slot, [3, 1, 2, 0]), rest)
    twin = engine.open(prompt_frames(world, 1), 77)
    engine.restore(twin, saved)
    np.testing.assert_array_equal(play(engine, twin, [3, 1, 2, 0]), rest)
    fresh = Engine(world, backend=backend, threads=1)
    other = fresh.open(prompt_frames(world, 2), 1)
    fresh.restore(other, saved)
    assert fresh.step({other: 3})[other].t == 3


def test_a_snapshot_copies_one_slot_only(world: World) -> None:
    engine = Engine(world, slots=3, backend="eager", threads=1)
    slot = engine.open(prompt_frames(world, 0), 5)
    saved = engine.snapshot(slot)
    assert saved.state.keys.shape[1] == 1
    assert saved.state.keys.untyped_storage().nbytes() * 3 == engine._state.keys.untyped_storage().nbytes()


def test_int8_stays_close_to_eager(tmp_path: Path) -> None:
    world = World.load(make_tiny_world(tmp_path / "tiny"))
    exact, rough = (alone(world, backend, actions=(1,)).astype(float) for backend in BACKENDS)
    assert np.abs(exact - rough).mean() < 0.1 * exact.std()


def test_prompts_longer_than_the_memory_and_empty_ones(world: World) -> None:
    long = prompt_frames(world, 2)
    recent = alone(world, "eager", prompt=long[-world.dynamics.context_frames :])
    np.testing.assert_array_equal(alone(world, "eager", prompt=long), recent)
    engine = Engine(world, backend="eager", threads=1)
    slot = engine.open(np.zeros((0, 64, 64, 3), np.uint8))
    assert engine.step({slot: world.dynamics.num_actions})[slot].frame.shape == (64, 64, 3)


def test_wrong_use_is_told_and_changes_nothing(world: World) -> None:
    engine = Engine(world, slots=1, backend="eager", threads=1)
    frames = prompt_frames(world, 0)
    odd: Any
    for odd in (frames[0], frames.astype(float), frames[:, :32], np.zeros(3)):
        with pytest.raises(PlaygroundError, match="prompt frames"):
            engine.open(odd)
    slot = engine.open(frames, 5)
    assert engine.free_slots == 0
    with pytest.raises(PlaygroundError, match="all 1 slots"):
        engine.open(frames)
    for actions in ({slot: 99}, {slot: -1}, {slot: 1, 7: 1}):
        with pytest.raises(PlaygroundError):
            engine.step(actions)
    assert engine.step({}) == {}
    np.testing.assert_array_equal(play(engine, slot, [1] * FRAMES), alone(world, "eager"))
    engine.close(slot)
    for call in (engine.close, engine.snapshot):
        with pytest.raises(PlaygroundError, match="not open"):
            call(slot)
    for options in ({"slots": 0}, {"threads": 0}, {"backend": "eagre"}):
        with pytest.raises(PlaygroundError):
            Engine(world, **options)


def test_snapshots_stay_in_their_world(world: World, text_world: World) -> None:
    engine, other = (Engine(item, backend="eager", threads=1) for item in (world, text_world))
    saved = engine.snapshot(engine.open(prompt_frames(world, 0)))
    slot = other.open(prompt_frames(text_world, 0))
    with pytest.raises(PlaygroundError, match="snapshot is of world"):
        other.restore(slot, saved)


def test_texts_steer_from_the_next_frame_on(text_world: World, world: World) -> None:
    engine = Engine(text_world, slots=2, backend="eager", threads=1)
    plain, told = (engine.open(prompt_frames(text_world, 0), 5) for _ in range(2))
    both = engine.step({plain: 1, told: 1})
    np.testing.assert_array_equal(both[plain].frame, both[told].frame)
    engine.set_prompt(told, "snow begins to fall")
    both = engine.step({plain: 1, told: 1})
    assert (both[plain].frame != both[told].frame).any()
    silent = Engine(world, backend="eager", threads=1)
    with pytest.raises(PlaygroundError, match="without texts"):
        silent.set_prompt(silent.open(prompt_frames(world, 0)), "snow")
    engine.close(plain)
    asked = engine.open(Prompt.from_text("snow", text_world))
    assert engine.step({asked: 0})[asked].frame.any()


def test_threads_leave_a_core() -> None:
    assert 1 <= default_threads() <= 4


def test_names_resolve_without_torch(repository: Path) -> None:
    code = (
        "import sys, playground\n"
        "from playground import World, ActionBook, Prompt, Engine\n"
        "assert 'torch' not in sys.modules and 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, timeout=60)
