"""Constructor fields of the tokenizer; they are also its config file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from playground.core.nn.blocks import HEAD_DIM


@dataclass(frozen=True)
class TokenizerConfig:
    """One encoder and decoder with one of two bottlenecks.

    Attributes:
        frame_size: height and width of a frame in pixels; a power of two times ``grid``.
        grid: height and width of the latent grid; latents per frame N = grid * grid.
        bottleneck: ``continuous`` (tanh) or ``fsq`` (finite scalar quantisation).
        channels: C of a continuous latent; for ``fsq`` the number of levels decides instead.
        levels: quantisation levels of each FSQ dimension; their product is the codebook size.
        encoder_widths: channels after each halving; one entry per halving from frame_size to grid.
        encoder_depth: transformer blocks over the grid after the convolutions.
        decoder_widths: channels before each doubling; one entry per doubling.
        blocks: residual convolution blocks per resolution but the finest.
        finest_blocks: residual convolution blocks of the decoder at the finest. Without one every 4 x 4 pixels are a
            linear function of their surroundings, and a saw blade is a blur; one costs a twentieth of a frame's time.
        latent_noise: largest standard deviation of the noise that the decoder learns to forgive in training.
        latent_mask: largest share of latents that training blanks out.
        l1_weight: weight of the absolute error beside the squared error.
        detail_weight: weight of the squared error of the worst pixels of each frame, a fiftieth of them: a saw blade or
            a zombie at night is a few pixels, which a mean over the frame gives up for smoother ground.
    """

    FREE_FIELDS: ClassVar[frozenset[str]] = frozenset({"latent_noise", "latent_mask", "l1_weight", "detail_weight"})
    """Fields on which no weight depends: a run that starts from other weights may change them."""

    GROWING_FIELDS: ClassVar[frozenset[str]] = frozenset({"finest_blocks"})
    """A run may start from the weights of a model with fewer: further blocks start as the identity."""

    frame_size: int = 64
    grid: int = 8
    bottleneck: Literal["continuous", "fsq"] = "continuous"
    channels: int = 16
    levels: tuple[int, ...] = (8, 5, 5, 5)
    encoder_widths: tuple[int, ...] = (32, 64, 128)
    encoder_depth: int = 1
    decoder_widths: tuple[int, ...] = (128, 64, 32)
    blocks: int = 1
    finest_blocks: int = 0
    latent_noise: float = 0.1
    latent_mask: float = 0.0
    l1_weight: float = 0.1
    detail_weight: float = 0.0

    def __post_init__(self) -> None:
        """Check that the widths fit the sizes."""
        if min(self.grid, self.channels) < 1:
            raise ValueError("fields 'grid' and 'channels' must be at least 1")
        for name, widths in (("encoder_widths", self.encoder_widths), ("decoder_widths", self.decoder_widths)):
            if self.grid << len(widths) != self.frame_size:
                raise ValueError(
                    f"field {name!r} has {len(widths)} entries, but {self.frame_size} px is not"
                    f" {self.grid} doubled {len(widths)} times"
                )
            if min(widths, default=0) < 1:
                raise ValueError(f"field {name!r} needs at least one entry, each at least 1")
        if self.encoder_depth and self.encoder_widths[-1] % HEAD_DIM:
            raise ValueError(
                f"field 'encoder_widths' ends in {self.encoder_widths[-1]}, but transformer blocks need a multiple of"
                f" {HEAD_DIM}"
            )
        if min(self.levels, default=0) < 2:
            raise ValueError("field 'levels' needs at least one entry, each at least 2")
