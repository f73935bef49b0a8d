"""Rewards and ends of a dataset as targets of a dynamics model, and how well a model knows them.

A dataset notes what follows a frame: the reward of the action taken there and whether it ended the episode. A model
that has drawn a frame has to say what came with it. So frame t gets the reward of step t - 1, the action that produced
it. The frame behind an end is never recorded; the last frame of a terminated episode therefore also gets the reward of
its own step (CoinRun's coin), and it is the one that is marked as the end. Rewards of an episode still add up to its
return, and the end is told one frame before the simulator tells it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from playground.core.sampling import make_generator
from playground.data.dataset import ClipDataset

JUDGED_CLIPS = 32


def find_outcomes(dataset: ClipDataset) -> np.ndarray | None:
    """Reward and end that came with each frame, float32 (frames, 2); NaN where not known.

    Not known are rewards of frames that no action led to (the first ones of an episode or a shard), and everything of
    sources without recorded actions: video has neither. None for data in which no episode ends and all rewards are the
    same, where there is nothing to learn.
    """
    rewards_T, ends_T = dataset.rewards_T.astype(np.float32), dataset.ends_T.astype(np.float32)
    arrived_T = np.where(dataset.first_T, np.nan, np.roll(rewards_T, 1)).astype(np.float32)
    arrived_T += np.where(dataset.ends_T, rewards_T, 0)
    played = {info.source for info in dataset.infos if info.action_names}
    unknown = [index for index, source in enumerate(dataset.sources) if source not in played]
    outcomes_T2 = np.stack((arrived_T, ends_T), axis=1)
    outcomes_T2[np.isin(dataset.source_T, unknown)] = np.nan
    rewards = arrived_T[~np.isnan(outcomes_T2[:, 0])]
    varied = len(rewards) > 0 and bool(np.ptp(rewards) > 0)
    return outcomes_T2 if varied or np.nansum(outcomes_T2[:, 1]) > 0 else None


def end_share(outcomes_T2: np.ndarray) -> float:
    """Share of the known frames that are the last of their episode; 0.5, which weighs nothing, if there is none."""
    known = outcomes_T2[~np.isnan(outcomes_T2[:, 1]), 1]
    return float(known.mean()) if known.any() else 0.5


def judged_starts(dataset: ClipDataset, outcomes_T2: np.ndarray) -> np.ndarray:
    """First frames (int64) of the clips that the heads are judged on: half evenly spread, half around something rare.

    Rare is what ends an episode or lies far from the usual reward; a few clips of a large dataset would show none.
    """
    starts_W = dataset.starts_W
    reward_T, end_T = outcomes_T2.T
    usual, spread = np.nanmedian(reward_T), np.nanstd(reward_T)
    rare_T = (np.nan_to_num(np.abs(reward_T - usual)) > 2 * spread) | (end_T == 1)
    before = np.concatenate(([0], np.cumsum(rare_T)))
    eventful_W = starts_W[before[starts_W + dataset.length] > before[starts_W]]
    half = JUDGED_CLIPS // 2
    picked = [
        some[np.linspace(0, len(some) - 1, half).astype(np.int64)] for some in (starts_W, eventful_W) if len(some)
    ]
    return np.unique(np.concatenate(picked))


@torch.no_grad()
def judge(
    model: Any, codes: torch.Tensor, actions_BT: torch.Tensor, prompts_BTP: torch.Tensor | None, targets_BT2: np.ndarray
) -> dict[str, float]:
    """How well a model knows what came with the frames of given clips, shown one by one as in play.

    Args:
        model: dynamics with outcomes, on the CPU.
        codes: latents (B, T, N, C) or tokens (B, T, N).
        actions_BT: the action that produced each frame.
        prompts_BTP: caption embeddings or None.
        targets_BT2: rows of ``find_outcomes``.

    Returns:
        ``reward_correlation`` (Pearson) and ``end_average_precision``, without the one that the clips cannot tell.
    """
    state, told = model.new_state(len(codes)), []
    noise = [make_generator(row) for row in range(len(codes))]
    for t in range(codes.shape[1]):
        prompt_BP = None if prompts_BTP is None else prompts_BTP[:, t]
        written = model.observe(state, codes[:, t], actions_BT[:, t], prompt_BP, noise)
        state.write(written)
        outcome = model.outcome(written)
        told.append(torch.stack((outcome.reward_B, outcome.end_B), dim=-1).numpy())
    told_BT2, known_BT2 = np.stack(told, axis=1), ~np.isnan(targets_BT2)
    result = {}
    true, guess = (rows[..., 0][known_BT2[..., 0]] for rows in (targets_BT2, told_BT2))
    if len(true) > 1 and np.ptp(true) > 0:
        result["reward_correlation"] = float(np.corrcoef(true, guess)[0, 1]) if np.ptp(guess) > 0 else 0.0
    true, guess = (rows[..., 1][known_BT2[..., 1]] for rows in (targets_BT2, told_BT2))
    if true.any():
        result["end_average_precision"] = average_precision(true > 0, guess)
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
