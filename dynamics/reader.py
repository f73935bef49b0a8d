"""Reads pictures: how well each fits a text, so that of several drawings the one that shows what was asked can be kept.

A drawing is a draw of luck. It shows the right kind of place every time, but a coin or a creature only often, and
whoever asked for one meets just one drawing. Choosing among a few costs little, since small networks take many rows
at once. Pictures and texts are brought to vectors of one space by contrast with the others of a batch (Radford et al.
2021), so that the match is the logarithm of how much more likely a text is for this picture than for any.

Legend: B rows, N latents, C channels, P prompt dims.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from playground.core.nn.blocks import grid_features

CHANNELS, WIDTH, SPACE = 96, 256, 64
"""Channels of the convolutions, width of the layers behind them, and dimensions of the common space."""


class PictureReader(nn.Module):
    """Latents and caption embeddings to how well they match."""

    def __init__(self, grid: int, latent_channels: int, prompt_dims: int) -> None:
        """Args: side of the latent grid; C; P."""
        super().__init__()
        self.grid = grid
        features = grid_features(grid, latent_channels, CHANNELS, WIDTH)
        self.look = nn.Sequential(*features, nn.SiLU(), nn.Linear(WIDTH, SPACE))
        self.words = nn.Sequential(
            nn.Linear(prompt_dims, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, SPACE)
        )
        self.sharpness = nn.Parameter(torch.tensor(2.0))

    def forward(self, latents_BNC: Tensor, prompts_BP: Tensor) -> Tensor:
        """Match (B,) of normalised latents with the scaled caption embedding of the same row; more is better."""
        return self.sharpness.exp() * (self._seen(latents_BNC) * self._told(prompts_BP)).sum(dim=-1)

    def loss(self, latents_BNC: Tensor, prompts_BP: Tensor, caption_B: Tensor | None = None) -> Tensor:
        """Cross entropy of finding each picture's own text among those of the batch, and the other way round.

        Rows of one caption are right answers to each other, so none of them counts as a wrong one. Where a game has
        few captions they fill a batch, and pushing them apart would blur what tells captions apart.

        Args:
            latents_BNC: normalised.
            prompts_BP: scaled caption embedding of each, in any wording.
            caption_B: int64, the number of each row's caption; without, every row has a caption of its own.
        """
        with torch.autocast(latents_BNC.device.type, enabled=False):  # small differences decide
            match_BB = self.sharpness.exp() * self._seen(latents_BNC) @ self._told(prompts_BP).T
        own_B = torch.arange(len(match_BB), device=match_BB.device)
        if caption_B is not None:
            same_BB = (caption_B[:, None] == caption_B) & (own_B[:, None] != own_B)
            match_BB = match_BB.masked_fill(same_BB, -torch.inf)
        return (F.cross_entropy(match_BB, own_B) + F.cross_entropy(match_BB.T, own_B)) / 2

    def _seen(self, latents_BNC: Tensor) -> Tensor:
        pictures = rearrange(latents_BNC, "b (h w) c -> b c h w", h=self.grid)
        return F.normalize(self.look(pictures).float(), dim=-1)

    def _told(self, prompts_BP: Tensor) -> Tensor:
        return F.normalize(self.words(prompts_BP).float(), dim=-1)
