"""A run that starts from the weights of another one: what it may change of the model's config and what not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from playground.core.component import load_component, save_component
from playground.core.config import config_to_dict
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, FIRST_FRAME_MODELS, INTENT_MODELS, LATENT_ACTION_MODELS, TOKENIZERS
from playground.training.builders import Run, build_model
from playground.training.distributed import ALONE
from playground.training.pack import pack
from playground.training.presets import StagePreset, load_preset
from playground.training.run import train
from playground.training.statement import earlier_statement
from playground.world.bundle import World
from tests.tiny_data import make_tiny_dataset
from tests.tiny_world import make_tiny_world

SIZES = {"tokens_per_frame": 4, "latent_channels": 2, "num_actions": 3, "packing": 1, "width": 32, "depth": 2}


def going_on_from(place: Path) -> Run:
    """A run that starts from the weights at a place."""
    return Run(load_preset("cpu"), [], place / "unused", 0, "cpu", False, place, False, ALONE)


def continued(weights: Path, **fields: Any) -> Any:
    """A model built from the weights at a folder, with some fields of its config changed."""
    run = going_on_from(weights)
    recipe = StagePreset("shortcut", steps=1, batch=1, budget_share=1.0, adam_lr=1e-3)
    return build_model(run, "dynamics", recipe, {**SIZES, **fields})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    model = DYNAMICS.get("shortcut")
    save_component(model(model.Config(**SIZES, own_share=0.5)), tmp_path)
    return tmp_path


def liven(weights: Path, generator: torch.Generator) -> Any:
    """Other weights for the model at a folder: an untrained one changes nothing, whatever its blocks do."""
    model = load_component(DYNAMICS, weights)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    save_component(model, weights, torch.float32)
    return model


def test_how_it_is_trained_may_change(weights: Path) -> None:
    plain = continued(weights, own_share=0.5)
    other = continued(weights, own_share=0.0, first_frame_weight=1.0)
    assert other.config.first_frame_weight == 1.0
    assert other.config.own_share == 0.0
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_what_it_is_may_not_change(weights: Path) -> None:
    # Heads of another size fit the same tensors and would compute something else.
    with pytest.raises(PlaygroundError, match="head_dim differ"):
        continued(weights, head_dim=16)


def test_a_deeper_model_starts_as_the_one_it_comes_from(weights: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    earlier = liven(weights, generator)
    latents = torch.randn(2, 5, 4, 2, generator=generator)
    level, step, action = torch.zeros(2, 5), torch.full((2, 5), 2), torch.ones(2, 5, dtype=torch.int64)
    deeper = continued(weights, depth=4)
    assert deeper.new_state(1).keys.shape[0] == 2  # one of the new blocks remembers
    inputs = (latents, latents.flip(1), level, step, action, None)
    assert torch.equal(earlier.network.window(*inputs), deeper.network.window(*inputs))
    loss = deeper.network.window(*inputs).square().sum()
    loss.backward()
    assert deeper.network.trunk.blocks[3].mlp.down.weight.grad.abs().sum() > 0  # and it can learn
    with pytest.raises(PlaygroundError, match="depth differ"):
        continued(weights, depth=1)


@pytest.mark.parametrize("before", [0, 1])
def test_a_decoder_with_finer_blocks_starts_as_the_one_it_comes_from(before: int, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    tokenizer = TOKENIZERS.get("autoencoder")
    fields = {"frame_size": 16, "grid": 4, "channels": 2, "encoder_widths": (8, 32), "decoder_widths": (16, 8)}
    earlier = tokenizer(tokenizer.Config(**fields, finest_blocks=before))
    with torch.no_grad():
        for parameter in earlier.parameters():  # untrained blocks are the identity, wherever they land
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    save_component(earlier, tmp_path, torch.float32)
    run, recipe = going_on_from(tmp_path), StagePreset("autoencoder", steps=1, batch=1, budget_share=1.0, adam_lr=1e-3)
    finer = build_model(run, "tokenizer", recipe, {**fields, "finest_blocks": 3})
    latents = torch.rand(2, 16, 2, generator=generator) * 2 - 1
    assert torch.equal(earlier.decode_pixels(latents), finer.decode_pixels(latents))
    finer.decode_pixels(latents).square().sum().backward()
    assert finer.decoder[-3].second.weight.grad.abs().sum() > 0  # and it can learn


def test_split_actions_do_at_first_what_they_were_split_from(weights: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    earlier = liven(weights, generator)
    finer = continued(weights, num_actions=7)
    latents = torch.randn(2, 5, 4, 2, generator=generator)
    level, step = torch.zeros(2, 5), torch.full((2, 5), 2)
    heard = []
    for old, new in ((0, 0), (0, 3), (1, 4), (2, 5), (0, 6), (earlier.num_actions, finer.num_actions)):
        pictures = [
            model.network.window(latents, latents.flip(1), level, step, torch.full((2, 5), action), None)
            for model, action in ((earlier, old), (finer, new))
        ]
        assert torch.equal(*pictures)
        heard.append(pictures[0])
    assert not torch.equal(heard[0], heard[2])  # an action that is not heard would pass as well
    with pytest.raises(PlaygroundError, match="num_actions differ"):
        continued(weights, num_actions=2)


def test_split_codes_share_what_their_code_stood_for(tmp_path: Path) -> None:
    model = LATENT_ACTION_MODELS.get("latent")
    torch.manual_seed(0)
    earlier = model(model.Config(frame_size=16, input_size=16, num_actions=4, widths=(8, 16))).eval()
    save_component(earlier, tmp_path, torch.float32)
    run = going_on_from(tmp_path)
    recipe = StagePreset("latent", steps=1, batch=1, budget_share=1.0, adam_lr=1e-3, model={"reseed_after": 100})
    sizes = {"frame_size": 16, "input_size": 16, "num_actions": 16, "widths": (8, 16)}
    finer: Any = build_model(run, "latent-actions", recipe, sizes)
    # Codes of length 1 in a random direction each: few of these features lie as close to two codes as their parts do.
    features = torch.randn(500, 16, generator=torch.Generator().manual_seed(1))
    parents, parts = (each.codebook.similarity(features).argmax(dim=-1) for each in (earlier, finer))
    assert (parts % 4 == parents).float().mean() > 0.9
    assert len(parts.unique()) == 16
    assert finer.config.reseed_after == 100


def test_names_mean_any_part_of_the_code_that_they_meant(tmp_path: Path) -> None:
    model = INTENT_MODELS.get("latents")
    sizes = {"names": ("left", "right"), "tokens_per_frame": 4, "latent_channels": 2, "channels": 8, "width": 16}
    sizes |= {"past_actions": 1}
    earlier = model(model.Config(**sizes, num_actions=3)).eval()
    torch.nn.init.normal_(earlier.past[0])
    save_component(earlier, tmp_path, torch.float32)
    run = going_on_from(tmp_path)
    recipe = StagePreset("latents", steps=1, batch=1, budget_share=1.0, adam_lr=1e-3)
    finer: Any = build_model(run, "intents", recipe, {**sizes, "num_actions": 6})
    frames, names = torch.randn(2, 8, 4, 2, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    heard = torch.arange(8)[:, None] % 4 - 1
    old = earlier(*frames, heard, names).softmax(dim=-1)
    for part in (heard, torch.where(heard < 0, heard, heard + 3)):  # either half of a code that was split
        new = finer(*frames, part, names).softmax(dim=-1)
        torch.testing.assert_close(new[:, :3] + new[:, 3:], old)
    longer: Any = build_model(run, "intents", recipe, {**sizes, "past_actions": 2, "num_actions": 3})
    further = torch.cat((torch.arange(8)[:, None] % 3, heard), dim=1)
    torch.testing.assert_close(longer(*frames, further, names).softmax(dim=-1), old)


def test_a_reader_may_join_a_model_of_first_frames(tmp_path: Path) -> None:
    model = FIRST_FRAME_MODELS.get("diffusion")
    sizes = {"tokens_per_frame": 4, "latent_channels": 2, "prompt_dims": 3, "packing": 1, "width": 32, "depth": 1}
    earlier = model(model.Config(**sizes)).eval()
    save_component(earlier, tmp_path, torch.float32)
    run = going_on_from(tmp_path)
    recipe = StagePreset("diffusion", steps=1, batch=1, budget_share=1.0, adam_lr=1e-3)
    reads: Any = build_model(run, "first-frames", recipe, {**sizes, "reader": True})
    for name, tensor in earlier.state_dict().items():
        assert torch.equal(tensor, reads.state_dict()[name]), name
    assert reads.reader is not None


def test_a_decoder_learns_on_below_a_running_world(tiny_data: Path, tiny_preset: Path, tmp_path: Path) -> None:
    told = {"device": "cpu", "progress": False, "steps": 2}
    first, second = tmp_path / "first", tmp_path / "second"
    train("tokenizer", str(tiny_preset), [tiny_data], first, **told)
    frozen = ("encoder", "position_ND", "encoder_blocks", "to_latent")
    text = tiny_preset.read_text()
    tiny_preset.write_text(text.replace("[tokenizer]\n", f"[tokenizer]\nfrozen = {list(frozen)}\n"))
    train("tokenizer", str(tiny_preset), [tiny_data], second, init=first, **told)
    one, two = (load_component(TOKENIZERS, folder / "tokenizer" / "export").state_dict() for folder in (first, second))
    moved = {name for name, tensor in one.items() if not torch.equal(tensor, two[name])}
    assert moved
    assert not [name for name in moved if name.startswith(frozen)]


def test_what_is_frozen_must_be_there(weights: Path) -> None:
    run = going_on_from(weights)
    recipe = StagePreset("shortcut", steps=1, batch=1, budget_share=1.0, adam_lr=1e-3, frozen=("decoder",))
    with pytest.raises(PlaygroundError, match="'frozen' names 'decoder'; the model has network"):
        build_model(run, "dynamics", recipe, SIZES)


def test_a_longer_memory_needs_no_other_weights(weights: Path) -> None:
    assert continued(weights, context_frames=5).new_state(1).keys.shape[-1] == 4


def test_what_was_trained_is_past_its_first_half(
    tiny_data: Path, tiny_preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"device": "cpu", "progress": False, "steps": 4}
    shortcut, seen = DYNAMICS.get("shortcut"), []
    plain = shortcut.loss

    def watched(self: Any, *args: Any, progress: float, **named: Any) -> Any:
        seen.append(progress)
        return plain(self, *args, progress=progress, **named)

    monkeypatch.setattr(shortcut, "loss", watched)
    train("tokenizer", str(tiny_preset), [tiny_data], tmp_path / "first", **told)
    train("dynamics", str(tiny_preset), [tiny_data], tmp_path / "first", **told)
    fresh, seen[:] = list(seen), []
    train("dynamics", str(tiny_preset), [tiny_data], tmp_path / "second", init=tmp_path / "first", **told)
    assert min(fresh) < 0.5 <= min(seen)
    assert max(seen) <= 1.0


def test_a_run_may_start_from_a_world(tmp_path: Path) -> None:
    world = make_tiny_world(tmp_path / "world")
    run = going_on_from(world)
    shipped = load_component(DYNAMICS, world / "dynamics")
    sizes = config_to_dict(shipped.config)
    recipe = StagePreset("shortcut", steps=1, batch=1, budget_share=1.0, adam_lr=1e-3)
    for name, tensor in build_model(run, "dynamics", recipe, sizes).state_dict().items():
        assert torch.equal(tensor, shipped.state_dict()[name].float()), name


def test_a_world_alone_is_enough_to_train_its_dynamics_further(
    tiny_data: Path, tiny_preset: Path, tmp_path: Path
) -> None:
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    told = {"device": "cpu", "progress": False, "steps": 2}
    tiny_preset.write_text(tiny_preset.read_text().replace('"label"', '"latent"'))
    for stage in ("tokenizer", "latent-actions", "dynamics"):
        train(stage, str(tiny_preset), [tiny_data], first, **told)
    world = pack(first, tmp_path / "world")
    train("dynamics", str(tiny_preset), [tiny_data], second, init=world, **told)
    again = pack(second, tmp_path / "again")
    one, two = (load_component(TOKENIZERS, folder / "tokenizer").state_dict() for folder in (world, again))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    # One component alone says nothing of the others.
    with pytest.raises(PlaygroundError, match="playground train tokenizer"):
        train("dynamics", str(tiny_preset), [tiny_data], third, init=world / "dynamics", **told)


def test_what_a_world_was_trained_on_is_not_forgotten(tiny_data: Path, tiny_preset: Path, tmp_path: Path) -> None:
    told = {"device": "cpu", "progress": False, "steps": 2}
    tiny_preset.write_text(tiny_preset.read_text().replace('"label"', '"latent"'))
    for stage in ("tokenizer", "latent-actions", "dynamics"):
        train(stage, str(tiny_preset), [tiny_data], tmp_path / "first", **told)
    world = pack(tmp_path / "first", tmp_path / "world")
    first = World.load(world).manifest.data_statement
    other = make_tiny_dataset(tmp_path / "other", frames=80, seed=5)
    second = tmp_path / "second"
    train("dynamics", str(tiny_preset), [other], second, init=world, **told)
    # A later stage that starts from what is in the folder, and a run on the same data, add nothing.
    train("tokenizer", str(tiny_preset), [other], second, **told)
    train("dynamics", str(tiny_preset), [other], tmp_path / "third", init=second, **told)
    again = pack(tmp_path / "third", tmp_path / "again")
    said = World.load(again).manifest.data_statement
    assert said.startswith("Trained on 80 frames of ")
    assert said.endswith(f" Before that: {first}")
    assert said.count("Before that") == 1
    assert said in (again / "README.md").read_text()
    # One part of a world was trained on what the world was trained on.
    assert earlier_statement(world / "dynamics") == first
    assert earlier_statement(second / "tokenizer" / "export") == said
    assert earlier_statement(tmp_path / "nothing") == ""
