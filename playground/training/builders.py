"""Builds the stages of a run: each with its model, its data, and what earlier stages left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from playground.core.component import Component, load_component
from playground.core.config import config_from_dict, config_to_dict, write_json
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS, Registry
from playground.data.dataset import ClipDataset
from playground.data.outcomes import end_share, find_outcomes
from playground.training.distributed import ALONE, Peers
from playground.training.exports import OPTIONAL, REGISTRIES, earlier_config, init_folder, load_export, take_over
from playground.training.presets import Preset, StagePreset
from playground.training.prompts import RECORD_NAME, load_prompts
from playground.training.stages.base import Stage


@dataclass(frozen=True)
class Run:
    """A training run and everything its stages share."""

    preset: Preset
    data: list[Path]
    out: Path
    seed: int
    device: str
    resume: bool
    init: Path | None
    progress: bool
    peers: Peers = ALONE


def build_model(run: Run, name: str, recipe: StagePreset, derived: dict[str, Any]) -> Component:
    """Build a stage's model, or load it from ``run.init``.

    Args:
        run: the run; its seed decides the first weights.
        name: the stage.
        recipe: names the model and holds its config fields.
        derived: config fields that follow from the data or from other stages.

    Raises:
        PlaygroundError: a config field that is unknown, wrong or contradicts ``derived``.
    """
    registry: Registry = REGISTRIES[name]
    where = f"preset {run.preset.name!r}: [{name.replace('-', '_')}.model]"
    for field, value in recipe.model.items():
        if derived.get(field, value) != value:
            raise PlaygroundError(f"{where}: field {field!r} is {value!r}, but must be {derived[field]!r}; remove it")
    component = registry.get(recipe.type)
    config = config_from_dict(component.Config, {**recipe.model, **derived}, where)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(run.seed)
        built: Component = component(config)
    source = None if run.init is None else init_folder(run.init, name)
    if source is not None and (name not in OPTIONAL or (source / "config.json").is_file()):
        _go_on_from(built, load_component(registry, source), source, where)
    return _freeze(built, recipe.frozen, where)


def _go_on_from(model: Component, earlier: Component, source: Path, where: str) -> None:
    """Give ``model`` the weights of ``earlier``, which may have been smaller where models can grow.

    Raises:
        PlaygroundError: another type, or a field that may not change.
    """
    if earlier.type_name != model.type_name:
        raise PlaygroundError(f"{source} is of type {earlier.type_name!r}, {where} asks for {model.type_name!r}")
    old, new = config_to_dict(earlier.config), config_to_dict(model.config)
    changed = {field for field in new if new[field] != old[field]} - getattr(model.config, "FREE_FIELDS", frozenset())
    grown = {
        field for field in changed & getattr(model.config, "GROWING_FIELDS", frozenset()) if new[field] > old[field]
    }
    if changed - grown:
        raise PlaygroundError(
            f"{source} is another model than {where} describes: {', '.join(sorted(changed - grown))} differ; use the"
            " preset it was trained with"
        )
    state = earlier.state_dict()
    model.load_state_dict(model.grown_from(state) if grown else state, strict=not grown)


def _freeze(model: Component, names: Sequence[str], where: str) -> Component:
    """Keep the named modules and parameters as they are."""
    known: dict[str, nn.Module | nn.Parameter] = {}
    known.update(model.named_children())
    known.update(model.named_parameters(recurse=False))
    for name in names:
        if name not in known:
            raise PlaygroundError(f"{where}: field 'frozen' names {name!r}; the model has {', '.join(sorted(known))}")
        known[name].requires_grad_(False)
    return model


def open_dataset(run: Run, length: int, recipe: StagePreset) -> ClipDataset:
    """Open the run's data as clips of ``length`` frames, sampled as the preset and the stage's recipe say.

    Raises:
        PlaygroundError: no data, or frames of another size than the preset's.
    """
    dataset = ClipDataset(
        run.data,
        length=length,
        motion_weight=recipe.motion_weight,
        source_weights=run.preset.source_weights,
        rare_captions=recipe.rare_captions,
        caption_changes=recipe.caption_changes,
    )
    if dataset.info.size != run.preset.frame_size:
        raise PlaygroundError(
            f"{run.data[0]} has frames of {dataset.info.size} px, preset {run.preset.name!r} trains on"
            f" {run.preset.frame_size} px; collect with --size {run.preset.frame_size} or choose another"
            " preset"
        )
    return dataset


def _tokenizer(run: Run, recipe: StagePreset) -> Stage:
    from playground.training.stages.tokenizer import TokenizerStage

    dataset = open_dataset(run, recipe.window, recipe)
    model = build_model(run, "tokenizer", recipe, {"frame_size": run.preset.frame_size})
    return TokenizerStage(model, dataset, recipe.batch, run.device)


def _latent_actions(run: Run, recipe: StagePreset) -> Stage:
    from playground.training.stages.latent_actions import LatentActionStage

    dataset = open_dataset(run, max(recipe.window, 2), recipe)
    labelled = recipe.type == "labelled"
    if (labelled or recipe.label_share > 0) and not dataset.action_names:
        raise PlaygroundError(
            f"{run.data[0]} has no recorded actions; use the latent action type 'latent' without labels"
        )
    derived: dict[str, Any] = {"frame_size": run.preset.frame_size}
    if labelled:
        derived["num_actions"] = len(dataset.action_names)
    elif recipe.label_share > 0:
        derived["num_labels"] = len(dataset.action_names)
    model = build_model(run, "latent-actions", recipe, derived)
    return LatentActionStage(model, dataset, recipe.batch, 1.0 if labelled else recipe.label_share, run.device)


def _dynamics(run: Run, recipe: StagePreset) -> Stage:
    from playground.training.encode import encode_frames, fingerprint
    from playground.training.stages.dynamics import DynamicsStage

    dataset = open_dataset(run, recipe.window, recipe)
    tokenizer: Any = load_export(run.out, run.init, "tokenizer")
    discrete = bool(DYNAMICS.get(recipe.type).discrete)
    actions_T, num_actions = find_actions(run, recipe, dataset)
    key = fingerprint(run.out / "tokenizer" / "export", dataset)
    codes = encode_frames(tokenizer, dataset, run.out / "cache", key, discrete, run.device, run.progress)
    derived = {
        "tokens_per_frame": tokenizer.tokens_per_frame,
        "latent_channels": tokenizer.latent_channels,
        "codebook_size": tokenizer.codebook_size or 0,
        "num_actions": num_actions,
    }
    earlier = earlier_config(run.out, run.init, run.resume, "dynamics")
    if "prompt_dims" in recipe.model and (not tells_texts_apart(dataset) or earlier.get("prompt_dims") == 0):
        recipe = replace(recipe, model={**recipe.model, "prompt_dims": 0})
    outcomes_T2 = _outcomes(recipe, dataset, derived, earlier)
    model: Any = build_model(run, "dynamics", recipe, derived)
    if outcomes_T2 is not None and run.init is None:
        model.outcome_head.set_end_share(end_share(outcomes_T2))
    if run.init is None and hasattr(model, "set_statistics"):
        model.set_statistics(_some_of(codes))
    prompts = load_prompts(dataset, int(getattr(model.config, "prompt_dims", 0)))
    if run.peers.first:
        write_json(run.out / RECORD_NAME, {"text_encoder": prompts.encoder if prompts else None})
    return DynamicsStage(
        model,
        tokenizer,
        dataset,
        codes,
        actions_T,
        prompts,
        recipe.batch,
        run.device,
        outcomes_T2,
        run.init is not None,
    )


def _first_frames(run: Run, recipe: StagePreset) -> Stage:
    from playground.training.encode import encode_frames, fingerprint
    from playground.training.stages.first_frames import FirstFrameStage

    dataset = open_dataset(run, 1, recipe)
    tokenizer: Any = load_export(run.out, run.init, "tokenizer")
    if run.peers.first:
        take_over(run.out, run.init, ("latent-actions", "dynamics"))
    key = fingerprint(run.out / "tokenizer" / "export", dataset)
    latents = encode_frames(tokenizer, dataset, run.out / "cache", key, False, run.device, run.progress)
    earlier = earlier_config(run.out, run.init, run.resume, "first-frames")
    # A world of dynamics that know no texts takes none, so its first frames need not know them either.
    silent = earlier_config(run.out, None, True, "dynamics").get("prompt_dims") == 0
    told = tells_texts_apart(dataset) and not silent
    prompts = load_prompts(dataset, earlier.get("prompt_dims")) if told else None
    derived = {
        "tokens_per_frame": tokenizer.tokens_per_frame,
        "latent_channels": tokenizer.latent_channels,
        "prompt_dims": 0 if prompts is None else prompts.rows_RP.shape[1],
    }
    if prompts is None and "reader" in recipe.model:
        recipe = replace(recipe, model={**recipe.model, "reader": False})
    model: Any = build_model(run, "first-frames", recipe, derived)
    if not earlier:
        model.set_statistics(_some_of(latents), None if prompts is None else torch.from_numpy(prompts.rows_RP[:-1]))
    if run.peers.first and (prompts is not None or not (run.out / RECORD_NAME).is_file()):
        write_json(run.out / RECORD_NAME, {"text_encoder": prompts.encoder if prompts else None})
    return FirstFrameStage(model, tokenizer, dataset, latents, prompts, recipe.batch, run.device)


def _intents(run: Run, recipe: StagePreset) -> Stage:
    from playground.training.encode import encode_frames, fingerprint
    from playground.training.stages.intents import IntentStage

    past = int(recipe.model.get("past_actions", 0))
    dataset = open_dataset(run, 2 + max(past, 1), recipe)
    if not dataset.action_names:
        raise PlaygroundError(f"{run.data[0]} has no recorded actions, from which intents are learned; leave them out")
    if run.preset.dynamics.source_actions == "label":
        raise PlaygroundError(
            f"preset {run.preset.name!r}: the dynamics learns recorded actions, which need no intents; leave them out"
        )
    tokenizer: Any = load_export(run.out, run.init, "tokenizer")
    actions_T, num_actions = find_actions(run, recipe, dataset)
    if run.peers.first:
        take_over(run.out, run.init, ("dynamics", "first-frames"))
    key = fingerprint(run.out / "tokenizer" / "export", dataset)
    latents = encode_frames(tokenizer, dataset, run.out / "cache", key, False, run.device, run.progress)
    derived = {
        "names": tuple(dataset.action_names),
        "tokens_per_frame": tokenizer.tokens_per_frame,
        "latent_channels": tokenizer.latent_channels,
        "num_actions": num_actions,
    }
    model: Any = build_model(run, "intents", recipe, derived)
    if not earlier_config(run.out, run.init, run.resume, "intents"):
        model.set_statistics(_some_of(latents))
    return IntentStage(model, dataset, latents, actions_T, recipe.batch)


def _some_of(codes: np.ndarray) -> torch.Tensor:
    rows = np.linspace(0, len(codes) - 1, min(4096, len(codes))).astype(np.int64)
    return torch.from_numpy(np.asarray(codes[rows], np.float32))


def _outcomes(
    recipe: StagePreset, dataset: ClipDataset, derived: dict[str, Any], earlier: dict[str, Any]
) -> np.ndarray | None:
    """Rewards and ends to learn; sets ``derived["outcomes"]`` unless the preset or the type of model has none."""
    has_field = any(field.name == "outcomes" for field in fields(DYNAMICS.get(recipe.type).Config))
    if not has_field or recipe.model.get("outcomes") is False:
        return None
    found = find_outcomes(dataset)
    derived["outcomes"] = bool(earlier.get("outcomes", False)) if earlier else found is not None
    return found if derived["outcomes"] else None


def tells_texts_apart(dataset: ClipDataset) -> bool:
    """Whether at least two captions occur in the data; a world must not claim to take texts otherwise."""
    return len(np.unique(dataset.caption_ids_T[dataset.caption_ids_T >= 0])) > 1


def find_actions(run: Run, recipe: StagePreset, dataset: ClipDataset) -> tuple[np.ndarray, int]:
    """The action that produced each frame (-1 unknown) and how many actions there are.

    Raises:
        PlaygroundError: recorded actions are wanted but the data has none.
    """
    if recipe.source_actions == "label":
        if not dataset.action_names:
            raise PlaygroundError(f"{run.data[0]} has no recorded actions; set source_actions = 'latent' in the preset")
        return dataset.actions_T, len(dataset.action_names)
    from playground.training.encode import fingerprint, infer_actions

    model: Any = load_export(run.out, run.init, "latent-actions")
    key = fingerprint(run.out / "latent-actions" / "export", dataset)
    return infer_actions(model, dataset, run.out / "cache", key, run.device, run.progress), model.num_actions


BUILDERS: dict[str, Callable[[Run, StagePreset], Stage]] = {
    "tokenizer": _tokenizer,
    "latent-actions": _latent_actions,
    "dynamics": _dynamics,
    "first-frames": _first_frames,
    "intents": _intents,
}
