"""Stage five: which latent action a player means by the name of an action, where the data has recorded actions."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from playground.core.component import Component
from playground.data.dataset import ClipDataset

SCORE_CLIPS = 4096


class IntentStage:
    """Trains an intent model on two frames' latents, the codes that led to them, and the actions that follow."""

    name = "intents"

    def __init__(
        self, model: Component, dataset: ClipDataset, latents: np.ndarray, actions_T: np.ndarray, batch: int
    ) -> None:
        """Take what :mod:`playground.training.encode` made.

        Args:
            model: what is trained; its names are those of the dataset's actions.
            dataset: clips of three frames, or two more than the model reads past actions; its frame numbers index
                ``latents`` and ``actions_T``.
            latents: (frames, N, C).
            actions_T: latent action that produced each frame, -1 where not known.
            batch: clips in a batch.
        """
        self.model: Any = model
        self._dataset, self._latents, self._actions_T = dataset, latents, actions_T
        self.frames_per_step = batch
        self._next = dataset.length - 1
        known_W = dataset.starts_W[dataset.actions_T[dataset.starts_W + self._next] >= 0]
        self._judged = known_W[np.linspace(0, len(known_W) - 1, min(SCORE_CLIPS, len(known_W))).astype(np.int64)]

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw two neighbouring frames, and what was asked for and came next."""
        return self._batch(self._dataset.sample_starts(self.frames_per_step, rng))

    def loss(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator, progress: float
    ) -> dict[str, torch.Tensor]:
        """Loss of the model."""
        losses: dict[str, torch.Tensor] = self.model.loss(
            *_frames(batch), batch["heard_BH"], batch["names_B"], batch["actions_B"], generator
        )
        return losses

    def after_step(self) -> dict[str, float]:
        """Nothing to keep up."""
        return {}

    def inspect(self, model: Component) -> tuple[np.ndarray | None, dict[str, float]]:
        """How often the code that came next is guessed with the name of the action, and without it."""
        runner: Any = copy.deepcopy(model).cpu()
        batch = {name: torch.from_numpy(np.asarray(array)) for name, array in self._batch(self._judged).items()}
        found = {}
        for key, names_B in (("named", batch["names_B"]), ("unnamed", torch.full_like(batch["names_B"], -1))):
            shown = names_B.masked_fill(names_B < 0, len(runner.names))
            guessed = runner(*_frames(batch), batch["heard_BH"], shown).argmax(dim=-1)
            found[key] = float((guessed == batch["actions_B"]).float().mean())
        return None, {"score": 100 * found["named"], **found}

    def alarms(self, metrics: dict[str, float]) -> list[str]:
        """Names that say nothing about what comes."""
        if metrics.get("named", 1.0) < metrics.get("unnamed", 0.0):
            return ["the recorded actions do not help to tell what comes next; are they those of these frames?"]
        return []

    def _batch(self, start_B: np.ndarray) -> dict[str, np.ndarray]:
        next_B = start_B + self._next
        return {
            "earlier": self._latents[next_B - 2],
            "latest": self._latents[next_B - 1],
            # Of the oldest frame of a clip the action belongs to the frame before it, which may be another episode's.
            "heard_BH": self._actions_T[start_B[:, None] + np.arange(1, self._next)],
            "names_B": self._dataset.actions_T[next_B],
            "actions_B": self._actions_T[next_B],
        }


def _frames(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return batch["earlier"].float(), batch["latest"].float()
