"""What ``playground train`` does: opens the data, builds a stage, gives it its share of the budget."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from playground.core.config import config_to_dict, read_json, write_json
from playground.core.device import physical_cores, pick_device, prepare_training
from playground.core.errors import PlaygroundError, suggest
from playground.training.book import write_action_book, write_intent_books
from playground.training.builders import BUILDERS, Run, find_actions, open_dataset, tells_texts_apart
from playground.training.distributed import ALONE, Peers, find_peers
from playground.training.estimate import estimate_stage
from playground.training.exports import REGISTRIES
from playground.training.loop import LoopOptions, StageResult, train_stage
from playground.training.presets import load_preset, preset_from_dict
from playground.training.schedule import Budget
from playground.training.statement import EARLIER, earlier_statement

LOGGER = logging.getLogger("playground.training")

STAGES = tuple(REGISTRIES)


def train(
    stage: str,
    preset: str,
    data: list[Path],
    out: Path,
    budget_seconds: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    seed: int = 0,
    init: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> dict[str, StageResult]:
    """Train one stage, or all one after the other; some only where the preset and the data have what they need.

    Started by ``torchrun`` or ``accelerate launch``, the processes train together: each draws batches of its own, so
    that a step sees the preset's batch once a process.

    Args:
        stage: ``tokenizer``, ``latent-actions``, ``dynamics``, ``first-frames``, ``intents`` or ``all``.
        preset: name of a shipped preset or path of a TOML file.
        data: clip dataset folders.
        out: the run folder; stages find each other's results there.
        budget_seconds: wall-clock time; ``all`` splits it by the preset's shares.
        steps: optimiser steps of each stage instead of the preset's.
        resume: continue where the run stopped; finished stages are skipped.
        seed: of everything random.
        init: start from an exported component folder, a world's folder, or an earlier run folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: show bars.

    Returns:
        Result of each stage that ran; a stage that was interrupted is the last one and not ``finished``.

    Raises:
        PlaygroundError: bad input, named.
    """
    if stage not in (*STAGES, "all"):
        raise PlaygroundError(f"unknown stage {stage!r}.{suggest(stage, STAGES)} Known: {', '.join(STAGES)}, all.")
    if budget_seconds is not None and budget_seconds <= 0:
        raise PlaygroundError(f"the budget is {budget_seconds} seconds; give a time above zero")
    peers = find_peers(pick_device(device))
    prepare_training(None if peers.count == 1 else max(1, physical_cores() // peers.local_count))
    with peers.first_then_others():
        run = open_run(preset, data, out, resume, seed, init, device, progress, peers)
    names = stages_of(run) if stage == "all" else (stage,)
    shares = {name: run.preset.stage(name).budget_share for name in names}
    results: dict[str, StageResult] = {}
    for name in names:
        seconds = None if budget_seconds is None else budget_seconds * shares[name] / (sum(shares.values()) or 1.0)
        results[name] = train_one(run, name, seconds, steps)
        if not results[name].finished:
            return results
    return results


def stages_of(run: Run) -> tuple[str, ...]:
    """The stages of ``train all``: no first frames without captions, and no intents without recorded actions."""
    left_out = set()
    recipe = run.preset.first_frames
    if recipe is None or not tells_texts_apart(open_dataset(run, 1, recipe)):
        left_out.add("first-frames")
    recipe, learned = run.preset.intents, run.preset.dynamics.source_actions == "latent"
    if recipe is None or not learned or not open_dataset(run, 3, recipe).action_names:
        left_out.add("intents")
    return tuple(name for name in STAGES if name not in left_out)


def open_run(
    preset: str,
    data: list[Path],
    out: Path,
    resume: bool,
    seed: int,
    init: Path | None,
    device: str,
    progress: bool,
    peers: Peers = ALONE,
) -> Run:
    """Read the preset and keep it in ``out/run.json``, with data folders, seed and what ``init`` was trained on.

    A resumed run uses the preset that it was started with, whatever has happened to the file since.
    """
    path = out / "run.json"
    resolved = load_preset(preset)
    saved = read_json(path) if path.is_file() else {}
    if resume and saved:
        earlier = preset_from_dict(saved.get("preset", {}), f"{path}: field 'preset'")
        if earlier.name != resolved.name:
            raise PlaygroundError(
                f"{path} was started with preset {earlier.name!r}, not {resolved.name!r}; name that one"
            )
        resolved, seed = earlier, int(saved.get("seed", seed))
    folders = [Path(folder).absolute() for folder in data]
    if peers.first:
        out.mkdir(parents=True, exist_ok=True)
        facts = {"preset": config_to_dict(resolved), "data": [str(f) for f in folders], "seed": seed}
        # A later stage of the same folder needs no ``init`` of its own, but its weights come from there all the same.
        stated = (earlier_statement(init) if init is not None else "") or saved.get(EARLIER, "")
        write_json(path, {**facts, EARLIER: stated} if stated else facts)
    chosen = peers.device(pick_device(device))
    return Run(resolved, folders, out, seed, chosen, resume, init, progress and peers.first, peers)


def train_one(run: Run, name: str, seconds: float | None, steps: int | None) -> StageResult:
    """Train one stage of a run for ``seconds``, else for ``steps``, else as long as the preset says."""
    recipe, folder = run.preset.stage(name), run.out / name
    done = folder / "done.json"
    if run.resume and done.is_file() and steps is None:
        saved = read_json(done)
        return StageResult(True, int(saved["steps"]), float(saved["seconds"]), dict(saved["metrics"]))
    budget = Budget(steps if steps is not None or seconds is not None else recipe.steps, seconds)
    options = LoopOptions(
        folder=folder,
        adam_lr=recipe.adam_lr,
        muon_lr=recipe.muon_lr,
        weight_decay=recipe.weight_decay,
        ema=recipe.ema,
        seed=run.seed,
        device=run.device,
        resume=run.resume,
        checkpoint_every=recipe.checkpoint_every,
        inspect_every=recipe.inspect_every,
        progress=run.progress,
    )
    with run.peers.first_then_others():
        stage = BUILDERS[name](run, recipe)
    if seconds is not None and budget.used() >= seconds:
        raise PlaygroundError(
            f"stage {name}: preparing the data took {budget.used():.0f} s, all of its budget of {seconds:.0f} s; what"
            " was prepared is kept, so start the stage again, or give it more time"
        )
    if run.progress:
        estimate = estimate_stage(stage, budget, run.device)
        estimate = replace(estimate, frames_per_s=estimate.frames_per_s * run.peers.count)
        LOGGER.info("%s", estimate.line(name))
    result = train_stage(stage, options, budget, run.peers)
    if name == "dynamics" and result.finished and run.peers.first:
        dataset = open_dataset(run, recipe.window, recipe)
        actions_T, count = find_actions(run, recipe, dataset)
        write_action_book(run.out / "actions.json", dataset, actions_T, count, recipe.source_actions, run.seed)
    if name == "intents" and result.finished and run.peers.first:
        model: Any = stage.model
        write_intent_books(run.out / "actions.json", open_dataset(run, 3, recipe), model.names, model.num_actions)
    return result
