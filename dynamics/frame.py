"""What the heads share: latents of a frame packed into trunk tokens, the pure play step, and the memory.

Legend: B batch, T frames, N latents, P prompt dims, E rotary angles, R ring slots.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from dynamics.config import DynamicsConfig
from dynamics.outcome import LOSS_WEIGHT, Outcome, OutcomeHead
from dynamics.trunk import Trunk
from playground.core.component import Component, split_rows
from playground.core.nn.ring import RingState, Written

Run = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""Has the arguments and results of ``FrameNetwork.forward``."""


class FrameNetwork(nn.Module):
    """The pure step: everything it needs comes in, everything it makes goes out, shapes never change.

    A head says how a frame and the one before become features (``embed_frame``) and what is read from the trunk's
    tokens (``read_out``).
    """

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the trunk that ``config`` describes."""
        super().__init__()
        self.grid, self.packing = config.grid, config.packing
        self.trunk = Trunk(config)

    @abstractmethod
    def embed_frame(self, frame: Tensor, previous: Tensor) -> Tensor:
        """Features (..., N / packing^2, D) of a noisy or partly hidden frame beside the one before it."""

    @abstractmethod
    def read_out(self, packed: Tensor, previous: Tensor) -> Tensor:
        """What the head predicts for every latent, from trunk tokens (..., N / packing^2, D)."""

    def forward(
        self,
        frame: Tensor,
        previous: Tensor,
        level_B: Tensor,
        step_B: Tensor,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        cos_BE: Tensor,
        sin_BE: Tensor,
        keys: Tensor,
        values: Tensor,
        bias_BR: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One pass over one frame.

        Args:
            frame: the frame as far as it is known, latents (B, N, C) or tokens (B, N).
            previous: the final frame before it, of the same shape.
            level_B: share of the frame that is known, in [0, 1).
            step_B: int64 logarithm of the number of passes a frame.
            action_B: int64 action that leads to the frame.
            prompt_BP: caption embeddings or None.
            cos_BE: rotary angles of the frame's position.
            sin_BE: the same.
            keys: memory of past frames.
            values: the same.
            bias_BR: 0 where a ring slot is filled, -inf where not.

        Returns:
            What the head reads out, and new keys and values.
        """
        extras_BSD = self.trunk.extra_tokens(action_B, prompt_BP)
        modulations = self.modulations(level_B, step_B, action_B)
        return self.advance(frame, previous, extras_BSD, modulations, cos_BE, sin_BE, keys, values, bias_BR)

    def modulations(self, level_B: Tensor, step_B: Tensor, action_B: Tensor) -> Tensor:
        """What the condition does to every block, (B, blocks, 1, 4 D): the same whatever the frame shows."""
        return self.trunk.modulations(self.trunk.condition(level_B, step_B, action_B))

    def advance(
        self,
        frame: Tensor,
        previous: Tensor,
        extras_BSD: Tensor,
        modulations: Tensor,
        cos_BE: Tensor,
        sin_BE: Tensor,
        keys: Tensor,
        values: Tensor,
        bias_BR: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``forward`` without what does not depend on the frame, so that engines need not repeat it in every pass.

        Args:
            frame: as in ``forward``, and so is all that is not named here.
            previous: the same.
            extras_BSD: ``trunk.extra_tokens`` of action and prompt.
            modulations: result of the method of that name.
            cos_BE: the same.
            sin_BE: the same.
            keys: the same.
            values: the same.
            bias_BR: the same.
        """
        x_BSD = self.trunk.put_behind(extras_BSD, self.embed_frame(frame, previous))
        packed, new_keys, new_values = self.trunk.step(x_BSD, modulations, (cos_BE, sin_BE), (keys, values, bias_BR))
        return self.read_out(packed, previous), new_keys, new_values

    def window(
        self,
        frames: Tensor,
        previous: Tensor,
        level_BT: Tensor,
        step_BT: Tensor,
        action_BT: Tensor,
        prompt_BTP: Tensor | None,
    ) -> Tensor:
        """All frames of a clip at once, for training; arguments as in ``forward`` with a T behind the B."""
        return self.window_and_memory(frames, previous, level_BT, step_BT, action_BT, prompt_BTP)[0]

    def window_and_memory(
        self,
        frames: Tensor,
        previous: Tensor,
        level_BT: Tensor,
        step_BT: Tensor,
        action_BT: Tensor,
        prompt_BTP: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """``window``, and the values (B, T, S, K, E) that the last layer over time writes for each frame."""
        x_BTSD = self.trunk.assemble(self.embed_frame(frames, previous), action_BT, prompt_BTP)
        packed, values = self.trunk.window(x_BTSD, self.trunk.condition(level_BT, step_BT, action_BT))
        return self.read_out(packed, previous), values

    def pack(self, latents: Tensor) -> Tensor:
        """(..., N, C) to (..., N / packing^2, C packing^2): neighbours on the grid share a trunk token."""
        side = self.grid // self.packing
        return rearrange(
            latents, "... (h a w b) c -> ... (h w) (a b c)", h=side, w=side, a=self.packing, b=self.packing
        )

    def unpack(self, packed: Tensor) -> Tensor:
        """Undo ``pack``."""
        side = self.grid // self.packing
        return rearrange(packed, "... (h w) (a b c) -> ... (h a w b) c", h=side, a=self.packing, b=self.packing)


class FrameDynamics(Component):
    """A dynamics model around a ``FrameNetwork``: its memory, and one pass of the network over it."""

    Config: ClassVar[type] = DynamicsConfig
    network: FrameNetwork

    def __init__(self, config: DynamicsConfig) -> None:
        """Remember what every user of a dynamics model asks for."""
        super().__init__(config)
        self.context_frames = config.context_frames
        self.num_actions = config.num_actions
        self.outcome_head = OutcomeHead(config) if config.outcomes else None

    def grown_from(self, smaller: dict[str, Tensor]) -> dict[str, Tensor]:
        """Further actions do at first what the actions do that they were split from; "unknown" stays the last."""
        name = "network.trunk.action.weight"
        known, unknown = smaller[name][:-1], smaller[name][-1:]
        return {**smaller, name: torch.cat((split_rows(known, self.num_actions), unknown))}

    def outcome(self, written: Written) -> Outcome | None:
        """Reward and end that came with the frame of ``generate`` or ``observe``; None without such a head."""
        return self.outcome_head.read(written.values[-1]) if self.outcome_head is not None else None

    def add_outcome_loss(
        self, result: dict[str, Tensor], values: Tensor, outcomes_BT2: Tensor | None
    ) -> dict[str, Tensor]:
        """A loss dict with the loss of the outcomes (NaN where not known) in it, for a head and data that have them."""
        if self.outcome_head is None or outcomes_BT2 is None:
            return result
        missed = self.outcome_head.loss(values, outcomes_BT2)
        return {**result, "loss": result["loss"] + LOSS_WEIGHT * missed, "outcome": missed.detach()}

    @abstractmethod
    def generate(
        self,
        state: RingState,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        steps: int | None = None,
        run: Run | None = None,
    ) -> tuple[Tensor, Written]:
        """Codes of the next frame of every row, and what to write into the memory."""

    @abstractmethod
    def before_first(self, batch: int) -> Tensor:
        """What stands for the frame before the first one, ``batch`` rows of latents or tokens."""

    def new_state(self, batch: int) -> RingState:
        """Memory of ``batch`` worlds that have seen nothing."""
        config, trunk = self.config, self.network.trunk
        return RingState.empty(
            layers=trunk.time_layers,
            batch=batch,
            tokens=trunk.tokens,
            heads=config.width // config.head_dim,
            head_dim=config.head_dim,
            slots=config.context_frames - 1,
            previous=self.before_first(batch),
        )

    def codes_of(self, remembered: Tensor) -> Tensor:
        """Codes as ``generate`` draws them, from what the memory keeps of them."""
        return remembered

    def draw_first(
        self,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        run: Run | None = None,
        **options: Any,
    ) -> Tensor:
        """Draw first frames, of worlds that have seen nothing.

        Args:
            prompt_BP: caption embeddings or None.
            generators: one a row.
            run: replaces the network.
            options: further arguments of ``generate``.

        Returns:
            Codes for the tokenizer, as ``generate`` draws them.
        """
        state = self.new_state(len(generators))
        codes, _ = self.generate(state, self.unknown_actions(state), prompt_BP, generators, run=run, **options)
        return codes

    def unknown_actions(self, state: RingState) -> Tensor:
        """An action (B,) that says nothing, for every row of a memory."""
        return torch.full((len(state.previous),), self.num_actions, device=state.previous.device)

    def run_pass(
        self,
        state: RingState,
        frame: Tensor,
        level: float,
        step: int,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        run: Run | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Call the network, or ``run`` in its place, on a frame and the memory; see ``FrameNetwork.forward``.

        A prompt may be longer than ``prompt_dims``; its first numbers count.
        """
        if prompt_BP is not None:
            prompt_BP = prompt_BP[:, : self.config.prompt_dims]
        batch, device = frame.shape[0], action_B.device
        cos_BE, sin_BE = state.rotary()
        return (run or self.network)(
            frame,
            state.previous,
            torch.full((batch,), level, device=device),
            torch.full((batch,), step, device=device),
            action_B,
            prompt_BP,
            cos_BE,
            sin_BE,
            state.keys,
            state.values,
            state.bias_BR,
        )
