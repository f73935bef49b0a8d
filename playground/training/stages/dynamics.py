"""Stage three: the next frame's latents from the past and an action."""

from __future__ import annotations

import copy
from typing import Any, cast

import numpy as np
import torch

from playground.core.component import Component
from playground.core.interfaces import DynamicsModel
from playground.data.dataset import ClipDataset
from playground.evaluation.outcomes import judged_starts, score_outcomes, tell_outcomes
from playground.evaluation.quick import Parts, quick_rollouts, quick_score
from playground.training.alarms import control_alarms
from playground.training.prompts import PromptTable
from playground.training.resident import fits, upload
from playground.training.sheets import contact_sheet

SCORE_CLIPS = 16
"""Clips that score a checkpoint; with four, chance decided."""

JUDGED_CLIPS = 32
"""Clips that tell how well rewards and ends are known."""

SHEET_CLIPS = 4
PROMPT_FRAMES = 2


class DynamicsStage:
    """Trains dynamics on windows of latents (or tokens) that never cross an episode."""

    name = "dynamics"

    def __init__(
        self,
        model: Component,
        tokenizer: Component,
        dataset: ClipDataset,
        codes: np.ndarray,
        actions_T: np.ndarray,
        prompts: PromptTable | None,
        batch: int,
        device: str,
        outcomes_T2: np.ndarray | None = None,
        continued: bool = False,
    ) -> None:
        """Take what :mod:`playground.training.encode` made.

        Args:
            model: what is trained.
            tokenizer: shows latents as frames.
            dataset: windows; its frame numbers index ``codes`` and ``actions_T``.
            codes: (frames, N, C) latents or (frames, N) tokens.
            actions_T: action that produced each frame, -1 where not known.
            prompts: embeddings of the dataset's captions, or None.
            batch: windows in a batch.
            device: where training runs; the codes are kept there if they fit.
            outcomes_T2: reward and end that came with each frame, for a model with ``outcomes``.
            continued: the model was trained before, so that it is past its first half from the start.
        """
        self.model: Any = model
        self._tokenizer: Any = copy.deepcopy(tokenizer).cpu()
        self._dataset, self._codes, self._batch = dataset, codes, batch
        self._actions_T = np.where(actions_T < 0, cast(DynamicsModel, model).num_actions, actions_T)
        self._prompts, self._outcomes_T2, self._continued = prompts, outcomes_T2, continued
        self.frames_per_step = batch * dataset.length
        self._resident = upload([codes], device) if fits(codes.nbytes, device) else None
        clips = np.linspace(0, len(dataset) - 1, SCORE_CLIPS + 2).astype(np.int64)[1:-1]
        self._shown = dataset.starts_W[clips]
        self._judged = None if outcomes_T2 is None else judged_starts(dataset, outcomes_T2, JUDGED_CLIPS)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw windows: codes, actions and prompts; only places when the codes are on the GPU already."""
        frame_BT = self._dataset.sample_starts(self._batch, rng)[:, None] + np.arange(self._dataset.length)
        batch = {"actions_BT": self._actions_T[frame_BT]}
        if self._resident is None:
            batch["codes"] = self._codes[frame_BT]
        else:
            batch["frame_BT"] = frame_BT
        if self._prompts is not None:
            batch["prompts_BTP"] = self._prompts.draw(self._dataset.caption_ids_T[frame_BT], rng)
        if self._outcomes_T2 is not None:
            batch["outcomes_BT2"] = self._outcomes_T2[frame_BT]
        return batch

    def loss(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator, progress: float
    ) -> dict[str, torch.Tensor]:
        """Loss of the model."""
        progress = 0.5 + progress / 2 if self._continued else progress
        codes = batch["codes"] if self._resident is None else self._resident[batch["frame_BT"]]
        codes = codes.long() if self.model.discrete else codes.float()
        # Models that know nothing of outcomes need not take them.
        outcomes = {} if self._outcomes_T2 is None else {"outcomes_BT2": batch["outcomes_BT2"]}
        losses: dict[str, torch.Tensor] = self.model.loss(
            codes, batch["actions_BT"], batch.get("prompts_BTP"), generator, progress=progress, **outcomes
        )
        return losses

    def after_step(self) -> dict[str, float]:
        """Nothing to keep up."""
        return {}

    def inspect(self, model: Component) -> tuple[np.ndarray | None, dict[str, float]]:
        """Truth, rollout under its actions and under shuffled ones, and the numbers that choose the checkpoint."""
        # Memory of a world lives on the CPU, and a few frames do not need more.
        runner: Any = copy.deepcopy(model).cpu()
        frame_BT = self._shown[:, None] + np.arange(self._dataset.length)
        frames_BTHWC = self._dataset.clips(self._shown).frames_BTHWC
        ids_B = self._dataset.caption_ids_T[self._shown + PROMPT_FRAMES]
        prompts_BP = None if self._prompts is None else self._prompts.plain(ids_B)
        played = quick_rollouts(
            Parts(self._tokenizer, runner), frames_BTHWC, self._actions_T[frame_BT], prompts_BP, PROMPT_FRAMES
        )
        given = frames_BTHWC[:, :PROMPT_FRAMES]
        rows = [
            np.concatenate((given[clip], made[clip]))
            for clip in range(0, len(given), max(1, len(given) // SHEET_CLIPS))
            for made in (played.truth_BTHWC, played.arms["true"], played.arms["shuffled"])
        ]
        return contact_sheet(rows), {**quick_score(played), **self._outcome_metrics(runner)}

    def alarms(self, metrics: dict[str, float]) -> list[str]:
        """Actions that change nothing."""
        return control_alarms(metrics)

    def _outcome_metrics(self, runner: Any) -> dict[str, float]:
        if self._outcomes_T2 is None or self._judged is None:
            return {}
        frame_BT = self._judged[:, None] + np.arange(self._dataset.length)
        codes = torch.from_numpy(self._codes[frame_BT])
        prompts = None
        if self._prompts is not None:
            prompts = torch.from_numpy(self._prompts.plain(self._dataset.caption_ids_T[frame_BT]))
        codes = codes.long() if runner.discrete else codes.float()
        actions_BT = torch.from_numpy(self._actions_T[frame_BT])
        return score_outcomes(tell_outcomes(runner, codes, actions_BT, prompts), self._outcomes_T2[frame_BT])
