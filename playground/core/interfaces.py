"""What each swappable part must offer. A class that fits a protocol and registers under a name can replace ours.

The contract tests in ``tests/contracts`` run over every registered class and accept or reject it. Shape suffixes are
explained in :mod:`playground.core.shapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from playground.core.nn.ring import RingState, Written


@runtime_checkable
class VideoTokenizer(Protocol):
    """Frames to a small grid of latents and back, one frame decodable alone."""

    frame_size: int
    tokens_per_frame: int
    latent_channels: int
    codebook_size: int | None

    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """Uint8 frames to latents (B, T, N, C) float32."""

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """Latents to uint8 frames (B, T, H, W, 3)."""

    def loss(self, frames_BTHWC: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``loss`` to minimise, and metrics."""


@runtime_checkable
class LatentActionModel(Protocol):
    """Which of a handful of actions led from each frame to the next."""

    num_actions: int

    def infer(self, frames_BTHWC: Tensor) -> Tensor:
        """Actions (B, T) int64; entry t produced frame t, entry 0 is ``num_actions`` (unknown)."""

    def loss(
        self, frames_BTHWC: Tensor, generator: torch.Generator, labels_BT: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss`` to minimise, and metrics."""

    def after_step(self) -> int:
        """Housekeeping after an optimiser step; returns the number of re-seeded codes."""


@runtime_checkable
class DynamicsModel(Protocol):
    """The next frame's latents (or tokens) from the memory of the past, an action and a prompt."""

    discrete: ClassVar[bool]
    context_frames: int
    num_actions: int
    network: Any

    def new_state(self, batch: int) -> RingState:
        """Memory of worlds that have seen nothing."""

    def generate(
        self,
        state: RingState,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        steps: int | None = None,
        run: Callable[..., tuple[Tensor, Tensor, Tensor]] | None = None,
    ) -> tuple[Tensor, Written]:
        """Next frame's codes and what to write into the memory; the memory is not changed."""

    def codes_of(self, remembered: Tensor) -> Tensor:
        """Codes as ``generate`` draws them, from ``state.previous`` or ``state.earlier``."""

    def draw_first(
        self,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        run: Callable[..., tuple[Tensor, Tensor, Tensor]] | None = None,
        **options: Any,
    ) -> Tensor:
        """Codes of first frames, of worlds that have seen nothing; options are further arguments of ``generate``."""

    def observe(
        self,
        state: RingState,
        codes: Tensor,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        run: Callable[..., tuple[Tensor, Tensor, Tensor]] | None = None,
    ) -> Written:
        """What a given frame adds to the memory."""

    def loss(
        self,
        codes: Tensor,
        actions_BT: Tensor,
        prompts_BTP: Tensor | None,
        generator: torch.Generator,
        progress: float = 1.0,
    ) -> dict[str, Tensor]:
        """``loss`` to minimise, and metrics; ``progress`` is the share of the training done.

        A model whose config has ``outcomes`` set also takes ``outcomes_BT2`` (reward and end that came with each frame,
        NaN where not known) and has ``outcome(written)``, which tells them of a drawn frame, and ``outcome_head``.
        """


@runtime_checkable
class IntentModel(Protocol):
    """Which latent action the name of an action means, by what is on the screen."""

    names: tuple[str, ...]
    num_actions: int

    def read(self, earlier_BNC: Tensor, latest_BNC: Tensor, heard_BH: Tensor, name_B: Tensor) -> Tensor:
        """Latent actions (B,) int64, from the two newest frames' latents, what led to them and indices in ``names``."""

    def loss(
        self,
        earlier_BNC: Tensor,
        latest_BNC: Tensor,
        heard_BH: Tensor,
        name_B: Tensor,
        action_B: Tensor,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """``loss`` to minimise, and metrics; ``name_B`` (-1 unknown) and ``action_B`` followed the two frames."""


@runtime_checkable
class FirstFrameModel(Protocol):
    """First frames of new worlds, from words or from nothing.

    A model whose ``reader`` is not None also has ``fit(latents_BNC, prompt_BP)``, how well each picture shows its text
    (B,); of several drawings the best is kept then.
    """

    def draw(
        self,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        guidance: float | None = None,
        start_BNC: Tensor | None = None,
        kept: float = 0.0,
        noise_BNC: Tensor | None = None,
        passes: int = 32,
        run: Callable[..., Tensor] | None = None,
    ) -> Tensor:
        """Latents (B, N, C) for the tokenizer; a row depends on its own generator or noise, prompt and start alone.

        ``run`` replaces the network, which is the model itself, called with noisy latents (B, N, C), noise levels (B,)
        and prompts (B, P).
        """

    def noise_of(self, latents_BNC: Tensor, passes: int = 32) -> Tensor:
        """Noise (B, N, C) from which ``draw`` would give these latents."""

    def loss(
        self, latents_BNC: Tensor, prompt_BP: Tensor, generator: torch.Generator, caption_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss`` to minimise and ``explained``, a share that is higher for better models; zeros mean "no prompt".

        ``caption_B`` numbers the captions, so that two wordings of one caption can be known as such.
        """


@runtime_checkable
class Policy(Protocol):
    """Plays a world: maps what it sees to the code of an action."""

    def act(self, frame_HWC: np.ndarray) -> int:
        """Code of the next action for a uint8 frame."""


@runtime_checkable
class FrameSink(Protocol):
    """Takes generated frames: a window, a video file, a recording."""

    def write(self, frame_HWC: np.ndarray) -> None:
        """Take one uint8 frame."""

    def close(self) -> None:
        """Finish; safe to call twice."""


@runtime_checkable
class TextEncoder(Protocol):
    """Sentences to unit vectors."""

    dims: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 (len(texts), P)."""


@runtime_checkable
class Backend(Protocol):
    """Runs a world's networks on some engine: eager, quantised, compiled. Built from a world.

    Attributes:
        name: what it is called in reports.
        batched: whether rows of one pass never influence each other.
        fixed_rows: whether a new number of rows costs a compilation; such a backend also has ``filling_pays``, the
            share of slots from which one pass with idle slots in it is cheaper than one row at a time.
        world: the models that run, possibly a copy in another precision.
    """

    name: str
    batched: bool
    fixed_rows: bool
    world: Any

    def prepare(self, slots: int) -> None:
        """Get ready for one row and for ``slots`` rows, before play starts."""

    def run(self, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The dynamics network's pure step."""

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """Latents to uint8 frames (B, T, H, W, 3)."""
