"""Reward and end of the episode that came with a frame, read from what the frame leaves in the memory.

The head looks at the values that the last layer over time writes for a frame's tokens. They know the frame, the action
that led to it and the past, and every engine returns them with each pass anyway: the play step stays as it is.

Legend: B rows, S tokens of a frame, K attention heads, E head dims; a last axis of 2 holds reward and end.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dynamics.config import DynamicsConfig
from playground.core.nn.blocks import RMSNorm

LOSS_WEIGHT = 0.03
"""Small beside the loss of the frame: pictures must not pay for two numbers."""

BINS = 49
LARGEST = 6.0
"""Bins lie evenly in symlog space up to this; rewards beyond +-402 are clipped there."""

MAX_END_WEIGHT = 100.0


@dataclass(frozen=True)
class Outcome:
    """What came with a frame.

    Attributes:
        reward_B: float32, the mean of what the head expects.
        end_B: float32 probability in [0, 1] that this is the last frame of its episode.
    """

    reward_B: Tensor
    end_B: Tensor


class OutcomeHead(nn.Module):
    """Values of a frame's tokens (..., S, K, E) to a distribution of rewards and the logit of an end.

    Rewards are a distribution over bins with the two nearest ones sharing each target (two-hot symexp, DreamerV3,
    Hafner et al. 2023): a rare 10 and a frequent 0.1 are learned alike, and the mean stays unbiased.
    """

    end_weight: Tensor

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__()
        self.norm = RMSNorm(2 * config.width)
        self.hidden = nn.Linear(2 * config.width, config.width)
        self.out = nn.Linear(config.width, BINS + 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("end_weight", torch.ones(()))

    def set_end_share(self, share: float) -> None:
        """From now on frames with an end weigh more in the loss, as much as their ``share`` in (0, 1) is small."""
        self.end_weight.fill_(min(MAX_END_WEIGHT, max(1.0, (1 - share) / share)))

    def forward(self, values: Tensor) -> Tensor:
        """Logits (..., BINS + 1), the last one of an end, in float32."""
        tokens = values.flatten(-2).to(self.hidden.weight.dtype)
        # The action token comes first and reads the whole frame; the mean is what all tokens agree on.
        pooled = self.norm(torch.cat((tokens[..., 0, :], tokens.mean(dim=-2)), dim=-1))
        logits: Tensor = self.out(F.silu(self.hidden(pooled)))
        return logits.float()

    def loss(self, values: Tensor, outcomes_BT2: Tensor) -> Tensor:
        """Cross entropy of reward and end; NaN in ``outcomes_BT2`` stands for unknown and is left out."""
        logits = self(values)
        known = ~outcomes_BT2.isnan()
        target = outcomes_BT2.nan_to_num(0.0).float()
        shares = _two_hot(target[..., 0], reward_bins(logits.device))
        reward = -(shares * logits[..., :-1].log_softmax(dim=-1)).sum(dim=-1)
        end = F.binary_cross_entropy_with_logits(
            logits[..., -1], target[..., 1], reduction="none", pos_weight=self.end_weight
        )
        errors = torch.stack((reward, end), dim=-1) * known
        return (errors.sum(dim=(0, 1)) / known.sum(dim=(0, 1)).clamp_min(1)).sum()

    def read(self, values: Tensor) -> Outcome:
        """What came with frames whose values (B, S, K, E) are given."""
        logits = self(values)
        reward = (logits[..., :-1].softmax(dim=-1) * reward_bins(logits.device)).sum(dim=-1)
        # Weighing the ends multiplies their odds; the true odds are what a player has to know.
        return Outcome(reward, torch.sigmoid(logits[..., -1] - self.end_weight.log()))


def reward_bins(device: torch.device) -> Tensor:
    """Rewards that the bins stand for, (BINS,): symexp of evenly spaced numbers, exactly 0 in the middle."""
    steps = torch.linspace(-LARGEST, LARGEST, BINS, device=device)
    return torch.sign(steps) * torch.expm1(steps.abs())


def _two_hot(reward: Tensor, bins: Tensor) -> Tensor:
    """Shares (..., BINS) of the two nearest bins, so that their mean is the reward."""
    reward = reward.clamp(bins[0], bins[-1])
    upper = torch.searchsorted(bins, reward.contiguous()).clamp(1, BINS - 1)
    low, high = bins[upper - 1], bins[upper]
    share = ((reward - low) / (high - low)).unsqueeze(-1)
    return F.one_hot(upper, BINS) * share + F.one_hot(upper - 1, BINS) * (1 - share)
