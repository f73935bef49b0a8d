"""The label-free latent action model.

An encoder looks at two neighbouring frames and picks one of a few codes; a decoder must redraw the second frame from
the first one and the code alone (Genie, Bruce et al. 2024). With so few codes the decoder can only do well if a code
says what moved and how. Pixels go in, not latents: Genie found pixels to control better.

Legend: B batch, T frames, H W pixels, C channels, A codes, D code channels.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from latent_actions.codebook import Codebook
from latent_actions.config import LatentActionConfig
from playground.core.component import Component, split_rows
from playground.core.errors import PlaygroundError
from playground.core.nn.blocks import ConvBlock, conv_down, conv_up, to_pixels
from playground.core.registry import LATENT_ACTION_MODELS

STILL = 1e-3
"""Mean squared change, in pixels of [-1, 1], below which a pair counts as standing still."""

SPLIT = 0.1
"""How far the parts of a split code start from it, for codes of length 1."""

REACH = 4.0
"""Unit of a code's motion, in pixels of ``input_size``: about as far as a picture moves in one frame."""


class PairEncoder(nn.Module):
    """Two frames to one vector: (B, 6, H, W) to (B, D)."""

    def __init__(self, config: LatentActionConfig, channels: int) -> None:
        """Args: config; channels of the vector."""
        super().__init__()
        side = config.input_size >> len(config.widths)
        self.down = conv_down(config.widths, channels_in=6)
        self.out = nn.Linear(config.widths[-1] * side * side, channels)

    def forward(self, pairs_BCHW: Tensor) -> Tensor:
        """Encode pairs, the earlier frame in the first three channels."""
        return self.out(F.silu(self.down(pairs_BCHW)).flatten(1))


class PairDecoder(nn.Module):
    """The earlier frame and a code vector to the later frame: its pixels moved, then touched up.

    Most of what a player causes is motion. Drawing motion with convolutions alone takes long to learn, and slow motion
    (a walk of one pixel) is learned last; moving pixels by a flow makes it as easy as a fast one.
    """

    def __init__(self, config: LatentActionConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__()
        widths = config.widths[:2]
        self.down = conv_down(widths, channels_in=3)
        self.code = nn.Linear(config.code_channels, 2 * widths[-1])
        self.blocks = nn.Sequential(*[ConvBlock(widths[-1]) for _ in range(config.blocks)])
        self.up = conv_up(tuple(reversed(widths)))
        self.flow = nn.Conv2d(widths[-1], 2, 1)
        self.motion = nn.Linear(config.code_channels, 6)
        for parameter in self.flow.parameters():
            nn.init.zeros_(parameter)

    def forward(self, before_BCHW: Tensor, code_BD: Tensor) -> Tensor:
        """(B, 3, H, W) and (B, D) to (B, 3, H, W)."""
        scale, shift = self.code(code_BD)[:, :, None, None].chunk(2, dim=1)
        features = self.blocks(self.down(before_BCHW) * (1 + scale) + shift)
        # One motion for the whole picture, which a code alone decides, and a change to it from place to place.
        flow_B2HW = self.flow(features) + REACH * affine_flow(self.motion(code_BD), features.shape[-2:])
        return move_pixels(before_BCHW, flow_B2HW) + self.up(features)


def affine_flow(motion_B6: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """A motion of the whole picture at every place: (B, 6) to (B, 2, H, W), right and down.

    Cameras and vehicles turn (rotation) and go forward (zoom), which no shift can say and which convolutions cannot
    either, since they do not know where in the picture they are.

    Args:
        motion_B6: for right, then for down: the motion in the middle, and how it grows to the right and the lower edge.
        size: H and W.
    """
    down, right = (torch.linspace(-1, 1, side, device=motion_B6.device) for side in size)
    at_HW3 = torch.stack((torch.ones(*size, device=motion_B6.device), *torch.meshgrid(right, down, indexing="xy")), -1)
    return torch.einsum("hwk,bdk->bdhw", at_HW3, rearrange(motion_B6, "b (d k) -> b d k", d=2))


def move_pixels(pixels_BCHW: Tensor, flow_B2HW: Tensor) -> Tensor:
    """Sample every pixel from where the flow points (backward warping); beyond the border the border repeats.

    Args:
        pixels_BCHW: pictures.
        flow_B2HW: right and down offset in pixels, at any resolution; enlarged smoothly.
    """
    height, width = pixels_BCHW.shape[-2:]
    flow = F.interpolate(flow_B2HW.float(), size=(height, width), mode="bilinear", align_corners=False)
    rows = (torch.arange(height, device=flow.device) * 2 + 1) / height - 1
    columns = (torch.arange(width, device=flow.device) * 2 + 1) / width - 1
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    offset = torch.stack((flow[:, 0] * 2 / width, flow[:, 1] * 2 / height), dim=-1)
    return F.grid_sample(pixels_BCHW.float(), here + offset, padding_mode="border", align_corners=False)


@LATENT_ACTION_MODELS.register("latent")
class LatentActionModel(Component):
    """Frames to codes, learned without labels."""

    Config: ClassVar[type] = LatentActionConfig
    type_name: ClassVar[str] = "latent"

    def __init__(self, config: LatentActionConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__(config)
        self.num_actions = config.num_actions
        self.encoder = PairEncoder(config, config.code_channels)
        self.codebook = Codebook(config.num_actions, config.code_channels, config.reseed_after)
        self.decoder = PairDecoder(config)
        self.labels = nn.Linear(config.code_channels, config.num_labels) if config.num_labels else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs

    def grown_from(self, smaller: dict[str, Tensor]) -> dict[str, Tensor]:
        """Codes are split as a codebook grows in Linde, Buzo and Gray (1980): copies, a little apart."""
        name, fresh_AD = "codebook.vectors_AD", self.codebook.vectors_AD.detach()
        split_AD = split_rows(F.normalize(smaller[name], dim=-1), self.num_actions)
        vectors_AD = F.normalize(split_AD + SPLIT * fresh_AD, dim=-1)
        return {**smaller, name: vectors_AD, "codebook.idle_A": torch.zeros(self.num_actions)}

    def infer(self, frames_BTHWC: Tensor) -> Tensor:
        """Latent actions (B, T) int64; entry t produced frame t, entry 0 is ``num_actions`` (unknown)."""
        batch, frames = frames_BTHWC.shape[:2]
        actions_BT = torch.full((batch, frames), self.num_actions, device=frames_BTHWC.device)
        if frames > 1:
            pairs = self.pairs(frames_BTHWC)
            ids = self.codebook.similarity(self.encoder(pairs)).argmax(dim=-1)
            actions_BT[:, 1:] = rearrange(ids, "(b t) -> b t", b=batch)
        return actions_BT

    def loss(
        self, frames_BTHWC: Tensor, generator: torch.Generator, labels_BT: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Redrawing loss, codebook terms and, where labels are given, the auxiliary label loss.

        Args:
            frames_BTHWC: uint8 clips of at least two frames.
            generator: decides which pairs are mirrored.
            labels_BT: known action that produced each frame, -1 where unknown; labelled pairs are never mirrored.

        Returns:
            ``loss``; ``copy_ratio``, the redrawing error over the error of repeating the frame; ``explained``, the
            mean share of a pair's change that the code accounts for; ``codes_used`` in this batch.
        """
        pairs = self.pairs(frames_BTHWC)
        if self.config.mirror:
            pairs = self._mirrored(pairs, generator, labels_BT)
        before, after = pairs[:, :3], pairs[:, 3:]
        features = self.encoder(pairs)
        vectors, ids, codebook_loss, commitment_loss = self.codebook(features)
        error_B, still_B = self._errors(before, after, vectors)
        # Each pair counts by the share of its change that is explained: a slow walk matters as much as a fast fall,
        # otherwise all codes go to whatever moves the most pixels.
        explained = (error_B / (still_B + STILL)).mean()
        loss = explained + codebook_loss + self.config.commitment * commitment_loss
        if self.labels is not None and labels_BT is not None:
            wanted = rearrange(labels_BT[:, 1:], "b t -> (b t)")
            unit = F.normalize(features.float(), dim=-1) * 4.0
            # A mean over the labelled pairs alone would let a single one outweigh the rest of the batch.
            missed = F.cross_entropy(self.labels(unit), wanted, ignore_index=-1, reduction="sum") / len(wanted)
            loss = loss + self.config.label_weight * missed
        return {
            "loss": loss,
            "copy_ratio": (error_B.sum() / still_B.sum().clamp_min(1e-6)).detach(),
            "explained": 1 - explained.detach(),
            "codes_used": torch.unique(ids).numel() * torch.ones(()),
        }

    def explained(self, frames_BTHWC: Tensor, actions_BT: Tensor) -> float:
        """Mean share of a pair's change that the decoder redraws from the given latent actions, entry 0 unused.

        Codes that mean something explain more than the same codes in another order.
        """
        pairs, vectors = self.pairs(frames_BTHWC), F.normalize(self.codebook.vectors_AD, dim=-1)
        chosen = vectors[rearrange(actions_BT[:, 1:], "b t -> (b t)")]
        error_B, still_B = self._errors(pairs[:, :3], pairs[:, 3:], chosen)
        return 1 - float((error_B / (still_B + STILL)).mean())

    def after_step(self) -> int:
        """Re-seed codes that nobody uses; returns how many were moved."""
        return self.codebook.reseed()

    def _errors(self, before_BCHW: Tensor, after_BCHW: Tensor, code_BD: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared errors (B,) of redrawing each later frame, and of repeating the earlier one."""
        redrawn = self.decoder(before_BCHW, code_BD)
        error_B, still_B = ((frame - after_BCHW).square().mean(dim=(1, 2, 3)) for frame in (redrawn, before_BCHW))
        return error_B, still_B

    def _mirrored(self, pairs_BCHW: Tensor, generator: torch.Generator, labels_BT: Tensor | None) -> Tensor:
        chance_B = torch.rand(pairs_BCHW.shape[0], generator=generator, device=pairs_BCHW.device)
        if labels_BT is not None:
            chance_B = chance_B.masked_fill(rearrange(labels_BT[:, 1:], "b t -> (b t)") >= 0, 1.0)
        return torch.where(chance_B[:, None, None, None] < 0.5, pairs_BCHW.flip(-1), pairs_BCHW)

    def pairs(self: Component, frames_BTHWC: Tensor) -> Tensor:
        """Neighbouring frames (B*(T-1), 6, h, w) in [-1, 1] at the model's input size.

        Raises:
            PlaygroundError: the frames have another size than the model.
        """
        if frames_BTHWC.shape[2] != self.config.frame_size:
            raise PlaygroundError(
                f"frames of {frames_BTHWC.shape[2]} px given to a latent action model for"
                f" {self.config.frame_size} px; resize them first"
            )
        pixels = to_pixels(frames_BTHWC)
        pixels = F.avg_pool2d(pixels, self.config.frame_size // self.config.input_size)
        clips = rearrange(pixels, "(b t) c h w -> b t c h w", b=frames_BTHWC.shape[0])
        pairs = torch.cat((clips[:, :-1], clips[:, 1:]), dim=2)
        return rearrange(pairs, "b t c h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
