"""The labelled variant: the same encoder trained to name the known action, for data that has labels throughout."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from latent_actions.config import LatentActionConfig
from latent_actions.model import LatentActionModel, PairEncoder
from playground.core.component import Component
from playground.core.errors import PlaygroundError
from playground.core.registry import LATENT_ACTION_MODELS


@LATENT_ACTION_MODELS.register("labelled")
class LabelledActionModel(Component):
    """Frames to known actions; an inverse-dynamics model with the interface of the label-free one."""

    Config: ClassVar[type] = LatentActionConfig
    type_name: ClassVar[str] = "labelled"
    pairs = LatentActionModel.pairs

    def __init__(self, config: LatentActionConfig) -> None:
        """Build the layers that ``config`` describes; ``num_actions`` is the number of labels."""
        super().__init__(config)
        self.num_actions = config.num_actions
        self.encoder = PairEncoder(config, config.num_actions)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs

    def infer(self, frames_BTHWC: Tensor) -> Tensor:
        """Most likely actions (B, T) int64; entry t produced frame t, entry 0 is ``num_actions`` (unknown)."""
        batch, frames = frames_BTHWC.shape[:2]
        actions_BT = torch.full((batch, frames), self.num_actions, device=frames_BTHWC.device)
        if frames > 1:
            ids = self.encoder(self.pairs(frames_BTHWC)).argmax(dim=-1)
            actions_BT[:, 1:] = rearrange(ids, "(b t) -> b t", b=batch)
        return actions_BT

    def loss(
        self, frames_BTHWC: Tensor, generator: torch.Generator, labels_BT: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Cross entropy against the labels.

        Args:
            frames_BTHWC: uint8 clips of at least two frames.
            generator: not used; part of the interface.
            labels_BT: action that produced each frame, -1 where unknown.

        Raises:
            PlaygroundError: no labels, which this variant cannot do without.
        """
        if labels_BT is None or not bool((labels_BT[:, 1:] >= 0).any()):
            raise PlaygroundError("the labelled action model needs action labels; use type 'latent' for plain video")
        wanted = rearrange(labels_BT[:, 1:], "b t -> (b t)")
        logits = self.encoder(self.pairs(frames_BTHWC))
        known = wanted >= 0
        accuracy = (logits.argmax(dim=-1) == wanted)[known].float().mean()
        return {"loss": F.cross_entropy(logits, wanted, ignore_index=-1), "accuracy": accuracy}

    def after_step(self) -> int:
        """Nothing to re-seed."""
        return 0
