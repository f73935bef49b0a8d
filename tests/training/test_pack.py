"""Packing a run: every source brings its prompts, captions, keys, pace and looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dynamics.config import DynamicsConfig
from playground.core.component import save_component
from playground.core.config import write_json
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, LATENT_ACTION_MODELS, TEXT_ENCODERS
from playground.data.captions import ENCODER, store_captions
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.training.pack import pack, prompt_source, source_folders
from playground.training.run import train
from playground.training.sources import choose_prompts
from playground.world.actions import Action, ActionBook
from playground.world.bundle import World
from playground.world.prompt import opening
from playground.world.text import HashedEncoder
from tests.tiny_data import make_tiny_dataset
from tests.tiny_world import tiny_actions
from tests.training.conftest import LATENT_MODEL, PRESET

COLOURS = {"meadow": (40, 160, 60), "night sky": (20, 20, 90)}


def write_source(folder: Path, source: str, split: str, seed: int) -> Path:
    """The moving square on the ground of its source, with its caption."""
    data = ClipDataset(make_tiny_dataset(folder.parent / f"{folder.name}-plain", frames=240, seed=seed), length=1)
    info = DatasetInfo(
        source=source,
        size=16,
        fps=8.0 if source == "meadow" else 15.0,
        split=split,
        action_names=data.action_names,
        captions=[f"a square on a {source}"],
        paraphrases=[[f"{source} with a square"]],
    )
    taken_T = np.append(data.actions_T[1:], -1)
    with ClipWriter(folder, info) as writer:
        store_captions(folder, info)
        for t in range(data.num_frames):
            frame = np.array(data.frames(t, t + 1)[0])
            frame[frame[..., 0] == 0] = COLOURS[source]
            writer.append(frame, action=int(taken_T[t]), episode=t // 40, caption=0)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Training and test data of two sources."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TEXT_ENCODERS._classes, ENCODER, HashedEncoder)
        return {
            f"{source} {split}": write_source(root / f"{source}-{split}", source, split, seed)
            for seed, (source, split) in enumerate((s, p) for s in COLOURS for p in ("train", "test"))
        }


@pytest.fixture(scope="module")
def run(data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trained tokenizer, untrained dynamics, and a book of its own for one of two sources."""
    folder = tmp_path_factory.mktemp("run")
    preset = folder / "tiny.toml"
    preset.write_text(PRESET.format(source="latent", latent_model=LATENT_MODEL))
    both = [data["meadow train"], data["night sky train"]]
    train("tokenizer", str(preset), both, folder / "run", steps=60, device="cpu", progress=False)
    sizes = {"tokens_per_frame": 16, "latent_channels": 8, "num_actions": 4, "prompt_dims": 384, "context_frames": 4}
    dynamics = DYNAMICS.get("shortcut")(DynamicsConfig(width=64, depth=2, steps=2, **sizes))
    latent = LATENT_ACTION_MODELS.get("latent")
    actions = latent(latent.Config(frame_size=16, input_size=16, widths=(16, 32), num_actions=4))
    save_component(dynamics, folder / "run" / "dynamics" / "export")
    save_component(actions, folder / "run" / "latent-actions" / "export")
    write_json(folder / "run" / "captions.json", {"text_encoder": "minilm"})
    tiny_actions().save(folder / "run" / "actions.json")
    sky = [Action(2, "hover", noop=True), Action(0, "fly left", ("left",)), Action(3, "fly right", ("right",))]
    ActionBook(sky).save(folder / "run" / "actions-night_sky.json")
    return folder / "run"


@pytest.fixture(scope="module")
def world(run: Path, data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    """The packed world; prompts of the sky come from its test data, those of the meadow from what it trained on."""
    return World.load(pack(run, tmp_path_factory.mktemp("worlds") / "both", data=[data["night sky test"]], prompts=6))


def test_every_source_has_prompts_with_their_captions(world: World, data: dict[str, Path]) -> None:
    assert [path.stem for path in world.prompts] == [
        f"{key}-0{n}" for key in ("meadow", "night_sky") for n in range(1, 7)
    ]
    facts = world.manifest.prompt_facts
    assert facts["meadow-03.png"].source == "meadow"
    assert facts["night_sky-01.png"].caption == "a square on a night sky"
    held_out = np.load(data["night sky test"] / "0000.frames.npy")
    with world.generate("night_sky-02", backend="eager") as session:
        assert (held_out == session.frame).all(axis=(1, 2, 3)).any()


def test_a_prompt_brings_keys_and_pace_of_its_source(world: World) -> None:
    assert world.manifest.sources["night_sky"].actions
    with world.generate("night_sky", backend="eager") as session:
        assert (session.source, session.fps, session.actions.noop.name) == ("night_sky", 15.0, "hover")
        session.step("hover")
        session.prompt("a square on a meadow")
        assert session.source == "night_sky", "an event must not change the keys"
        session.prompt(0)
        assert (session.source, session.fps) == ("meadow", 8.0)
        with pytest.raises(PlaygroundError, match="no action 'hover'"):
            session.step("hover")
        moment = session.snapshot()
        session.prompt(6)
        assert session.actions.noop.name == "hover"
        session.restore(moment)
        assert session.actions is world.actions


def test_words_bring_the_keys_of_another_source_once_its_picture_is_seen(
    world: World, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.session.session.knows_words", lambda world: True)
    frame = {source: np.load(data[f"{source} test"] / "0000.frames.npy")[0] for source in COLOURS}
    drawn = {"a square on a meadow": "night sky", "a square on a night sky": "meadow"}
    monkeypatch.setattr(World, "redraw", lambda self, seen, text, seed: frame[drawn[text]])
    with world.generate("meadow", backend="eager") as session:
        session.step()
        for text in drawn:  # text or picture alone may be mistaken
            session.prompt(text)
            assert session.source == "meadow"
        drawn["a square on a night sky"] = "night sky"
        session.prompt("a square on a night sky")
        assert (session.source, session.fps, session.actions.noop.name) == ("night_sky", 15.0, "hover")
        session.rewind(1)
        assert (session.source, session.actions) == ("meadow", world.actions)


def test_captions_of_prompts_need_no_text_encoder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.core.registry.TEXT_ENCODERS.get", lambda name: pytest.fail("asked for an encoder"))
    caption = "a square on a night sky"
    expected = HashedEncoder().encode([caption])[0]
    np.testing.assert_allclose(world.embed(caption), expected, atol=1e-3)
    with world.generate("night_sky-01", backend="eager") as session:
        session.step()


def test_frames_are_near_and_other_pictures_far(world: World, data: dict[str, Path]) -> None:
    rng = np.random.default_rng(0)
    for source in COLOURS:
        frames = np.load(data[f"{source} test"] / "0000.frames.npy")
        for frame in frames[rng.choice(len(frames), 20)]:
            with_source = opening(world, frame)
            assert with_source.source == source.replace(" ", "_")
            assert 0 < with_source.distance < 1.5
            assert not with_source.warning
    ramp = np.linspace(0, 255, 16).astype(np.uint8)
    gradient = np.stack(
        [np.tile(ramp, (16, 1)), np.tile(ramp[::-1], (16, 1)), np.tile(ramp[:, None], (1, 16))], axis=-1
    )
    for strange in (rng.integers(0, 256, (16, 16, 3)).astype(np.uint8), gradient, np.full((16, 16, 3), 255, np.uint8)):
        assert "unlike anything" in opening(world, strange).warning


def test_sources_of_texts(world: World) -> None:
    world._encoder = HashedEncoder()
    assert opening(world, "a night sky").source == "night_sky"
    found = opening(world, "a green meadow")
    assert (found.source, found.distance, found.warning) == ("meadow", None, "")


def test_a_packed_world_survives_saving(world: World, tmp_path: Path) -> None:
    again = World.load(world.save(tmp_path / "again"))
    assert again.manifest == world.manifest
    before, after = (one.sources["meadow"].look for one in (world, again))
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before.whiten_FF, after.whiten_FF)
    assert before.distances == after.distances
    assert before.distances[2] == 1.0


def test_sources_are_filled_from_training_data_where_none_are_given(data: dict[str, Path], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    trained = [data["meadow train"], data["night sky train"], gone]
    found = source_folders([data["meadow test"], data["meadow train"]], trained)
    assert found == {
        "meadow": ([data["meadow train"]], [data["meadow test"]]),
        "night_sky": ([data["night sky train"]], [data["night sky train"]]),
    }


def test_prompts_are_varied_and_repeatable(tiny_data: Path) -> None:
    dataset = ClipDataset(tiny_data, length=4)
    first = choose_prompts(dataset, 5)
    assert first == choose_prompts(dataset, 5)
    assert len({dataset.window(index).frames_BTHWC.tobytes() for index in first}) == 5


def test_prompts_come_from_held_out_data_when_there_is_some(data: dict[str, Path]) -> None:
    train, test = data["meadow train"], data["meadow test"]
    assert prompt_source([train, test]) == [test]
    assert prompt_source([train]) == [train]
