"""How well a dynamics model knows what came with a frame: the reward, and whether the episode ended there.

Legend: B clips, T frames, N latents per frame, P prompt dims; a last axis of 2 holds reward and end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from playground.core.sampling import make_generator
from playground.data.dataset import ClipDataset
from playground.data.outcomes import find_outcomes
from playground.evaluation import rollouts
from playground.evaluation.sample import fit_clips
from playground.evaluation.texts import embed_captions

_CLIPS = 128
"""Clips a source: half of them spread evenly, half around something rare."""

_BATCH = 32


def measure_outcomes(
    world: Any, sources: Mapping[str, Any], context: int, progress: rollouts.Progress | None = None
) -> dict[str, float]:
    """``end_average_precision``, ``reward_correlation`` and the counts behind them, for worlds that tell outcomes.

    Args:
        world: a world with a latent action model.
        sources: source name to clip dataset.
        context: frames at the start of each clip that are shown and not asked about.
        progress: called with a stage, clips done and clips in all.

    Returns:
        Numbers over all sources (of rewards, whose units differ, the mean of the sources) and for each of several.
        Empty where the world tells nothing or the data has nothing to tell.
    """
    if not getattr(getattr(world.dynamics, "config", None), "outcomes", False):
        return {}
    numbers: dict[str, float] = {}
    told, true = [], []
    for source, dataset in sources.items():
        outcomes_T2 = find_outcomes(dataset) if isinstance(dataset, ClipDataset) else None
        if outcomes_T2 is None:
            continue
        starts = judged_starts(dataset, outcomes_T2, _CLIPS)
        told.append(_told_of(world, dataset, starts, progress)[:, context:])
        true.append(outcomes_T2[starts[:, None] + np.arange(dataset.length)][:, context:])
        numbers |= {f"{key}/{source}": value for key, value in _numbers(told[-1], true[-1]).items()}
    if not told:
        return {}
    whole = _numbers(np.concatenate(told), np.concatenate(true))
    correlations = [value for key, value in numbers.items() if key.startswith("reward_correlation/")]
    if correlations:
        whole["reward_correlation"] = float(np.mean(correlations))
    return {**whole, **(numbers if len(sources) > 1 else {})}


def _numbers(told: np.ndarray, true: np.ndarray) -> dict[str, float]:
    ends = true[..., 1][~np.isnan(true[..., 1])]
    counts = {"end_share": float(ends.mean()), "ends_judged": int(ends.sum())} if ends.any() else {}
    return {**score_outcomes(told, true), **counts}


def _told_of(world: Any, dataset: ClipDataset, starts: np.ndarray, progress: rollouts.Progress | None) -> np.ndarray:
    parts = []
    for low in range(0, len(starts), _BATCH):
        clips = dataset.clips(starts[low : low + _BATCH])
        frames_BTHWC = fit_clips(world, clips.frames_BTHWC)
        captions = [dataset.captions[index] if index >= 0 else "" for index in clips.caption_ids_BT[:, 0]]
        actions_BT = torch.from_numpy(rollouts.infer_actions(world, frames_BTHWC))
        texts_BP = embed_captions(world, captions, [dataset])
        parts.append(tell_outcomes(world.dynamics, rollouts.encode(world, frames_BTHWC), actions_BT, texts_BP))
        if progress is not None:
            progress("outcomes", low + len(parts[-1]), len(starts))
    return np.concatenate(parts)


def judged_starts(dataset: ClipDataset, outcomes_T2: np.ndarray, clips: int) -> np.ndarray:
    """First frames (int64) of at most ``clips`` clips to judge on: half evenly spread, half around something rare.

    Rare is what ends an episode or lies far from the usual reward; a few clips of a large dataset would show none.
    """
    starts_W = dataset.starts_W
    reward_T, end_T = outcomes_T2.T
    usual, spread = np.nanmedian(reward_T), np.nanstd(reward_T)
    rare_T = (np.nan_to_num(np.abs(reward_T - usual)) > 2 * spread) | (end_T == 1)
    before = np.concatenate(([0], np.cumsum(rare_T)))
    eventful_W = starts_W[before[starts_W + dataset.length] > before[starts_W]]
    half = clips // 2
    picked = [
        some[np.linspace(0, len(some) - 1, half).astype(np.int64)] for some in (starts_W, eventful_W) if len(some)
    ]
    return np.unique(np.concatenate(picked))


@torch.no_grad()
def tell_outcomes(
    model: Any, codes: torch.Tensor, actions_BT: torch.Tensor, prompts: torch.Tensor | None
) -> np.ndarray:
    """What a model says came with the true frames of clips, shown one by one as in play: float32 ``(B, T, 2)``.

    Args:
        model: dynamics with outcomes, on the CPU.
        codes: latents (B, T, N, C) or tokens (B, T, N).
        actions_BT: the action that produced each frame.
        prompts: caption embeddings, of each clip (B, P) or of each frame (B, T, P), or None.
    """
    state, told = model.new_state(len(codes)), []
    noise = [make_generator(row) for row in range(len(codes))]
    for t in range(codes.shape[1]):
        prompt_BP = prompts[:, t] if prompts is not None and prompts.ndim == 3 else prompts
        written = model.observe(state, codes[:, t], actions_BT[:, t], prompt_BP, noise)
        state.write(written)
        outcome = model.outcome(written)
        told.append(torch.stack((outcome.reward_B, outcome.end_B), dim=-1).float().numpy())
    return np.stack(told, axis=1)


def score_outcomes(told: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """``reward_correlation`` (Pearson) and ``end_average_precision``, without the one that the frames cannot tell.

    Args:
        told: reward and end that a model says, ``(..., 2)``.
        true: rows of ``find_outcomes`` for the same frames; NaN is left out.
    """
    result, known = {}, ~np.isnan(true)
    rewards, guesses = (rows[..., 0][known[..., 0]] for rows in (true, told))
    if len(rewards) > 1 and np.ptp(rewards) > 0:
        result["reward_correlation"] = float(np.corrcoef(rewards, guesses)[0, 1]) if np.ptp(guesses) > 0 else 0.0
    ends, guesses = (rows[..., 1][known[..., 1]] for rows in (true, told))
    if ends.any():
        result["end_average_precision"] = average_precision(ends > 0, guesses)
    return result


def average_precision(true_N: np.ndarray, score_N: np.ndarray) -> float:
    """Mean over the true cases of the precision among all that score as high or higher.

    Args:
        true_N: bool, at least one of them true.
        score_N: higher is more certain; equal scores count as one threshold.
    """
    order = np.argsort(-score_N, kind="stable")
    hits = np.cumsum(true_N[order])
    # Cases of one score share the threshold behind the last of them.
    last = np.searchsorted(-score_N[order], -score_N[order], side="right")
    return float((hits[last - 1] / last)[true_N[order]].mean())
