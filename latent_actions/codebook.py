"""Vector quantisation on the unit sphere with a codebook in which no code stays dead.

Legend: B batch, A codes, D code channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Codebook(nn.Module):
    """A handful of unit vectors (van den Oord et al. 2017; on the sphere as in Yu et al. 2022)."""

    idle_A: Tensor
    recent_BD: Tensor

    def __init__(self, codes: int, channels: int, reseed_after: int) -> None:
        """Args: number of codes A, channels D, steps without use after which a code is re-seeded."""
        super().__init__()
        self.reseed_after = reseed_after
        self.vectors_AD = nn.Parameter(F.normalize(torch.randn(codes, channels), dim=-1))
        self.register_buffer("idle_A", torch.zeros(codes))
        self.register_buffer("recent_BD", torch.zeros(64, channels))

    def similarity(self, features_BD: Tensor) -> Tensor:
        """Cosine of each feature (B, D) with each code: (B, A)."""
        return F.normalize(features_BD.float(), dim=-1) @ F.normalize(self.vectors_AD, dim=-1).T

    def forward(self, features_BD: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quantise.

        Returns:
            Code vectors (B, D) with straight-through gradients, code ids (B,), the loss that pulls codes to
            features and the loss that pulls features to codes.
        """
        unit_BD = F.normalize(features_BD.float(), dim=-1)
        ids_B = self.similarity(features_BD).argmax(dim=-1)
        chosen_BD = F.normalize(self.vectors_AD, dim=-1)[ids_B]
        if self.training:
            self._remember(unit_BD.detach(), ids_B)
        codebook_loss = (chosen_BD - unit_BD.detach()).square().sum(dim=-1).mean()
        commitment_loss = (unit_BD - chosen_BD.detach()).square().sum(dim=-1).mean()
        return unit_BD + (chosen_BD - unit_BD).detach(), ids_B, codebook_loss, commitment_loss

    @torch.no_grad()
    def reseed(self) -> int:
        """Move each long-idle code onto the recent feature that is farthest from every code; returns how many."""
        moved = 0
        for code in torch.nonzero(self.idle_A >= self.reseed_after).flatten().tolist():
            recent_BD = self.recent_BD[self.recent_BD.any(dim=-1)]  # rows of zeros were never filled
            nearest_B = (recent_BD @ F.normalize(self.vectors_AD, dim=-1).T).amax(dim=-1)
            self.vectors_AD[code] = recent_BD[int(nearest_B.argmin())]
            self.idle_A[code] = 0
            moved += 1
        return moved

    @torch.no_grad()
    def _remember(self, unit_BD: Tensor, ids_B: Tensor) -> None:
        used_A = torch.bincount(ids_B, minlength=self.idle_A.shape[0]) > 0
        self.idle_A.copy_(torch.where(used_A, torch.zeros_like(self.idle_A), self.idle_A + 1))
        self.recent_BD.copy_(torch.cat((unit_BD, self.recent_BD))[: self.recent_BD.shape[0]])
