"""Constructor fields of the latent action models; they are also their config file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LatentActionConfig:
    """Encoder of two frames, codebook, and decoder of the first frame plus a code.

    Attributes:
        frame_size: height and width of the frames that come in, pixels.
        input_size: frames are averaged down to this size first; motion survives, cost does not.
        num_actions: codes A.
        code_channels: dimensions of a code vector.
        widths: channels after each halving of ``input_size``.
        blocks: residual blocks of the decoder at its coarsest level.
        commitment: weight that ties encoder outputs to their code.
        reseed_after: steps after which a code that nobody chose is moved to where it is needed.
        mirror: train on mirrored pairs as often as on plain ones, so that the rarer direction gets its code too.
        num_labels: known actions for the optional auxiliary head; 0 for none.
        label_weight: weight of the auxiliary head where labels are given.
    """

    frame_size: int = 64
    input_size: int = 32
    num_actions: int = 8
    code_channels: int = 16
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 2
    commitment: float = 0.25
    reseed_after: int = 50
    mirror: bool = True
    num_labels: int = 0
    label_weight: float = 1.0

    def __post_init__(self) -> None:
        """Check that the sizes fit each other."""
        if min(self.input_size, self.code_channels, *self.widths) < 1:
            raise ValueError("fields 'input_size', 'code_channels' and 'widths' must be at least 1")
        if self.frame_size % self.input_size or self.input_size % (1 << len(self.widths)):
            raise ValueError(
                f"field 'input_size' ({self.input_size}) must divide frame_size ({self.frame_size}) and be"
                f" divisible by 2 for each of the {len(self.widths)} widths"
            )
        if len(self.widths) < 2:
            raise ValueError("field 'widths' needs at least two entries")
        if self.num_actions < 2:
            raise ValueError("field 'num_actions' must be at least 2")
