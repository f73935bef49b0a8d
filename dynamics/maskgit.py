"""Discrete head: fills in the tokens of the next frame over a few passes, most certain first, as in Genie.

Training hides a random share of each frame's tokens (cosine schedule, MaskGIT, Chang et al. 2022) and the network
names the hidden ones. The previous frame's final tokens are an input beside the partly hidden ones, as in the
continuous head, so the keys and values of the last pass can be kept as memory.

Legend: B batch, T frames, N tokens, V codebook size, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dynamics.config import DynamicsConfig
from dynamics.trunk import Trunk
from playground.core.component import Component
from playground.core.errors import PlaygroundError
from playground.core.nn.ring import RingState, Written
from playground.core.nn.rope import rotary_angles
from playground.core.registry import DYNAMICS

Run = Callable[..., tuple[Tensor, Tensor, Tensor]]


class MaskgitNetwork(nn.Module):
    """The pure step: tokens, some hidden, to logits; shapes never change. Token id V means hidden."""

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__()
        self.grid, self.packing, self.codebook_size = config.grid, config.packing, config.codebook_size
        share = max(16, config.width // config.packing**2)
        self.trunk = Trunk(config)
        self.tokens = nn.Embedding(config.codebook_size + 1, share)
        self.embed = nn.Linear(2 * share * config.packing**2, config.width)
        self.head = nn.Linear(config.width, share * config.packing**2)
        self.logits = nn.Linear(share, config.codebook_size)

    def forward(
        self,
        tokens_BN: Tensor,
        previous_BN: Tensor,
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
        """One pass over one frame; returns logits (B, N, V) and new keys and values."""
        x_BSD = self._assemble(tokens_BN, previous_BN, action_B, prompt_BP)
        condition = self.trunk.condition(level_B, step_B, action_B)
        packed, new_keys, new_values = self.trunk.step(x_BSD, condition, (cos_BE, sin_BE), (keys, values, bias_BR))
        return self._to_logits(packed), new_keys, new_values

    def window(
        self,
        tokens_BTN: Tensor,
        previous_BTN: Tensor,
        level_BT: Tensor,
        step_BT: Tensor,
        action_BT: Tensor,
        prompt_BTP: Tensor | None,
    ) -> Tensor:
        """All frames of a clip at once, for training: logits (B, T, N, V)."""
        x_BTSD = self._assemble(tokens_BTN, previous_BTN, action_BT, prompt_BTP)
        return self._to_logits(self.trunk.window(x_BTSD, self.trunk.condition(level_BT, step_BT, action_BT)))

    def _assemble(self, tokens: Tensor, previous: Tensor, action: Tensor, prompt: Tensor | None) -> Tensor:
        packed = torch.cat((self._pack(self.tokens(tokens)), self._pack(self.tokens(previous))), dim=-1)
        return self.trunk.assemble(self.embed(packed), action, prompt)

    def _pack(self, features: Tensor) -> Tensor:
        side = self.grid // self.packing
        return rearrange(
            features, "... (h a w b) c -> ... (h w) (a b c)", h=side, w=side, a=self.packing, b=self.packing
        )

    def _to_logits(self, packed: Tensor) -> Tensor:
        side = self.grid // self.packing
        spread = rearrange(
            self.head(packed), "... (h w) (a b c) -> ... (h a w b) c", h=side, a=self.packing, b=self.packing
        )
        return self.logits(F.silu(spread))


@DYNAMICS.register("maskgit")
class MaskgitDynamics(Component):
    """Next-frame tokens by a few unmasking passes."""

    Config: ClassVar[type] = DynamicsConfig
    type_name: ClassVar[str] = "maskgit"
    discrete: ClassVar[bool] = True

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the network that ``config`` describes; ``codebook_size`` must be set."""
        super().__init__(config)
        if config.codebook_size < 2:
            raise PlaygroundError(
                "dynamics of type 'maskgit' need tokens: train the tokenizer with bottleneck = 'fsq'"
                " and set field 'codebook_size'"
            )
        self.context_frames = config.context_frames
        self.num_actions = config.num_actions
        self.hidden = config.codebook_size
        self.network = MaskgitNetwork(config)

    def new_state(self, batch: int) -> RingState:
        """Memory of ``batch`` worlds that have seen nothing; the frame before the first is all hidden tokens."""
        config, trunk = self.config, self.network.trunk
        return RingState.empty(
            layers=trunk.time_layers,
            batch=batch,
            tokens=trunk.tokens,
            heads=config.width // config.head_dim,
            head_dim=config.head_dim,
            slots=config.context_frames - 1,
            previous=torch.full(
                (batch, config.tokens_per_frame), self.hidden, device=self.network.logits.weight.device
            ),
        )

    def generate(
        self,
        state: RingState,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        steps: int | None = None,
        run: Run | None = None,
        temperature: float = 1.0,
    ) -> tuple[Tensor, Written]:
        """Draw the next frame of every row; see :meth:`dynamics.shortcut.ShortcutDynamics.generate`.

        Args:
            state: memory; not changed.
            action_B: int64, ``num_actions`` for unknown.
            prompt_BP: caption embeddings or None.
            generators: one a row.
            steps: unmasking passes, any number from 1; ``config.steps`` by default.
            run: replaces the network.
            temperature: of the draw; 0 takes the most likely token.

        Returns:
            Tokens (B, N) and what to write into the memory.
        """
        steps = steps or self.config.steps
        total = self.config.tokens_per_frame
        tokens_BN = torch.full((action_B.shape[0], total), self.hidden, device=action_B.device)
        for index in range(steps):
            level = 1 - math.cos(math.pi / 2 * index / steps)
            logits, keys, values = self._pass(state, tokens_BN, level, action_B, prompt_BP, run)
            hidden_BN = tokens_BN == self.hidden
            drawn_BN, certainty_BN = self._draw(logits.float(), generators, temperature)
            known = total if index + 1 == steps else int(total * (1 - math.cos(math.pi / 2 * (index + 1) / steps)))
            certainty_BN = certainty_BN.masked_fill(~hidden_BN, float("inf"))
            keep = torch.zeros_like(hidden_BN).scatter_(1, certainty_BN.topk(known, dim=1).indices, True)
            filled = torch.where(hidden_BN, drawn_BN, tokens_BN)
            tokens_BN = torch.where(keep, filled, torch.full_like(tokens_BN, self.hidden))
        return tokens_BN, Written(keys, values, tokens_BN)

    def observe(
        self,
        state: RingState,
        codes_BN: Tensor,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        run: Run | None = None,
    ) -> Written:
        """What a given frame's tokens (B, N) add to the memory, partly hidden as in a last pass."""
        level = 1 - math.cos(math.pi / 2 * (1 - 1 / self.config.steps))
        order = [torch.rand(codes_BN.shape[1], generator=generator) for generator in generators]
        order_BN = torch.stack(order).to(codes_BN.device)
        tokens_BN = codes_BN.masked_fill(order_BN >= level, self.hidden)
        _, keys, values = self._pass(state, tokens_BN, level, action_B, prompt_BP, run)
        return Written(keys, values, codes_BN)

    def loss(
        self,
        codes_BTN: Tensor,
        actions_BT: Tensor,
        prompts_BTP: Tensor | None,
        generator: torch.Generator,
        progress: float = 1.0,
    ) -> dict[str, Tensor]:
        """Cross entropy of hidden tokens.

        Args:
            codes_BTN: token ids from the tokenizer.
            actions_BT: int64, the action that produced each frame.
            prompts_BTP: caption embeddings or None.
            generator: source of masks and dropout.
            progress: not used; part of the interface.

        Returns:
            ``loss`` to minimise, and ``accuracy`` of the hidden tokens.
        """
        batch, frames = actions_BT.shape
        device = codes_BTN.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=device)

        actions = actions_BT.masked_fill(uniform(batch, frames) < self.config.action_dropout, self.num_actions)
        if prompts_BTP is not None:
            prompts_BTP = prompts_BTP * (uniform(batch, 1, 1) >= self.config.prompt_dropout)
        levels = 1 - torch.cos(math.pi / 2 * uniform(batch, frames))  # share of tokens that are known
        levels = torch.where(uniform(batch, frames) < 0.3, torch.zeros_like(levels), levels)
        hidden = uniform(*codes_BTN.shape) >= levels[..., None]
        tokens = codes_BTN.masked_fill(hidden, self.hidden)
        blank = torch.full_like(codes_BTN[:, :1], self.hidden)
        past = torch.cat((blank, codes_BTN[:, :-1]), dim=1)
        logits = self.network.window(tokens, past, levels, torch.zeros_like(actions), actions, prompts_BTP)
        per_token = F.cross_entropy(logits.float().flatten(0, 2), codes_BTN.flatten(), reduction="none")
        weight = hidden.float()
        weight[:, 0] *= self.config.first_frame_weight
        weight = weight.flatten()
        right = (logits.argmax(dim=-1) == codes_BTN)[hidden].float()
        return {"loss": (per_token * weight).sum() / weight.sum().clamp_min(1), "accuracy": right.mean()}

    def _pass(
        self,
        state: RingState,
        tokens_BN: Tensor,
        level: float,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        run: Run | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch = tokens_BN.shape[0]
        cos_BE, sin_BE = rotary_angles(state.position_B, self.config.head_dim)
        return (run or self.network)(
            tokens_BN,
            state.previous,
            torch.full((batch,), level, device=action_B.device),
            torch.zeros(batch, dtype=torch.int64, device=action_B.device),
            action_B,
            prompt_BP,
            cos_BE,
            sin_BE,
            state.keys,
            state.values,
            state.bias_BR,
        )

    def _draw(
        self, logits_BNV: Tensor, generators: Sequence[torch.Generator], temperature: float
    ) -> tuple[Tensor, Tensor]:
        """A token for each place, by the Gumbel trick, and how likely it was."""
        log_probs = torch.log_softmax(logits_BNV / max(temperature, 1e-6), dim=-1)
        if temperature > 0:
            shape = logits_BNV.shape[1:]
            uniform = torch.stack([torch.rand(shape, generator=generator) for generator in generators])
            gumbel = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
            drawn_BN = (log_probs + gumbel.to(log_probs.device)).argmax(dim=-1)
        else:
            drawn_BN = log_probs.argmax(dim=-1)
        return drawn_BN, log_probs.gather(-1, drawn_BN.unsqueeze(-1)).squeeze(-1)
