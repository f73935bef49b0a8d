"""Constructor fields of the latent action and intent models; they are also their config files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from playground.core.nn.ring import HEARD


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

    FREE_FIELDS: ClassVar[frozenset[str]] = frozenset({"commitment", "reseed_after", "mirror", "label_weight"})
    """Fields on which no weight depends: a run that starts from other weights may change them."""

    GROWING_FIELDS: ClassVar[frozenset[str]] = frozenset({"num_actions"})
    """Fields that a run from other weights may raise: each code is split into several that lie close together."""

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


@dataclass(frozen=True)
class IntentConfig:
    """Fields of the intent model.

    Attributes:
        names: the actions that a player may ask for, as the data calls them.
        tokens_per_frame: N, a square number; must equal the tokenizer's.
        latent_channels: C of a latent.
        num_actions: latent actions A to choose from.
        channels: of the convolutions over both frames.
        width: of the layers behind them.
        name_dropout: share of training frames whose name is hidden; what is likely anyway is learned from these.
        latent_noise: largest noise on both frames in training, in standard deviations; drawn frames are not perfect.
        still_share: share of training frames that are shown twice, as at the start of a run from a single picture.
        past_actions: newest latent actions that are read beside the frames, up to ``HEARD`` of the memory: speed and
            turning to more than two frames show.
        past_dropout: share of training frames whose past actions, or all but the newest of them, are hidden.
    """

    FREE_FIELDS: ClassVar[frozenset[str]] = frozenset({"name_dropout", "latent_noise", "still_share", "past_dropout"})
    """Fields that a run from other weights may set anew: they act in training only."""

    GROWING_FIELDS: ClassVar[frozenset[str]] = frozenset({"num_actions", "past_actions"})
    """Fields that such a run may raise: a name's code becomes any of the codes it was split into, and what is read of
    the past counts for nothing at first."""

    names: tuple[str, ...] = ("noop",)
    tokens_per_frame: int = 64
    latent_channels: int = 16
    num_actions: int = 8
    channels: int = 96
    width: int = 256
    name_dropout: float = 0.2
    latent_noise: float = 0.3
    still_share: float = 0.05
    past_actions: int = 0
    past_dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check names and sizes."""
        if not self.names or len(set(self.names)) != len(self.names) or not all(self.names):
            raise ValueError("field 'names' must list different names, at least one")
        for name in ("latent_channels", "num_actions", "channels", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"field {name!r} must be at least 1")
        if round(self.tokens_per_frame**0.5) ** 2 != self.tokens_per_frame or self.tokens_per_frame < 1:
            raise ValueError(f"field 'tokens_per_frame' is {self.tokens_per_frame}, but it must be a square number")
        if not 0 <= self.past_actions <= HEARD:
            raise ValueError(f"field 'past_actions' must lie in 0..{HEARD}, got {self.past_actions}")
