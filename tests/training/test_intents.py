"""The stage of intents: names learn what they mean at a moment, and go into the bundle with books of names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.engine.engine import Engine
from playground.training.pack import pack
from playground.training.run import train
from playground.world.bundle import World
from playground.world.intents import first_name, num_choices, understood

STAGE = """
[intents]
type = "latents"
steps = 150
batch = 64
budget_share = 0.2
adam_lr = 3e-3
ema = 0.98
[intents.model]
channels = 16
width = 32
past_actions = 2
"""
TOLD = {"device": "cpu", "progress": False}


@pytest.fixture
def preset(tiny_preset: Path) -> Path:
    text = tiny_preset.read_text().replace('"label"', '"latent"')
    tiny_preset.write_text(text + STAGE)
    return tiny_preset


def write_clips(folder: Path, names: list[str]) -> Path:
    """A square that goes where the action says, until it is at an edge."""
    info = DatasetInfo(source="square", size=16, fps=10.0, action_names=names)
    rng = np.random.default_rng(0)
    with ClipWriter(folder, info) as writer:
        for episode in range(12):
            place, action = 6, 0
            for t in range(25):
                frame = np.full((16, 16, 3), 40, np.uint8)
                frame[6:10, place : place + 4] = 250
                if t % 4 == 0:
                    action = int(rng.integers(3))
                writer.append(frame, action=action if names else -1, episode=episode)
                place = int(np.clip(place + (0, -2, 2)[action], 0, 12))
    return folder


def test_a_world_gets_names_that_are_codes_like_any_other(preset: Path, tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data", ["noop", "left", "right"])
    results = train("all", str(preset), [data], tmp_path / "run", **TOLD)
    assert list(results) == ["tokenizer", "latent-actions", "dynamics", "intents"]
    world = World.load(pack(tmp_path / "run", tmp_path / "world", data=[data], prompts=2))
    assert world.intents is not None
    assert num_choices(world) == first_name(world) + 3
    assert {action.name: action.keys for action in world.actions} == {
        "noop": (), "left": ("left", "a"), "right": ("right", "d"),
    }  # fmt: skip
    with world.generate(0, seed=1, backend="eager") as session:
        played = [session.step(name) for name in ("left", "left", "right", None)]
        assert session.action == world.actions.noop.code
    with world.generate(0, seed=1, backend="eager") as session:
        codes = [world.actions.resolve(name).code for name in ("left", "left", "right", "noop")]
        again = [session.step(code) for code in codes]
    np.testing.assert_array_equal(played, again)
    with world.generate(0, seed=1, backend="eager") as session:
        session.step(1)  # a latent action itself, as in recordings of a world without names
        session.step("#0")
        assert session.action == 0
        with pytest.raises(PlaygroundError, match="99"):
            session.step(99)
    twin = World.load(world.save(tmp_path / "twin"))
    assert twin.intents is not None
    assert twin.intents.names == ("noop", "left", "right")


def test_names_come_to_a_world_without_them_and_rewinding_brings_back_what_was_seen(
    preset: Path, tmp_path: Path
) -> None:
    data = write_clips(tmp_path / "data", ["noop", "left", "right"])
    preset.write_text(preset.read_text().replace(STAGE, ""))
    train("all", str(preset), [data], tmp_path / "run", **TOLD)
    plain = pack(tmp_path / "run", tmp_path / "plain", data=[data], prompts=2)
    assert World.load(plain).intents is None
    preset.write_text(preset.read_text() + STAGE)
    train("intents", str(preset), [data], tmp_path / "named", init=plain, **TOLD)
    world = World.load(pack(tmp_path / "named", tmp_path / "world", data=[data], prompts=2))
    with world.generate(0, seed=1, backend="eager") as session:
        session.step("right")
        first = [session.step(name) for name in ("left", "noop", "right")]
        session.rewind(3)
        np.testing.assert_array_equal([session.step(name) for name in ("left", "noop", "right")], first)
        moment = session.snapshot()
        follows = session.step("left")
        session.restore(moment)
        np.testing.assert_array_equal(session.step("left"), follows)


def test_names_go_along_when_another_part_of_a_world_learns_on(preset: Path, tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data", ["noop", "left", "right"])
    train("all", str(preset), [data], tmp_path / "run", **{**TOLD, "steps": 2})
    world = pack(tmp_path / "run", tmp_path / "world", data=[data], prompts=2)
    drawer = '[first_frames]\ntype = "diffusion"\nsteps = 2\nbatch = 4\nbudget_share = 0.1\nadam_lr = 1e-3\n'
    preset.write_text(preset.read_text() + drawer + "[first_frames.model]\npacking = 1\nwidth = 32\ndepth = 1\n")
    train("first-frames", str(preset), [data], tmp_path / "second", init=world, **TOLD)
    again = World.load(pack(tmp_path / "second", tmp_path / "again", data=[data], prompts=2))
    assert again.intents.names == ("noop", "left", "right")
    assert [action.code for action in again.actions] == [action.code for action in World.load(world).actions]


def test_a_name_is_read_from_what_a_row_has_seen(preset: Path, tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data", ["noop", "left", "right"])
    train("all", str(preset), [data], tmp_path / "run", **TOLD)
    world = World.load(pack(tmp_path / "run", tmp_path / "world", data=[data], prompts=2))
    engine = Engine(world, slots=3, backend="eager")
    state, unknown = world.dynamics.new_state(3), world.dynamics.num_actions
    asked = torch.tensor([first_name(world) + 2, 1, unknown])
    assert understood(world, state, asked).tolist() == [unknown, 1, unknown]
    slot = engine.open(world.generate(0, backend="eager").frame[None])
    with pytest.raises(PlaygroundError, match="by name"):
        engine.step({slot: num_choices(world)})
    assert engine.step({slot: first_name(world)})[slot].frame.shape == (16, 16, 3)


def test_intents_need_recorded_actions(preset: Path, tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data", [])
    assert list(train("all", str(preset), [data], tmp_path / "run", steps=3, **TOLD))[-1] == "dynamics"
    with pytest.raises(PlaygroundError, match="recorded actions"):
        train("intents", str(preset), [data], tmp_path / "run", steps=3, **TOLD)
