"""Bundles: what was saved comes back, and everything that is wrong with one is said in one line."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from playground.core.errors import PlaygroundError
from playground.world.actions import Action, ActionBook
from playground.world.bundle import World, save_world
from playground.world.manifest import PromptFacts
from playground.world.prompt import Prompt, opening
from playground.world.sources import Source, book_of, fps_of, measure_look
from tests.tiny_world import make_tiny_world, tiny_actions, tiny_prompts
from weights import manifest
from weights.locate import resolve


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny", latent_actions=True)


def test_a_bundle_comes_back_as_it_was_saved(bundle: Path, tmp_path: Path) -> None:
    world = World.load(bundle)
    assert (world.name, world.frame_size, world.fps) == ("tiny-shortcut", 64, 15)
    assert world.actions.entries == tiny_actions().entries
    assert world.latent_actions is not None
    assert [path.stem for path in world.prompts] == list(tiny_prompts())
    for path, frames in zip(world.prompts, tiny_prompts().values(), strict=True):
        np.testing.assert_array_equal(Prompt.from_path(path, 64).frames_THWC, frames)
    again = World.load(world.save(tmp_path / "copy"))
    assert again.manifest == world.manifest
    for name, tensor in world.dynamics.state_dict().items():
        assert torch.equal(tensor, again.dynamics.state_dict()[name]), name


def test_a_prompt_that_stands_still_keeps_its_length(bundle: Path, tmp_path: Path) -> None:
    world = World.load(bundle)
    still = np.repeat(tiny_prompts()["dots"], 3, axis=0)
    folder = save_world(
        tmp_path / "still", name="still", fps=15, tokenizer=world.tokenizer, dynamics=world.dynamics,
        actions=world.actions, prompts=[still],
    )  # fmt: skip
    np.testing.assert_array_equal(Prompt.from_path(folder / "prompts" / "01.png", 64).frames_THWC, still)


def test_saving_replaces_worlds_only_and_leaves_nothing_behind(bundle: Path, tmp_path: Path) -> None:
    world = World.load(bundle)
    world.save(tmp_path / "w")
    world.save(tmp_path / "w")
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(PlaygroundError, match="is no world"):
        world.save(precious)
    assert (precious / "cat.jpg").exists()
    with pytest.raises(PlaygroundError, match="name"):
        save_world(
            tmp_path / "w", name="../evil", fps=15, tokenizer=world.tokenizer, dynamics=world.dynamics,
            actions=world.actions,
        )  # fmt: skip
    assert World.load(tmp_path / "w").name == world.name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "w"]


def sign(folder: Path) -> None:
    """Write the sums of the files as they are now, as somebody who tampers with a bundle would."""
    path = folder / "world.json"
    data = json.loads(path.read_text())
    for part, names in data["components"].items():
        for name in names:
            names[name] = hashlib.sha256((folder / part / name).read_bytes()).hexdigest()
    for name, facts in data.get("sources", {}).items():
        if facts["actions"]:
            facts["actions"] = hashlib.sha256((folder / f"actions-{name}.json").read_bytes()).hexdigest()
    if data.get("source_looks"):
        data["source_looks"] = hashlib.sha256((folder / "sources.safetensors").read_bytes()).hexdigest()
    data["actions"] = hashlib.sha256((folder / "actions.json").read_bytes()).hexdigest()
    path.write_text(json.dumps(data))


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def cut_weights(folder: Path) -> None:
    path = folder / "dynamics" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def drop_tensor(folder: Path) -> None:
    path = folder / "dynamics" / "model.safetensors"
    tensors = load_file(path)
    tensors.pop("network.head.weight")
    save_file(tensors, path)


def link_out(folder: Path) -> None:
    path = folder / "tokenizer" / "model.safetensors"
    shutil.move(path, folder.parent / "outside.safetensors")
    path.symlink_to(folder.parent / "outside.safetensors")


def list_path(folder: Path, name: str) -> None:
    data = json.loads((folder / "world.json").read_text())
    change(folder / "world.json", prompts=data["prompts"] | {name: "0" * 64})


BROKEN: dict[str, tuple[Callable[[Path], object], bool, str]] = {
    "cut": (cut_weights, False, "model.safetensors is damaged"),
    "cut and signed": (cut_weights, True, "model.safetensors is damaged or cut short"),
    "tensor missing": (drop_tensor, True, "'network.head.weight' is missing"),
    "config field": (lambda f: change(f / "dynamics" / "config.json", widht=3), True, "unknown field 'widht'.*'width'"),
    "world field": (lambda f: change(f / "world.json", fpss=3), False, "world.json: unknown field 'fpss'.*'fps'"),
    "world type": (lambda f: change(f / "world.json", fps="fast"), False, "field 'fps' must be float"),
    "world range": (lambda f: change(f / "world.json", grid=-8), False, "field 'grid' is -8"),
    "schema": (lambda f: change(f / "world.json", schema_version=9), False, "schema_version' is 9"),
    "other sum": (lambda f: change(f / "world.json", actions="0" * 64), False, "actions.json is damaged"),
    "file missing": (lambda f: (f / "prompts" / "dots.png").unlink(), False, "dots.png is missing"),
    "unlisted": (lambda f: shutil.copy(f / "world.json", f / "dynamics" / "x.json"), False, "x.json is not listed"),
    "path out": (lambda f: list_path(f, "../../secret.png"), False, "leads out of the bundle"),
    "absolute path": (lambda f: list_path(f, "/etc/hostname"), False, "hostname"),
    "windows path": (lambda f: list_path(f, "..\\secret.png"), False, "leads out of the bundle"),
    "link out": (link_out, False, "is a link out of the bundle"),
    "not json": (lambda f: (f / "world.json").write_text("{"), False, "world.json is not valid JSON"),
    "grid": (lambda f: change(f / "world.json", grid=16), False, "grid is 16, but the tokenizer has 8"),
    "sampling": (lambda f: change(f / "world.json", sampling={"temperature": 2}), False, "temperature"),
    "actions": (lambda f: (f / "actions.json").write_text('{"actions": []}'), True, "actions.json: 0 actions"),
    "unknown type": (lambda f: change(f / "dynamics" / "config.json", type="shortcat"), True, "'shortcat'.*'shortcut'"),
}


@pytest.fixture(scope="module")
def told(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two sources, one of them with everything that can be known of a source."""
    world, rng = World.load(bundle), np.random.default_rng(0)
    look = measure_look(rng.normal(size=(64, 8)).astype(np.float32), rng.uniform(1, 9, 64).astype(np.float32))
    sky = ActionBook([Action(2, "hover", noop=True), Action(3, "climb", ("up",))])
    return save_world(
        tmp_path_factory.mktemp("worlds") / "told", name="told", fps=15, tokenizer=world.tokenizer,
        dynamics=world.dynamics, actions=world.actions, prompts=tiny_prompts(),
        sources={"caves": Source(), "sky": Source(sky, 20.0, look)},
        prompt_facts={"dots": PromptFacts("caves"), "long": PromptFacts("sky", "clouds")},
    )  # fmt: skip


def test_sources_come_back_as_they_were_saved(told: Path) -> None:
    world = World.load(told)
    sky = world.sources["sky"]
    assert list(world.sources) == ["caves", "sky"]
    assert [entry.name for entry in book_of(world, "sky")] == ["hover", "climb"]
    assert book_of(world, "caves") is book_of(world, "") is world.actions
    assert (fps_of(world, "sky"), fps_of(world, "caves")) == (20.0, 15.0)
    assert sky.look is not None
    assert sky.look.distances[2] == 1.0
    assert Prompt.of(world, "sky").source == "sky"
    assert Prompt.of(world, 1).source == ""
    assert Prompt.of(world, "long").text == "", "a world without texts is not told the caption"


def test_bundles_of_one_source_have_no_new_fields(bundle: Path, repository: Path, tmp_path: Path) -> None:
    shipped = repository / "weights" / "coinrun"
    for folder in (bundle, shipped):
        assert not {"sources", "source_looks", "prompt_facts"} & set(json.loads((folder / "world.json").read_text()))
        world = World.load(folder)
        assert world.sources == {}
        white = opening(world, np.full((8, 8, 3), 255, np.uint8))
        assert (white.source, white.distance, white.warning) == ("", None, "")


def cut_looks(folder: Path) -> None:
    path = folder / "sources.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


def change_looks(folder: Path, name: str, value: np.ndarray | None) -> None:
    tensors = load_numpy(folder / "sources.safetensors")
    tensors = {key: tensor for key, tensor in tensors.items() if key != name}
    save_numpy(tensors if value is None else tensors | {name: value}, folder / "sources.safetensors")


BROKEN_SOURCES: dict[str, tuple[Callable[[Path], object], bool, str]] = {
    "looks changed": (cut_looks, False, "sources.safetensors is damaged or was changed"),
    "looks cut": (cut_looks, True, "sources.safetensors is damaged or cut short"),
    "unknown": (lambda f: change_looks(f, "sea/mean", np.zeros(8, np.float32)), True, "unknown tensor 'sea/mean'"),
    "shape": (lambda f: change_looks(f, "sky/mean", np.zeros(9, np.float32)), True, r"'sky/mean' is float32 \(9,\)"),
    "infinite": (lambda f: change_looks(f, "sky/mean", np.full(8, np.inf, np.float32)), True, "expected finite"),
    "half": (lambda f: change_looks(f, "sky/whiten", None), True, "look of source 'sky' is not complete"),
    "book": (lambda f: (f / "actions-sky.json").write_text('{"actions": []}'), True, "actions-sky.json: 0 actions"),
    "book gone": (lambda f: (f / "actions-sky.json").unlink(), False, "actions-sky.json is missing"),
    "source name": (lambda f: change(f / "world.json", sources={"../x": {}}), False, "'sources' has the name"),
    "source field": (lambda f: change(f / "world.json", sources={"sky": {"fsp": 1}}), False, "unknown field 'fsp'"),
    "prompt": (
        lambda f: change(f / "world.json", prompt_facts={"x.png": {}}),
        False,
        "'prompt_facts' tells of 'x.png'",
    ),
}


@pytest.mark.parametrize("case", BROKEN_SOURCES)
def test_broken_sources_are_one_clear_line(case: str, told: Path, tmp_path: Path) -> None:
    test_a_broken_bundle_is_one_clear_line(case, told, tmp_path)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_bundle_is_one_clear_line(case: str, bundle: Path, tmp_path: Path) -> None:
    damage, signed, message = (BROKEN | BROKEN_SOURCES)[case]
    folder = tmp_path / "broken"
    shutil.copytree(bundle, folder)
    damage(folder)
    if signed:
        sign(folder)
    with pytest.raises(PlaygroundError, match=message) as caught:
        World.load(folder)
    assert "\n" not in str(caught.value)


def test_sizes_are_limited(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.world.files.MAX_FILE_BYTES", 1000)
    with pytest.raises(PlaygroundError, match="too large"):
        World.load(bundle)


def test_a_missing_world_suggests_the_closest(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worlds = {"coinrun": bundle, "base": bundle}
    monkeypatch.setattr("weights.locate.shipped", lambda: worlds)
    assert resolve("base") == resolve(bundle) == resolve(bundle / "world.json") == bundle
    with pytest.raises(PlaygroundError, match="'coinrum'.*Did you mean 'coinrun'.*coinrun, base"):
        World.load("coinrum")
    with pytest.raises(PlaygroundError, match="has no world.json"):
        World.load(tmp_path)
    for odd in ("", "a\0b", "x" * 5000):
        with pytest.raises(PlaygroundError):
            resolve(odd)


def test_shipped_worlds_load_and_stay_small() -> None:
    assert manifest.names() == sorted(manifest.names())
    for folder in manifest.shipped().values():
        World.load(folder)
        assert not manifest.oversized(folder)


def test_oversized_names_the_file(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SHIPPED_FILE_BYTES", 10_000)
    assert any(re.search("model.safetensors has", line) for line in manifest.oversized(bundle))
