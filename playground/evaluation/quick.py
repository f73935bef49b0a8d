"""A score in seconds for choosing between checkpoints, by the same functions as the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from playground.evaluation import metrics
from playground.evaluation.rollouts import Rollouts, roll_out
from playground.world.bundle import World


@dataclass(frozen=True)
class Parts:
    """Trained parts that are not a bundle yet; a loaded ``World`` fits as well.

    Attributes:
        tokenizer: shows codes as frames.
        dynamics: draws the next frame's codes.
        latent_actions: reads actions from frames; not needed when they are given.
        sampling: options of ``dynamics.generate``.
        actions: book whose ``noop`` is played in the no-op arm.
        name: for messages.
    """

    tokenizer: Any
    dynamics: Any
    latent_actions: Any = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    actions: Any = ()
    name: str = "parts"

    # Frames are drawn and decoded as a loaded world does it.
    draw = World.draw
    latents = World.latents


def quick_rollouts(
    world: Any, clips_BTHWC: np.ndarray, actions_BT: np.ndarray, prompts_BP: np.ndarray | None, context: int
) -> Rollouts:
    """Continue a few clips under true and shuffled actions, with the same noise for every checkpoint.

    Args:
        world: a ``World`` or ``Parts``, on the CPU and in evaluation mode.
        clips_BTHWC: uint8 true clips.
        actions_BT: latent action that produced each frame, ``num_actions`` for unknown.
        prompts_BP: embedded caption of each clip, for dynamics that take texts.
        context: frames shown before the first generated one.
    """
    prompt_BP = None if prompts_BP is None else torch.from_numpy(np.asarray(prompts_BP, np.float32))
    return roll_out(world, clips_BTHWC, context, arms=("true", "shuffled"), actions_BT=actions_BT, prompt_BP=prompt_BP)


def quick_score(played: Rollouts) -> dict[str, float]:
    """Weigh what matters into one number.

    ``score = rollout_psnr + control_gap_db - 10 |log10 motion_ratio|``, all in dB: a world that ignores its actions
    gains nothing from the second term, and one that is half as lively as the truth, or twice, loses 3 dB by the third.
    A frozen world loses 20 dB, so it cannot win by standing still.

    Args:
        played: what :func:`quick_rollouts` returned.

    Returns:
        ``score`` (more is better), ``rollout_psnr``, ``control_gap_db`` and ``motion_ratio`` over all generated frames,
        ``next_frame_psnr`` over the first.
    """
    quality = {arm: metrics.psnr(played.truth_BTHWC, frames) for arm, frames in played.arms.items()}
    mean = {arm: float(values.mean()) for arm, values in quality.items()}
    gap, ratio = mean["true"] - mean["shuffled"], metrics.motion_ratio(played.truth_BTHWC, played.arms["true"])
    liveliness = 10.0 * abs(float(np.log10(np.clip(ratio, 0.01, 100.0))))
    return {
        "score": mean["true"] + gap - liveliness,
        "rollout_psnr": mean["true"],
        "control_gap_db": gap,
        "motion_ratio": min(ratio, 100.0),
        "next_frame_psnr": float(quality["true"][:, 0].mean()),
    }
