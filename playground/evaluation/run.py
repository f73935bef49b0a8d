"""One call that measures a world against true clips and writes numbers, a readable page and pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.config import write_json
from playground.core.errors import PlaygroundError, suggest
from playground.evaluation import metrics, pictures, probes, rollouts
from playground.evaluation.report import write_report

SUITES = ("core", "long")
HORIZON = 16
"""Frames generated from every true clip."""


def evaluate_world(
    world: Any,
    data: Any,
    out: Path | str,
    suite: str = "core",
    frames: int = 2000,
    seed: int = 0,
    progress: bool = True,
    context: int = 8,
) -> dict[str, float]:
    """Measure a world and write ``report.json``, ``report.md`` and four pictures.

    Numbers that cannot be computed (no latent action model, no keys, no prompts) are left out, never guessed.

    Args:
        world: a loaded ``World``, or a name or folder of one.
        data: a clip dataset that the world was not trained on: a ``ClipDataset`` whose windows have
            ``context`` + ``HORIZON`` frames, a folder, or a list of folders.
        out: folder for the results, or the ``.json`` file to write them to (pictures go next to it).
        suite: ``"core"``, or ``"long"`` which adds ``survival_1000``.
        frames: true frames to compare generated ones with (rounded up to whole clips of ``HORIZON``).
        seed: of noise, shuffles and drawn keys; the same seed gives the same report.
        progress: show progress bars.
        context: frames shown to the world before the first generated one.

    Returns:
        The flat numbers of ``report.json``.

    Raises:
        PlaygroundError: unknown suite, dataset and world of different frame size, or no clip long enough.
    """
    if suite not in SUITES:
        raise PlaygroundError(f"unknown suite {suite!r}; choose one of {', '.join(SUITES)}.{suggest(suite, SUITES)}")
    started = time.perf_counter()
    world = _load_world(world)
    context = max(1, min(context, world.dynamics.context_frames))
    dataset = _load_data(data, context + HORIZON)
    report_file = Path(out) if str(out).endswith(".json") else Path(out) / "report.json"
    report_file.parent.mkdir(parents=True, exist_ok=True)
    clips = rollouts.spread_windows(dataset, max(1, -(-frames // HORIZON)))
    _check_size(world, clips)
    bars = _Bars(progress)
    numbers = _measure(world, clips, context, suite, seed, report_file.parent, bars)
    bars.close()
    numbers["frames_evaluated"] = len(clips) * HORIZON
    numbers |= {"context_frames": context, "seed": seed, "seconds": round(time.perf_counter() - started, 1)}
    # A ratio against a truth without motion is infinite, which JSON cannot say.
    numbers = {
        name: round(float(value), 4) if isinstance(value, float) else value
        for name, value in numbers.items()
        if np.isfinite(value)
    }
    write_json(report_file, numbers)
    write_report(report_file.with_suffix(".md"), world, numbers, suite)
    return numbers


def _measure(
    world: Any, clips: np.ndarray, context: int, suite: str, seed: int, folder: Path, bars: _Bars
) -> dict[str, float]:
    starts = clips[np.linspace(0, len(clips) - 1, min(8, len(clips))).astype(int), :context]
    prompts = world_prompts(world)
    numbers = measure_tokenizer(world, clips, folder)
    if getattr(world, "latent_actions", None) is not None:
        numbers |= measure_rollouts(world, clips, context, seed, folder, bars)
        accuracy = probes.key_accuracy(world, starts, seed=seed, progress=bars)
        numbers |= {} if accuracy is None else {"key_accuracy": accuracy}
    numbers |= measure_prompts(world, prompts, seed, bars)
    draw_actions(world, prompts or list(starts[:1]), seed, folder)
    if suite == "long":
        runs = prompts or list(starts)
        numbers["survival_1000"] = probes.survival(world, runs, clips, seed=seed, progress=bars)
    return numbers


def measure_tokenizer(world: Any, clips: np.ndarray, folder: Path, batch: int = 8) -> dict[str, float]:
    """``tokenizer_psnr`` and ``tokenizer_ssim`` over whole clips, and ``reconstruction.png``."""
    decoded = np.concatenate(
        [
            rollouts.decode(world, rollouts.encode(world, clips[start : start + batch]))
            for start in range(0, len(clips), batch)
        ]
    )
    picks = np.linspace(0, len(clips) - 1, min(10, len(clips))).astype(int)
    pictures.save_reconstruction(folder / "reconstruction.png", clips[picks, 0], decoded[picks, 0])
    return {
        "tokenizer_psnr": float(metrics.psnr(clips, decoded).mean()),
        "tokenizer_ssim": float(metrics.ssim(clips, decoded).mean()),
    }


def measure_rollouts(
    world: Any,
    clips: np.ndarray,
    context: int,
    seed: int,
    folder: Path,
    progress: rollouts.Progress | None = None,
) -> dict[str, float]:
    """How generated frames follow the truth, and how much of that comes from the actions.

    The gaps are means over clips of the PSNR under true actions minus that under other actions; their ``_ci``
    is the half width of the 95 % interval of that mean.
    """
    played = rollouts.roll_out(world, clips, context, seed, progress=progress)
    pictures.save_rollouts(folder / "rollouts.png", played.truth_BTHWC, played.arms["true"])
    quality = {arm: metrics.psnr(played.truth_BTHWC, frames) for arm, frames in played.arms.items()}
    frozen = np.repeat(clips[:, context - 1 : context], HORIZON, axis=1)
    control = (quality["true"] - quality["shuffled"]).mean(axis=1)
    noop = (quality["true"] - quality["noop"]).mean(axis=1)
    delta_t = (quality["true"] - quality["random"])[:, 3]
    shares = np.bincount(played.actions["true"].reshape(-1), minlength=world.dynamics.num_actions + 1)
    shares = shares[: world.dynamics.num_actions] / max(1, shares.sum())
    return {
        "rollout_psnr_1": float(quality["true"][:, 0].mean()),
        "rollout_psnr_4": float(quality["true"][:, 3].mean()),
        "rollout_psnr_16": float(quality["true"][:, 15].mean()),
        "rollout_psnr_mean_16": float(quality["true"].mean()),
        "frozen_psnr_mean_16": float(metrics.psnr(played.truth_BTHWC, frozen).mean()),
        "rollout_ssim_16": float(metrics.ssim(played.truth_BTHWC[:, -1], played.arms["true"][:, -1]).mean()),
        "control_gap_db_16": float(control.mean()),
        "control_gap_db_16_ci": _half_width(control),
        "noop_gap_db_16": float(noop.mean()),
        "noop_gap_db_16_ci": _half_width(noop),
        "delta_t_psnr": float(delta_t.mean()),
        "delta_t_psnr_ci": _half_width(delta_t),
        "motion_ratio": metrics.motion_ratio(played.truth_BTHWC, played.arms["true"]),
        "sharpness_ratio_16": float(
            metrics.sharpness(played.arms["true"][:, -1]).mean()
            / max(1e-9, metrics.sharpness(played.truth_BTHWC[:, -1]).mean())
        ),
        "codes_used": int((shares >= 0.01).sum()),
        "codes_perplexity": float(np.exp(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))),
    }


def measure_prompts(
    world: Any, prompts: Sequence[np.ndarray], seed: int, progress: rollouts.Progress | None = None
) -> dict[str, float]:
    """``opposite_prompts`` and ``opposite_prompts_total`` over the world's own prompts."""
    if not prompts:
        return {}
    counted = probes.opposite_prompts(world, prompts, seed=seed, progress=progress)
    return {} if counted is None else {"opposite_prompts": counted[0], "opposite_prompts_total": counted[1]}


def draw_actions(world: Any, prompts: Sequence[np.ndarray], seed: int, folder: Path, frames: int = 20) -> None:
    """``control.png``: each named key held from one start; ``gallery.png``: each latent action code."""
    keyed = probes.keyed_actions(world)
    if keyed:
        clips = rollouts.hold(world, prompts[0], [int(action.code) for action in keyed], frames, seed)
        pictures.save_held(folder / "control.png", clips, [str(action.name) for action in keyed])
    codes = list(range(world.dynamics.num_actions))
    clips = rollouts.hold(world, prompts[-1], codes, frames, seed)
    pictures.save_held(folder / "gallery.png", clips, [f"code {code}" for code in codes])


def world_prompts(world: Any) -> list[np.ndarray]:
    """The world's shipped prompts as uint8 clips ``(T, H, W, 3)``."""
    if not world.prompts:
        return []
    from playground.world.prompt import Prompt

    return [_prompt_frames(Prompt.from_path(path, world.frame_size)) for path in world.prompts]


def _prompt_frames(prompt: Any) -> np.ndarray:
    return np.asarray(getattr(prompt, "frames_THWC", prompt))


def _load_world(world: Any) -> Any:
    if not isinstance(world, (str, Path)):
        return world
    from playground.world.bundle import World

    return World.load(world)


def _load_data(data: Any, length: int) -> Any:
    if hasattr(data, "window"):
        return data
    from playground.data.dataset import ClipDataset

    folders = [data] if isinstance(data, (str, Path)) else list(data)
    return ClipDataset([Path(folder) for folder in folders], length)


def _check_size(world: Any, clips: np.ndarray) -> None:
    if clips.shape[1] < 1 + HORIZON:
        raise PlaygroundError(f"clips of {clips.shape[1]} frames are too short; use at least {1 + HORIZON}")
    size = int(world.frame_size)
    if clips.shape[2:4] != (size, size):
        raise PlaygroundError(
            f"the dataset has {clips.shape[3]}x{clips.shape[2]} pixel frames but world {world.name!r} needs "
            f"{size}x{size}; collect or import the data at that size"
        )


def _half_width(values: np.ndarray) -> float:
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


class _Bars:
    """A tqdm bar for each stage, or nothing."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.stage, self.bar = "", None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not self.enabled:
            return
        if stage != self.stage:
            from tqdm import tqdm

            self.close()
            self.stage, self.bar = stage, tqdm(total=total, desc=stage, file=sys.stderr, leave=False, delay=2)
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.stage, self.bar = "", None
