"""Stage two: which of a few codes turned the frame before into this one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from playground.core.component import Component
from playground.data.dataset import ClipDataset
from playground.training.alarms import code_alarms, code_metrics
from playground.training.resident import ClipFeed
from playground.training.sheets import contact_sheet

SAMPLE_PAIRS = 512
SHEET_PAIRS = 4


class LatentActionStage:
    """Trains a latent action model on short clips, with recorded actions for some of them if wanted."""

    name = "latent-actions"

    def __init__(
        self, model: Component, dataset: ClipDataset, batch: int, label_share: float, device: str = "cpu"
    ) -> None:
        """Take the model, clips of two or more frames, clips in a batch, the share of clips with labels, and a device.

        Which clips have labels depends on their place in the data alone, so the others' labels are never
        seen.
        """
        self.model: Any = model
        self._dataset, self._batch = dataset, batch
        self._feed = ClipFeed(dataset, device)
        self._label_share = label_share
        self.frames_per_step = batch * dataset.length
        count = min(SAMPLE_PAIRS, len(dataset))
        self._looked_at = dataset.starts_W[np.linspace(0, len(dataset) - 1, count).astype(np.int64)]

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw clips, and labels where they may be seen."""
        starts_B = self._dataset.sample_starts(self._batch, rng)
        batch = self._feed.batch(starts_B)
        if self._label_share > 0:
            # A multiplicative hash spreads the labelled clips evenly over the data.
            place = (starts_B.astype(np.uint64) * np.uint64(2654435761)) % np.uint64(1 << 32)
            shown_B = place < self._label_share * (1 << 32)
            frame_BT = starts_B[:, None] + np.arange(self._dataset.length)
            batch["labels_BT"] = np.where(shown_B[:, None], self._dataset.actions_T[frame_BT], -1)
        return batch

    def loss(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator, progress: float
    ) -> dict[str, torch.Tensor]:
        """Loss of the model."""
        losses: dict[str, torch.Tensor] = self.model.loss(
            self._feed.frames(batch), generator, labels_BT=batch.get("labels_BT")
        )
        return losses

    def after_step(self) -> dict[str, float]:
        """Give dead codes another start."""
        if not hasattr(self.model, "after_step"):
            return {}
        return {"reseeded": float(self.model.after_step() or 0)}

    def inspect(self, model: Component) -> tuple[np.ndarray | None, dict[str, float]]:
        """Pairs sorted by code, one row a code; how codes are used and agree with the recorded actions."""
        clips = self._dataset.clips(self._looked_at)
        codes = infer_codes(model, clips.frames_BTHWC[:, -2:])
        labels, count = clips.actions_BT[:, -1], self.model.num_actions
        metrics = code_metrics(codes, count) | explained(model, clips.frames_BTHWC[:, -2:], codes)
        if (labels >= 0).any():
            metrics["label_purity"] = purity(codes[labels >= 0], labels[labels >= 0])
        return contact_sheet([self._row(clips.frames_BTHWC[:, -2:], codes == code) for code in range(count)]), metrics

    def alarms(self, metrics: dict[str, float]) -> list[str]:
        """Dead codes, or one code for everything."""
        return code_alarms(metrics, self.model.num_actions)

    def _row(self, pairs_BTHWC: np.ndarray, chosen_B: np.ndarray) -> np.ndarray:
        pairs = pairs_BTHWC[chosen_B]
        motion = np.abs(pairs[:, 1].astype(np.int16) - pairs[:, 0]).mean(axis=(1, 2, 3))
        pairs = pairs[np.argsort(-motion, kind="stable")[:SHEET_PAIRS]]
        empty = np.zeros((SHEET_PAIRS - len(pairs), *pairs.shape[1:]), np.uint8)
        return np.concatenate((pairs, empty)).reshape(-1, *pairs.shape[2:])


@torch.inference_mode()
def explained(model: Any, pairs_BTHWC: np.ndarray, codes_B: np.ndarray) -> dict[str, float]:
    """Share of the change of pairs (n, 2, H, W, 3) that their codes explain, and that shuffled codes do."""
    if not hasattr(model, "explained"):  # the labelled model redraws nothing
        return {}
    device = next(model.parameters()).device
    shuffled_B = np.random.default_rng(0).permutation(codes_B)
    frames = torch.from_numpy(np.ascontiguousarray(pairs_BTHWC)).to(device)
    shares = {}
    for name, mine_B in (("explained_codes", codes_B), ("explained_shuffled", shuffled_B)):
        actions_BT = torch.from_numpy(np.stack((mine_B, mine_B), axis=1)).to(device)
        shares[name] = model.explained(frames, actions_BT)
    return shares


@torch.inference_mode()
def infer_codes(model: Any, pairs_BTHWC: np.ndarray, batch: int = 128) -> np.ndarray:
    """Latent action (n,) int64 between the two frames of each pair (n, 2, H, W, 3)."""
    device = next(model.parameters()).device
    parts = []
    for low in range(0, len(pairs_BTHWC), batch):
        frames = torch.from_numpy(np.ascontiguousarray(pairs_BTHWC[low : low + batch])).to(device)
        parts.append(model.infer(frames)[:, 1].cpu().numpy())
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


def purity(codes: np.ndarray, labels: np.ndarray) -> float:
    """Share of frames whose recorded action is the most frequent one of their code."""
    hits = sum(int(np.bincount(labels[codes == code]).max()) for code in np.unique(codes))
    return hits / max(len(codes), 1)
