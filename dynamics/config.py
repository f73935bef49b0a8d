"""Constructor fields of the dynamics models; they are also their config file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class DynamicsConfig:
    """Trunk and head of a dynamics model; both heads share the same fields.

    Attributes:
        tokens_per_frame: N, a square number; must equal the tokenizer's.
        latent_channels: C of a latent (shortcut head).
        codebook_size: number of token ids (maskgit head); 0 for continuous latents.
        num_actions: latent actions; one more id stands for "unknown".
        prompt_dims: P of a caption embedding; 0 for a world without text.
        context_frames: frames that attention over time sees, the newest included.
        packing: packing x packing neighbouring latents form one trunk token.
        width: D of the trunk.
        depth: transformer blocks.
        head_dim: dimensions of one attention head.
        time_every: every n-th block also attends over time.
        registers: extra learned tokens per frame.
        steps: finest number of passes per frame, a power of two.
        action_dropout: share of training frames whose action is hidden.
        prompt_dropout: share of training clips whose prompt is hidden.
        context_noise: largest noise on the previous frame in training, in latent standard deviations.
        own_share: share of a batch that sees its own prediction as the previous frame, once half trained.
        shortcut_share: share of a batch that learns larger steps from two smaller ones, once half trained.
        first_frame_weight: loss weight of a clip's first frame, which has no past to be predicted from.
        outcomes: predict reward and end of the episode; training sets it where the data has either.
    """

    FREE_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {
            "context_frames",
            "action_dropout",
            "prompt_dropout",
            "context_noise",
            "own_share",
            "shortcut_share",
            "first_frame_weight",
        }
    )
    """Fields on which no weight depends: a run that starts from other weights may change them."""

    GROWING_FIELDS: ClassVar[frozenset[str]] = frozenset({"depth", "num_actions"})
    """Fields that such a run may raise.

    Further blocks come last and change no picture until they have learned to; reward and end are read from the last
    layer over time, and where that is a new one they are learned anew. Further actions start as those that they were
    split from, see ``split_rows``.
    """

    tokens_per_frame: int = 64
    latent_channels: int = 16
    codebook_size: int = 0
    num_actions: int = 8
    prompt_dims: int = 0
    context_frames: int = 16
    packing: int = 2
    width: int = 256
    depth: int = 6
    head_dim: int = 32
    time_every: int = 2
    registers: int = 1
    steps: int = 4
    action_dropout: float = 0.1
    prompt_dropout: float = 0.1
    context_noise: float = 0.3
    own_share: float = 0.25
    shortcut_share: float = 0.25
    first_frame_weight: float = 0.1
    outcomes: bool = False

    def __post_init__(self) -> None:
        """Check that the sizes fit each other."""
        for name in ("tokens_per_frame", "latent_channels", "num_actions", "packing", "width", "depth", "head_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"field {name!r} must be at least 1")
        if self.time_every < 1:
            raise ValueError("field 'time_every' must be at least 1")
        side = round(self.tokens_per_frame**0.5)
        if side * side != self.tokens_per_frame or side % self.packing:
            raise ValueError(
                f"field 'packing' is {self.packing}, but it must divide the side of a square grid of"
                f" {self.tokens_per_frame} latents"
            )
        if self.width % self.head_dim:
            raise ValueError(f"field 'width' ({self.width}) must be a multiple of head_dim ({self.head_dim})")
        if self.steps < 1 or self.steps & (self.steps - 1):
            raise ValueError(f"field 'steps' is {self.steps}, but it must be a power of two")
        if self.context_frames < 2:
            raise ValueError("field 'context_frames' must be at least 2")

    @property
    def grid(self) -> int:
        """Side of the latent grid."""
        return round(self.tokens_per_frame**0.5)
