"""Stage one: frames to latents and back."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from playground.core.component import Component
from playground.core.interfaces import VideoTokenizer
from playground.data.dataset import ClipDataset
from playground.training.resident import ClipFeed
from playground.training.sheets import contact_sheet

SHEET_FRAMES = 8


class TokenizerStage:
    """Trains a tokenizer on single frames (or short clips, for tokenizers that look at several)."""

    name = "tokenizer"

    def __init__(self, model: Component, dataset: ClipDataset, batch: int, device: str = "cpu") -> None:
        """Args: the model to train, clips of ``dataset.length`` frames, frames in a batch, and where training runs."""
        self.model: Any = model
        self._dataset = dataset
        self._feed = ClipFeed(dataset, device)
        self._clips = max(1, batch // dataset.length)
        self.frames_per_step = self._clips * dataset.length
        self._shown = np.linspace(0, len(dataset) - 1, SHEET_FRAMES).astype(np.int64)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw clips; see :class:`playground.training.stages.base.Stage`."""
        return self._feed.batch(self._dataset.sample_starts(self._clips, rng))

    def loss(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator, progress: float
    ) -> dict[str, torch.Tensor]:
        """Reconstruction loss of the model."""
        losses: dict[str, torch.Tensor] = self.model.loss(self._feed.frames(batch), generator)
        return losses

    def after_step(self) -> dict[str, float]:
        """Nothing to keep up."""
        return {}

    def inspect(self, model: Component) -> tuple[np.ndarray | None, dict[str, float]]:
        """Truth over reconstruction, and the PSNR of undisturbed reconstructions."""
        tokenizer = cast(VideoTokenizer, model)
        clips = self._dataset.clips(self._dataset.starts_W[self._shown])
        truth_THWC = clips.frames_BTHWC[:, 0]
        device = next(model.parameters()).device
        frames = torch.from_numpy(truth_THWC)[:, None].to(device)
        made_THWC = tokenizer.decode(tokenizer.encode(frames))[:, 0].cpu().numpy()
        error = float(np.square(truth_THWC.astype(np.float64) - made_THWC).mean())
        psnr = 10 * np.log10(255**2 / max(error, 1e-6))
        return contact_sheet([truth_THWC, made_THWC]), {"sheet_psnr": float(psnr)}

    def alarms(self, metrics: dict[str, float]) -> list[str]:
        """A discrete tokenizer that uses few of its codes is reported."""
        used = metrics.get("codes_used")
        return [f"only {used:.0%} of the codes are used"] if used is not None and used < 0.1 else []
