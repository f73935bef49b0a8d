"""From what a player asks for to a latent action, by what is on the screen.

A latent action says what a picture does: it falls, it stays, it scrolls. A key says what a player wants, and which
latent action that is depends on the moment: no key means "fall" in the air and "stay" on the ground. With one fixed
code a key, as in Genie, a jumper hangs in the air. So a small network reads the two newest frames and the name of the
action, and picks the code, as recorded play shows it. Two frames show little of how fast things are, so it may read the
newest codes as well. It is the only part that needs recorded actions; the codes themselves and the dynamics are learned
without.

Legend: B rows, N latents, C channels, A codes, L names, H newest codes.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from latent_actions.config import IntentConfig
from playground.core.component import Component, split_rows
from playground.core.nn.blocks import grid_features
from playground.core.nn.statistics import NormalisedLatents
from playground.core.registry import INTENT_MODELS

EMPHASIS = 3.0
"""How much a name counts for, as guidance weighs a text: 1 copies recorded players, who hold left against a wall and
stand more often than they set off, so that a player who stands would never get going."""

PLAUSIBLE = 0.1
"""What a code must reach of the likeliest one's probability, under the name, to be chosen at all. Among the many that
are next to impossible with the name and without it, which one the name favours most is noise (contrastive decoding of
texts calls the same rule an adaptive plausibility constraint, Li et al. 2023)."""


@INTENT_MODELS.register("latents")
class IntentModel(NormalisedLatents, Component):
    """Two frames, the newest latent actions and the name of an action to a latent action."""

    Config: ClassVar[type] = IntentConfig
    type_name: ClassVar[str] = "latents"

    def __init__(self, config: IntentConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__(config)
        self.names = tuple(config.names)
        self.num_actions = config.num_actions
        self.grid = round(config.tokens_per_frame**0.5)
        self.look = grid_features(self.grid, 2 * config.latent_channels, config.channels, config.width)
        self.name = nn.Embedding(len(self.names) + 1, config.width // 4)
        self.scale_and_shift = nn.Linear(config.width // 4, 2 * config.width)
        self.choose = nn.Sequential(
            nn.SiLU(), nn.Linear(config.width, config.width), nn.SiLU(), nn.Linear(config.width, config.num_actions)
        )
        # A table for each place in the past, the newest first, its last row for "not known".
        rows = config.num_actions + 1
        self.past = nn.ParameterList(torch.zeros(rows, config.width) for _ in range(config.past_actions))
        self.register_statistics(config.latent_channels)

    def grown_from(self, smaller: dict[str, Tensor]) -> dict[str, Tensor]:
        """A code that was split is as likely as before, each of its parts like the others; more past adds nothing."""
        last = f"choose.{len(self.choose) - 1}"
        rows = {name: split_rows(smaller[name], self.num_actions) for name in (f"{last}.weight", f"{last}.bias")}
        for name in (name for name in smaller if name.startswith("past.")):
            rows[name] = torch.cat((split_rows(smaller[name][:-1], self.num_actions), smaller[name][-1:]))
        return {**smaller, **rows}

    def forward(self, earlier_BNC: Tensor, latest_BNC: Tensor, heard_BH: Tensor, name_B: Tensor) -> Tensor:
        """Logits (B, A) of the latent action that comes next.

        Args:
            earlier_BNC: latents of the frame before the newest.
            latest_BNC: latents of the newest frame.
            heard_BH: int64 latent actions that led to the newest frames, the newest last; at least ``past_actions``. A
                number that is no code means "not known".
            name_B: int64 index in ``names``, their number for "not known".
        """
        return self._logits(self._seen(earlier_BNC, latest_BNC, heard_BH), name_B)

    def read(self, earlier_BNC: Tensor, latest_BNC: Tensor, heard_BH: Tensor, name_B: Tensor) -> Tensor:
        """The latent action (B,) int64 that each row's name means now; arguments as in :meth:`forward`."""
        seen = self._seen(earlier_BNC, latest_BNC, heard_BH)
        asked = self._logits(seen, name_B).log_softmax(dim=-1)
        anyway = self._logits(seen, torch.full_like(name_B, len(self.names))).log_softmax(dim=-1)
        implausible = asked < asked.amax(dim=-1, keepdim=True) + math.log(PLAUSIBLE)
        weighed = anyway + EMPHASIS * (asked - anyway)
        return weighed.masked_fill(implausible, -torch.inf).argmax(dim=-1)

    def loss(
        self,
        earlier_BNC: Tensor,
        latest_BNC: Tensor,
        heard_BH: Tensor,
        name_B: Tensor,
        action_B: Tensor,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Cross entropy of the latent action that came next.

        Args:
            earlier_BNC: latents of the frame before the newest.
            latest_BNC: latents of the newest frame.
            heard_BH: latent actions before, as in :meth:`forward`.
            name_B: int64 recorded action that followed, -1 where not known.
            action_B: int64 latent action that followed.
            generator: decides what is hidden, shown twice and disturbed.

        Returns:
            ``loss``; ``accuracy``, the share of codes that were guessed.
        """
        draws = torch.rand(2, len(name_B), generator=generator, device=name_B.device)
        hidden = (name_B < 0) | (draws[0] < self.config.name_dropout)
        name_B = torch.where(hidden, torch.full_like(name_B, len(self.names)), name_B)
        still = (draws[1] < self.config.still_share)[:, None, None]
        earlier_BNC = torch.where(still, latest_BNC, earlier_BNC)
        heard_BH = self._forgotten(heard_BH, still[:, :, 0], generator)
        frames = [self._disturbed(latents, generator) for latents in (earlier_BNC, latest_BNC)]
        logits = self(*frames, heard_BH, name_B)
        accuracy = (logits.argmax(dim=-1) == action_B).float().mean()
        return {"loss": F.cross_entropy(logits.float(), action_B), "accuracy": accuracy}

    def _seen(self, earlier_BNC: Tensor, latest_BNC: Tensor, heard_BH: Tensor) -> Tensor:
        seen_BD: Tensor = self.look(self._side_by_side(earlier_BNC, latest_BNC))
        known = (heard_BH >= 0) & (heard_BH < self.num_actions)
        row_BH = heard_BH.where(known, torch.full_like(heard_BH, self.num_actions))
        for back, table_AD in enumerate(self.past, start=1):
            seen_BD = seen_BD + table_AD[row_BH[:, -back]]
        return seen_BD

    def _forgotten(self, heard_BH: Tensor, still_B1: Tensor, generator: torch.Generator) -> Tensor:
        """Past actions as at the start of a run: the newest few are known, or none; none of a single picture."""
        draws = torch.rand(2, len(heard_BH), 1, generator=generator, device=heard_BH.device)
        few = (draws[1] * heard_BH.shape[1]).long()
        age_H = torch.arange(heard_BH.shape[1], 0, -1, device=heard_BH.device)
        gone = (draws[0] < self.config.past_dropout) & (age_H > few)
        return heard_BH.masked_fill(gone | still_B1, -1)

    def _logits(self, seen_BD: Tensor, name_B: Tensor) -> Tensor:
        scale, shift = self.scale_and_shift(self.name(name_B)).chunk(2, dim=-1)
        logits: Tensor = self.choose(seen_BD * (1 + scale) + shift)
        return logits

    def _side_by_side(self, earlier_BNC: Tensor, latest_BNC: Tensor) -> Tensor:
        both = torch.cat([(latents - self.mean_C) / self.scale_C for latents in (earlier_BNC, latest_BNC)], dim=-1)
        return rearrange(both, "b (h w) c -> b c h w", h=self.grid)

    def _disturbed(self, latents_BNC: Tensor, generator: torch.Generator) -> Tensor:
        device = latents_BNC.device
        amount = torch.rand(len(latents_BNC), 1, 1, generator=generator, device=device) * self.config.latent_noise
        noise = torch.randn(latents_BNC.shape, generator=generator, device=device)
        return latents_BNC + amount * self.scale_C * noise
