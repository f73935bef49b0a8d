"""Rewards and ends of a dataset as targets of a dynamics model.

A dataset notes what follows a frame: the reward of the action taken there and whether it ended the episode. A model
that has drawn a frame has to say what came with it. So frame t gets the reward of step t - 1, the action that produced
it. The frame behind an end is never recorded; the last frame of a terminated episode therefore also gets the reward of
its own step (CoinRun's coin), and it is the one that is marked as the end. Rewards of an episode still add up to its
return, and the end is told one frame before the simulator tells it.
"""

from __future__ import annotations

import numpy as np

from playground.data.dataset import ClipDataset


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
