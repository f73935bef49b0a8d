"""First frames from words: a small diffusion transformer over the latents of single pictures.

A network that predicts the next frame never needs a text, since the picture before tells more; and a clip has only one
first frame to learn from. So first frames have a network of their own, which learns from every frame of every clip,
shares no weights with the one that plays, and is called once a world. It predicts the clean latents and is judged by
the direction from noise to picture (Li and He 2025); each layer is scaled, shifted and gated by noise level and text
(adaLN-Zero, Peebles and Xie 2022).

Legend: B rows, N latents, C channels, S tokens, D width, P prompt dims.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dynamics.reader import PictureReader
from dynamics.trunk import level_waves
from playground.core.component import Component
from playground.core.nn.blocks import RMSNorm, SpaceAttention, SwiGLU
from playground.core.nn.statistics import NormalisedLatents
from playground.core.registry import FIRST_FRAME_MODELS
from playground.core.sampling import Draw, row_noise

PASSES = 32
"""Passes of a drawing. With four, the first prediction, a mixture of all pictures that fit the text, decides."""

_LEVEL = (-0.4, 1.0)
"""Mean and deviation of the noise levels in training, before a sigmoid (after Li and He 2025)."""

_GUIDED = (0.1, 0.8)
"""Guidance strengthens texts at these levels only. Before, it decides too much at once and pictures lose their variety;
after, it spoils edges (Kynkaanniemi et al. 2024). In between it may be strong enough for what is small."""

_LEAST_NOISE = 0.1
"""Share of noise below which errors count no more than at this share."""

_READ_NOISE = 0.5
"""Largest noise on pictures that the reader learns from, in standard deviations; drawings are not perfect."""


@dataclass(frozen=True)
class FirstFrameConfig:
    """Constructor fields.

    Attributes:
        tokens_per_frame: N, a square number; must equal the tokenizer's.
        latent_channels: C of a latent.
        prompt_dims: P of a caption embedding; 0 for data without captions.
        packing: packing x packing neighbouring latents form one token.
        width: D of the transformer.
        depth: blocks.
        head_dim: dimensions of one attention head.
        prompt_tokens: tokens that the text is spread over.
        prompt_dropout: share of training pictures whose text is hidden, so that texts can be led by guidance.
        prompt_noise: noise on embeddings in training, in their standard deviations: a few wordings stand for many.
        reader: also learn how well a picture fits a text, so that the best of several drawings can be chosen.
    """

    FREE_FIELDS: ClassVar[frozenset[str]] = frozenset({"prompt_dropout", "prompt_noise"})
    """Fields on which no weight depends: a run that starts from other weights may change them."""

    GROWING_FIELDS: ClassVar[frozenset[str]] = frozenset({"reader"})
    """Fields that such a run may raise: a reader is learned anew and changes no drawing."""

    tokens_per_frame: int = 64
    latent_channels: int = 16
    prompt_dims: int = 384
    packing: int = 2
    width: int = 256
    depth: int = 6
    head_dim: int = 32
    prompt_tokens: int = 4
    prompt_dropout: float = 0.1
    prompt_noise: float = 0.5
    reader: bool = False

    def __post_init__(self) -> None:
        """Check that the sizes fit each other."""
        for name in ("latent_channels", "packing", "width", "depth", "head_dim", "prompt_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"field {name!r} must be at least 1")
        if self.prompt_dims < 0:
            raise ValueError("field 'prompt_dims' must be at least 0")
        if self.reader and not self.prompt_dims:
            raise ValueError("field 'reader' is true, but without prompts (prompt_dims 0) there is nothing to read")
        if self.grid < 1 or self.grid**2 != self.tokens_per_frame or self.grid % self.packing:
            raise ValueError(
                f"field 'packing' is {self.packing}, but it must divide the side of a square grid of"
                f" {self.tokens_per_frame} latents"
            )
        if self.width % self.head_dim:
            raise ValueError(f"field 'width' ({self.width}) must be a multiple of head_dim ({self.head_dim})")

    @property
    def grid(self) -> int:
        """Side of the latent grid."""
        return round(max(self.tokens_per_frame, 0) ** 0.5)


class ConditionedBlock(nn.Module):
    """Attention and a feed-forward layer, each scaled, shifted and gated by the condition."""

    def __init__(self, width: int, head_dim: int) -> None:
        """Args: width D, a multiple of head_dim."""
        super().__init__()
        self.norm_attention = RMSNorm(width, elementwise_affine=False)
        self.norm_mlp = RMSNorm(width, elementwise_affine=False)
        self.attention = SpaceAttention(width, head_dim)
        self.mlp = SwiGLU(width)
        modulation = nn.Linear(width // 2, 6 * width)
        self.modulation = nn.Sequential(nn.Linear(width, width // 2, bias=False), modulation)
        nn.init.zeros_(modulation.weight)
        nn.init.zeros_(modulation.bias)

    def forward(self, x_BSD: Tensor, condition_BD: Tensor) -> Tensor:
        """(B, S, D) to (B, S, D). Both layers end in zeros at first, so gates start at one instead of zero."""
        scale_a, shift_a, gate_a, scale_m, shift_m, gate_m = self.modulation(condition_BD).unsqueeze(1).chunk(6, dim=-1)
        x_BSD = x_BSD + (1 + gate_a) * self.attention(self.norm_attention(x_BSD) * (1 + scale_a) + shift_a)
        return x_BSD + (1 + gate_m) * self.mlp(self.norm_mlp(x_BSD) * (1 + scale_m) + shift_m)


@FIRST_FRAME_MODELS.register("diffusion")
class FirstFrameDiffusion(NormalisedLatents, Component):
    """Latents of first frames, drawn from a text or from nothing in ``PASSES`` small steps."""

    type_name: ClassVar[str] = "diffusion"
    Config: ClassVar[type] = FirstFrameConfig
    prompt_mean_P: Tensor
    prompt_scale_P: Tensor

    def __init__(self, config: FirstFrameConfig) -> None:
        """Build the network that ``config`` describes."""
        super().__init__(config)
        width, tokens = config.width, config.tokens_per_frame // config.packing**2
        channels = config.latent_channels * config.packing**2
        self.embed = nn.Linear(channels, width)
        self.position_SD = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.words = config.prompt_tokens if config.prompt_dims else 0
        if config.prompt_dims:
            self.prompt = nn.Linear(config.prompt_dims, width)
            self.prompt_tokens = nn.Linear(config.prompt_dims, config.prompt_tokens * width)
        self.no_prompt_D = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(ConditionedBlock(width, config.head_dim) for _ in range(config.depth))
        self.norm = RMSNorm(width)
        self.head = nn.Linear(width, channels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        reader = PictureReader(config.grid, config.latent_channels, config.prompt_dims) if config.reader else None
        self.reader = reader
        self.register_statistics(config.latent_channels)
        # Embeddings have length 1; unscaled, they would start far below everything else and be learned late.
        self.register_buffer("prompt_mean_P", torch.zeros(config.prompt_dims))
        self.register_buffer("prompt_scale_P", torch.full((config.prompt_dims,), max(config.prompt_dims, 1) ** -0.5))

    def set_statistics(self, latents: Tensor, prompts_RP: Tensor | None = None) -> None:
        """From now on normalise latents (..., C) in [-1, 1] and prompts (R, P), inside the model, by these.

        Captions of one game share most of their words, and most of their embedding; what differs is what counts.
        """
        super().set_statistics(latents)
        if prompts_RP is not None:
            self.prompt_mean_P.copy_(prompts_RP.mean(dim=0))
            self.prompt_scale_P.copy_(prompts_RP.std(dim=0).clamp_min(1e-4))

    def forward(self, noisy_BNC: Tensor, level_B: Tensor, prompt_BP: Tensor) -> Tensor:
        """Clean normalised latents (B, N, C) from noisy ones.

        Args:
            noisy_BNC: noise and latents, mixed.
            level_B: share of the latents in the mixture, in [0, 1).
            prompt_BP: caption embeddings (of no numbers for a model without them); all zeros mean "no text".
        """
        told_BD, words_BSD = self._words_of(prompt_BP)
        condition_BD = F.silu(self.level(level_waves(level_B, self.config.width)) + told_BD)
        x_BSD = torch.cat((words_BSD, self.embed(self._pack(noisy_BNC)) + self.position_SD), dim=1)
        for block in self.blocks:
            x_BSD = block(x_BSD, condition_BD)
        return self._unpack(self.head(self.norm(x_BSD[:, self.words :])))

    def _words_of(self, prompt_BP: Tensor) -> tuple[Tensor, Tensor]:
        """What a prompt adds to the condition (B, D), and its tokens (B, words, D)."""
        if not self.words:
            return self.no_prompt_D, self.no_prompt_D.expand(len(prompt_BP), 0, -1)
        absent_B1 = (prompt_BP == 0).all(dim=-1, keepdim=True)
        scaled_BP = self._scaled(prompt_BP).masked_fill(absent_B1, 0.0)
        told_BD = torch.where(absent_B1, self.no_prompt_D, self.prompt(scaled_BP))
        return told_BD, rearrange(self.prompt_tokens(scaled_BP), "b (s d) -> b s d", s=self.words)

    def loss(
        self, latents_BNC: Tensor, prompt_BP: Tensor, generator: torch.Generator, caption_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Error of the direction from noise to picture at random noise levels.

        Args:
            latents_BNC: from the tokenizer, of single frames.
            prompt_BP: caption embedding of each, zeros where it has none; (B, 0) for a model without prompts.
            generator: source of noise, levels and dropout.
            caption_B: number of each picture's caption, for the reader; see :meth:`PictureReader.loss`.

        Returns:
            ``loss`` to minimise; ``explained``, the share of the pictures' variance that predictions account for.
        """
        clean = (latents_BNC.float() - self.mean_C) / self.scale_C
        draw = Draw(generator)
        blurred_BP = prompt_BP + self.config.prompt_noise * self.prompt_scale_P * draw.normal(*prompt_BP.shape)
        captioned_B1 = (prompt_BP != 0).any(dim=1, keepdim=True)
        prompt_BP = blurred_BP * (captioned_B1 & (draw.uniform(len(clean), 1) >= self.config.prompt_dropout))
        mean, deviation = _LEVEL
        level_B = torch.sigmoid(mean + deviation * draw.normal(len(clean)))
        noisy = torch.lerp(draw.normal(*clean.shape), clean, level_B[:, None, None])
        error_B = (self(noisy, level_B, prompt_BP) - clean).square().mean(dim=(1, 2))
        loss = (error_B / (1 - level_B).clamp_min(_LEAST_NOISE).square()).mean()
        losses = {"loss": loss, "explained": 1 - error_B.detach().mean() / clean.square().mean()}
        has_text_B = captioned_B1[:, 0]
        if self.reader is not None and has_text_B.any():
            blurred = clean + _READ_NOISE * draw.uniform(len(clean), 1, 1) * draw.normal(*clean.shape)
            numbers_B = None if caption_B is None else caption_B[has_text_B]
            unread = self.reader.loss(blurred[has_text_B], self._scaled(blurred_BP[has_text_B]), numbers_B)
            losses = {**losses, "loss": loss + unread, "unread": unread.detach()}
        return losses

    def fit(self, latents_BNC: Tensor, prompt_BP: Tensor) -> Tensor:
        """How well each picture (B, N, C) shows what its text says, (B,); comparable for pictures of one text.

        Raises:
            ValueError: the model has no reader.
        """
        if self.reader is None:
            raise ValueError("this model of first frames has no reader")
        normal = (latents_BNC - self.mean_C) / self.scale_C
        fits_B: Tensor = self.reader(normal, self._scaled(prompt_BP[:, : self.config.prompt_dims]))
        return fits_B

    def draw(
        self,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        guidance: float | None = None,
        start_BNC: Tensor | None = None,
        kept: float = 0.0,
        noise_BNC: Tensor | None = None,
        passes: int = PASSES,
        run: Callable[..., Tensor] | None = None,
    ) -> Tensor:
        """Draw pictures, or draw them anew.

        Args:
            prompt_BP: caption embeddings, of which the first P numbers count, or None for whatever comes.
            generators: one a row, so that a row's picture depends on its own seed alone.
            guidance: g in ``without + g (with - without)``: 0 ignores the text, 1 (and None) is the plain network,
                above 1 follows the text more closely than the data did (Ho and Salimans 2022), at middle levels.
            start_BNC: latents to begin from instead of pure noise (SDEdit, Meng et al. 2022).
            kept: share of them in the mixture that is begun with, in [0, 1).
            noise_BNC: noise to begin with, instead of what the generators give; see :meth:`noise_of`.
            passes: steps from there to the picture.
            run: replaces the network; takes the arguments of :meth:`forward`.

        Returns:
            Latents (B, N, C) for the tokenizer.
        """
        config, rows, run = self.config, len(generators), run or self
        x_BNC = noise_BNC
        if x_BNC is None:
            x_BNC = row_noise((config.tokens_per_frame, config.latent_channels), generators).to(self.mean_C.device)
        if start_BNC is None:
            kept = 0.0
        else:
            x_BNC = torch.lerp(x_BNC, (start_BNC - self.mean_C) / self.scale_C, kept)
        untold_BP = torch.zeros(rows, config.prompt_dims, device=x_BNC.device)
        told_BP = untold_BP if prompt_BP is None else prompt_BP[:, : config.prompt_dims]
        strength = 1.0 if prompt_BP is None or guidance is None or not self.words else guidance
        for index in range(passes):
            level = kept + (1 - kept) * index / passes
            level_B = torch.full((rows,), level, device=x_BNC.device)
            led = strength if _GUIDED[0] <= level < _GUIDED[1] else min(strength, 1.0)
            if led != 1:  # side by side: so few numbers take little longer than half of them
                twice = run(x_BNC.repeat(2, 1, 1), level_B.repeat(2), torch.cat((untold_BP, told_BP)))
                untold, told = twice.chunk(2)
                clean = torch.lerp(untold, told, led)
            else:
                clean = run(x_BNC, level_B, told_BP)
            clean = self._in_range(clean)
            x_BNC = x_BNC + (clean - x_BNC) / (passes - index)
        return x_BNC * self.scale_C + self.mean_C

    def noise_of(self, latents_BNC: Tensor, passes: int = PASSES) -> Tensor:
        """The noise from which pictures would have been drawn, told nothing: the way of :meth:`draw`, walked back.

        A picture's noise holds what words did not decide, such as where things are. Drawn again to other words it
        gives a picture of the same build (Song et al. 2021 turn pictures to noise so; Mokady et al. 2023 edit them).

        Args:
            latents_BNC: from the tokenizer.
            passes: steps from the picture to its noise.

        Returns:
            Normalised noise (B, N, C).
        """
        x_BNC = (latents_BNC - self.mean_C) / self.scale_C
        untold_BP = torch.zeros(len(x_BNC), self.config.prompt_dims, device=x_BNC.device)
        for index in reversed(range(passes)):
            level_B = torch.full((len(x_BNC),), index / passes, device=x_BNC.device)
            clean = self._in_range(self(x_BNC, level_B, untold_BP))
            x_BNC = x_BNC - (clean - x_BNC) / (passes - index)
        return x_BNC

    def _scaled(self, prompt_BP: Tensor) -> Tensor:
        return (prompt_BP - self.prompt_mean_P) / self.prompt_scale_P

    def _in_range(self, clean_BNC: Tensor) -> Tensor:
        """Normalised latents, kept where the tokenizer's lie: guidance would otherwise overshoot."""
        return torch.clamp(clean_BNC, (-1 - self.mean_C) / self.scale_C, (1 - self.mean_C) / self.scale_C)

    def _pack(self, latents: Tensor) -> Tensor:
        side, packing = self.config.grid // self.config.packing, self.config.packing
        return rearrange(latents, "b (h a w c) e -> b (h w) (a c e)", h=side, w=side, a=packing, c=packing)

    def _unpack(self, packed: Tensor) -> Tensor:
        side, packing = self.config.grid // self.config.packing, self.config.packing
        return rearrange(packed, "b (h w) (a c e) -> b (h a w c) e", h=side, a=packing, c=packing)
