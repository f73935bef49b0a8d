"""The tokenizer: a convolutional stem with a small transformer on the grid, a bottleneck, a slim decoder.

Early convolutions instead of one large patch projection learn far faster per CPU second (a patch-8 transformer of
twice the size stayed 4 dB behind in the same time). Every frame is encoded and decoded on its own, so one generated
frame can be shown without its past.

Legend: B batch, T frames, H W pixels, C channels, N latents, D width.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from playground.core.component import Component
from playground.core.errors import PlaygroundError
from playground.core.nn.blocks import SpaceBlock, conv_down, conv_up, to_frames, to_pixels
from playground.core.registry import TOKENIZERS
from tokenizer.bottlenecks import ContinuousBottleneck, FsqBottleneck
from tokenizer.config import TokenizerConfig

_DETAIL_SHARE = 0.02
"""Share of a frame's pixels, the worst ones, that ``detail_weight`` counts once more."""


@TOKENIZERS.register("autoencoder")
class AutoencoderTokenizer(Component):
    """Frames (B, T, H, W, 3) to latents (B, T, N, C) and back."""

    Config: ClassVar[type] = TokenizerConfig
    type_name: ClassVar[str] = "autoencoder"

    def __init__(self, config: TokenizerConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__(config)
        self.frame_size = config.frame_size
        self.grid = config.grid
        self.tokens_per_frame = config.grid**2
        width = config.encoder_widths[-1]
        self.bottleneck: ContinuousBottleneck | FsqBottleneck
        if config.bottleneck == "fsq":
            self.bottleneck = FsqBottleneck(config.levels)
        else:
            self.bottleneck = ContinuousBottleneck(config.channels)
        self.latent_channels = self.bottleneck.channels
        self.codebook_size = self.bottleneck.codebook_size
        self.encoder = conv_down(config.encoder_widths, blocks=config.blocks)
        self.position_ND = nn.Parameter(torch.randn(self.tokens_per_frame, width) * 0.02)
        self.encoder_blocks = nn.Sequential(*[SpaceBlock(width) for _ in range(config.encoder_depth)])
        self.to_latent = nn.Linear(width, self.latent_channels)
        self.from_latent = nn.Conv2d(self.latent_channels, config.decoder_widths[0], 3, padding=1)
        self.decoder = conv_up(config.decoder_widths, blocks=config.blocks, finest_blocks=config.finest_blocks)
        # Convolutions run faster on a CPU so.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs

    def grown_from(self, smaller: dict[str, Tensor]) -> dict[str, Tensor]:
        """Further blocks at the finest level come last, so only the convolution behind them has a new number."""
        numbers = [int(name.split(".")[1]) for name in smaller if name.startswith("decoder.")]
        earlier, now = f"decoder.{max(numbers)}.", f"decoder.{len(self.decoder) - 2}."
        return {now + name[len(earlier) :] if name.startswith(earlier) else name: w for name, w in smaller.items()}

    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """Uint8 frames to latents (B, T, N, C), float32 in [-1, 1].

        Raises:
            PlaygroundError: the frames have another size than the tokenizer.
        """
        if tuple(frames_BTHWC.shape[2:]) != (self.frame_size, self.frame_size, 3):
            raise PlaygroundError(
                f"frames of {tuple(frames_BTHWC.shape[2:])} given to a tokenizer for"
                f" {self.frame_size} x {self.frame_size} x 3; resize them first"
            )
        latents = self._encode_pixels(to_pixels(frames_BTHWC)).float()
        return rearrange(latents, "(b t) n c -> b t n c", b=frames_BTHWC.shape[0])

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """Latents (B, T, N, C) to uint8 frames (B, T, H, W, 3)."""
        pixels = self.decode_pixels(rearrange(latents_BTNC, "b t n c -> (b t) n c"))
        return to_frames(pixels, latents_BTNC.shape[0])

    def quantize(self, latents_BTNC: Tensor) -> Tensor:
        """Latents to token ids (B, T, N) int64; only with the ``fsq`` bottleneck."""
        return self._fsq().quantize(latents_BTNC)

    def dequantize(self, tokens_BTN: Tensor) -> Tensor:
        """Token ids (B, T, N) to latents (B, T, N, C); only with the ``fsq`` bottleneck."""
        return self._fsq().dequantize(tokens_BTN)

    def decode_pixels(self, latents_BNC: Tensor) -> Tensor:
        """The decoder network alone, for engines: (B, N, C) to pixels (B, 3, H, W) around [-1, 1]."""
        grid = rearrange(latents_BNC, "b (h w) c -> b c h w", h=self.grid)
        return self.decoder(self.from_latent(grid.contiguous(memory_format=torch.channels_last)))

    def loss(self, frames_BTHWC: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Reconstruction loss with latents disturbed as dynamics would disturb them.

        Args:
            frames_BTHWC: uint8.
            generator: source of the disturbance.

        Returns:
            ``loss`` to minimise, and ``psnr`` in dB of the disturbed reconstruction.
        """
        pixels = to_pixels(frames_BTHWC)
        latents = self._disturb(self._encode_pixels(pixels), generator)
        error = self.decode_pixels(latents).float() - pixels
        squared_BCHW = error.square()
        squared = squared_BCHW.mean()
        loss = squared + self.config.l1_weight * error.abs().mean()
        if self.config.detail_weight > 0:
            worst = squared_BCHW.mean(dim=1).flatten(1)
            count = math.ceil(_DETAIL_SHARE * worst.shape[1])
            loss = loss + self.config.detail_weight * worst.topk(count, dim=1).values.mean()
        return {"loss": loss, "psnr": -10 * torch.log10(squared.detach() / 4 + 1e-12)}

    def _encode_pixels(self, pixels_BCHW: Tensor) -> Tensor:
        features = rearrange(self.encoder(pixels_BCHW), "b d h w -> b (h w) d")
        features = self.encoder_blocks(features + self.position_ND.to(features.dtype))
        return self.bottleneck(self.to_latent(features))

    def _disturb(self, latents_BNC: Tensor, generator: torch.Generator) -> Tensor:
        batch, tokens, _ = latents_BNC.shape
        device = generator.device
        if self.config.latent_noise > 0:
            scale = torch.rand(batch, 1, 1, generator=generator, device=device) * self.config.latent_noise
            noise = torch.randn(latents_BNC.shape, generator=generator, device=device)
            latents_BNC = latents_BNC + (scale * noise).to(latents_BNC)
        if self.config.latent_mask > 0:
            share = torch.rand(batch, 1, 1, generator=generator, device=device) * self.config.latent_mask
            kept = torch.rand(batch, tokens, 1, generator=generator, device=device) >= share
            latents_BNC = latents_BNC * kept.to(latents_BNC)
        return latents_BNC

    def _fsq(self) -> FsqBottleneck:
        if not isinstance(self.bottleneck, FsqBottleneck):
            raise PlaygroundError("this tokenizer is continuous and has no tokens; train it with bottleneck = 'fsq'")
        return self.bottleneck
