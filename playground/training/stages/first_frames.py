"""Stage four: first frames, from words where the data has captions."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from playground.core.component import Component
from playground.core.sampling import make_generator
from playground.data.dataset import ClipDataset
from playground.training.prompts import PromptTable
from playground.training.resident import fits, upload
from playground.training.sheets import contact_sheet

GUIDANCE = 8.0
"""How much a drawing follows its text (see ``sampling.guidance`` of a world)."""

CORRECT_EVERY = 4
"""Every such frame of a world that is packed is corrected (see ``sampling.correct_every``)."""

CORRECTED_PASSES = 2
"""Passes a frame in such a world (see ``sampling.steps``): with corrections two look like the four that a dynamics
learns finest, for half of the time."""

SCORE_FRAMES = 256
SHEET_CAPTIONS = 8
SHEET_SEEDS = 3


class FirstFrameStage:
    """Trains a first frame model on the latents of single frames, each with its caption."""

    name = "first-frames"

    def __init__(
        self,
        model: Component,
        tokenizer: Component,
        dataset: ClipDataset,
        latents: np.ndarray,
        prompts: PromptTable | None,
        batch: int,
        device: str,
    ) -> None:
        """Take what :mod:`playground.training.encode` made.

        Args:
            model: what is trained.
            tokenizer: shows latents as frames.
            dataset: clips of one frame; its frame numbers index ``latents``.
            latents: (frames, N, C).
            prompts: embeddings of the dataset's captions, or None.
            batch: frames in a batch.
            device: where training runs; the latents are kept there if they fit.
        """
        self.model: Any = model
        self._tokenizer: Any = copy.deepcopy(tokenizer).cpu()
        self._dataset, self._latents, self._prompts = dataset, latents, prompts
        self.frames_per_step = batch
        self._resident = upload([latents], device) if fits(latents.nbytes, device) else None
        starts_W = dataset.starts_W
        told_W = starts_W if prompts is None else starts_W[dataset.caption_ids_T[starts_W] >= 0]
        self._judged = told_W[np.linspace(0, len(told_W) - 1, SCORE_FRAMES).astype(np.int64)]
        self._shown = self._judged[:: SCORE_FRAMES // SHEET_CAPTIONS]

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw frames with one wording each of their captions; only places when the latents are on the GPU already."""
        frame_B = self._dataset.sample_starts(self.frames_per_step, rng)
        caption_B = self._dataset.caption_ids_T[frame_B]
        batch = {"prompt_BP": np.zeros((len(frame_B), 0), np.float32), "caption_B": caption_B}
        if self._prompts is not None:
            batch["prompt_BP"] = self._prompts.draw(caption_B[:, None], rng)[:, 0]
        if self._resident is None:
            batch["latents"] = self._latents[frame_B]
        else:
            batch["frame_B"] = frame_B
        return batch

    def loss(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator, progress: float
    ) -> dict[str, torch.Tensor]:
        """Loss of the model."""
        latents = batch["latents"] if self._resident is None else self._resident[batch["frame_B"]]
        losses: dict[str, torch.Tensor] = self.model.loss(
            latents.float(), batch["prompt_BP"], generator, batch["caption_B"]
        )
        return losses

    def after_step(self) -> dict[str, float]:
        """Nothing to keep up."""
        return {}

    def inspect(self, model: Component) -> tuple[np.ndarray | None, dict[str, float]]:
        """One row a caption: a real frame, then drawings; and how well the same noisy frames are cleaned."""
        runner: Any = copy.deepcopy(model).cpu()
        latents = torch.from_numpy(np.asarray(self._latents[self._judged], np.float32))
        caption_B = torch.from_numpy(self._dataset.caption_ids_T[self._judged])
        found = runner.loss(latents, self._told(self._judged), make_generator(0), caption_B)
        rows = [self._row(runner, int(frame)) for frame in self._shown]
        return contact_sheet(rows), {"score": 100 * float(found["explained"]), "judged_loss": float(found["loss"])}

    def alarms(self, metrics: dict[str, float]) -> list[str]:
        """Nothing goes wrong here that the sheet does not show better."""
        return []

    def _told(self, frame_B: np.ndarray) -> torch.Tensor:
        """Embedded captions (B, P) of some frames."""
        if self._prompts is None:
            return torch.zeros(len(frame_B), 0)
        return torch.from_numpy(self._prompts.plain(self._dataset.caption_ids_T[frame_B]))

    def _row(self, model: Any, frame: int) -> np.ndarray:
        generators = [make_generator(seed) for seed in range(SHEET_SEEDS)]
        drawn = model.draw(self._told(np.array([frame] * SHEET_SEEDS)), generators, GUIDANCE)
        real = np.asarray(self._dataset.frames(frame, frame + 1))
        return np.concatenate((real, self._tokenizer.decode(drawn[:, None])[:, 0].numpy()))
