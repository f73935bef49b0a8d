"""The auxiliary label loss of the latent action model: how much a recorded action weighs in a batch."""

from __future__ import annotations

import pytest
import torch

from latent_actions.config import LatentActionConfig
from latent_actions.model import LatentActionModel
from playground.core.sampling import make_generator
from tests.contracts.cases import make_frames


@torch.no_grad()
def test_every_labelled_pair_counts_as_one_pair_of_the_batch() -> None:
    config = LatentActionConfig(frame_size=16, input_size=16, widths=(8, 16), num_labels=3, mirror=False)
    model = LatentActionModel(config).eval()
    frames = make_frames(16, batch=4, frames=2)

    def added_by(*pairs: int) -> float:
        labels_BT = torch.full((4, 2), -1)
        for row in pairs:
            labels_BT[row, 1] = row % 3
        told = model.loss(frames, make_generator(0), labels_BT)["loss"]
        return float(told - model.loss(frames, make_generator(0))["loss"])

    assert added_by(0) > 0
    # One label among many unlabelled pairs must not weigh as much as a batch that is labelled throughout.
    assert added_by(0, 1, 2, 3) == pytest.approx(sum(added_by(row) for row in range(4)), rel=1e-4)
    assert added_by() == pytest.approx(0.0, abs=1e-6)
