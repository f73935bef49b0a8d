"""Discrete head: fills in the tokens of the next frame over a few passes, most certain first, as in Genie.

Training hides a random share of each frame's tokens (cosine schedule, MaskGIT, Chang et al. 2022) and the network
names the hidden ones. The previous frame's final tokens are an input beside the partly hidden ones, as in the
continuous head, so the keys and values of the last pass can be kept as memory.

Legend: B batch, T frames, N tokens, V codebook size, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dynamics.config import DynamicsConfig
from dynamics.frame import FrameDynamics, FrameNetwork, Run
from playground.core.errors import PlaygroundError
from playground.core.nn.ring import RingState, Written
from playground.core.registry import DYNAMICS


class MaskgitNetwork(FrameNetwork):
    """Tokens (B, N), some hidden, to logits (B, N, V). Token id V means hidden."""

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__(config)
        share = max(16, config.width // config.packing**2)
        self.tokens = nn.Embedding(config.codebook_size + 1, share)
        self.embed = nn.Linear(2 * share * config.packing**2, config.width)
        self.head = nn.Linear(config.width, share * config.packing**2)
        self.logits = nn.Linear(share, config.codebook_size)

    def embed_frame(self, frame: Tensor, previous: Tensor) -> Tensor:
        """Partly hidden tokens and the final ones of the frame before, side by side."""
        return self.embed(torch.cat((self.pack(self.tokens(frame)), self.pack(self.tokens(previous))), dim=-1))

    def read_out(self, packed: Tensor, previous: Tensor) -> Tensor:
        """Logits of every token."""
        return self.logits(F.silu(self.unpack(self.head(packed))))


@DYNAMICS.register("maskgit")
class MaskgitDynamics(FrameDynamics):
    """Next-frame tokens by a few unmasking passes."""

    type_name: ClassVar[str] = "maskgit"
    discrete: ClassVar[bool] = True
    network: MaskgitNetwork

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the network that ``config`` describes; ``codebook_size`` must be set."""
        super().__init__(config)
        if config.codebook_size < 2:
            raise PlaygroundError(
                "dynamics of type 'maskgit' need tokens: train the tokenizer with bottleneck = 'fsq'"
                " and set field 'codebook_size'"
            )
        self.hidden = config.codebook_size
        self.network = MaskgitNetwork(config)

    def before_first(self, batch: int) -> Tensor:
        """Hidden tokens."""
        shape = (batch, self.config.tokens_per_frame)
        return torch.full(shape, self.hidden, device=self.network.logits.weight.device)

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
            logits, keys, values = self.run_pass(state, tokens_BN, level, 0, action_B, prompt_BP, run)
            hidden_BN = tokens_BN == self.hidden
            drawn_BN, certainty_BN = self._draw(logits.float(), generators, temperature)
            known = total if index + 1 == steps else int(total * (1 - math.cos(math.pi / 2 * (index + 1) / steps)))
            certainty_BN = certainty_BN.masked_fill(~hidden_BN, float("inf"))
            keep = torch.zeros_like(hidden_BN).scatter_(1, certainty_BN.topk(known, dim=1).indices, True)
            filled = torch.where(hidden_BN, drawn_BN, tokens_BN)
            tokens_BN = torch.where(keep, filled, torch.full_like(tokens_BN, self.hidden))
        return tokens_BN, Written(keys, values, tokens_BN, action_B)

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
        _, keys, values = self.run_pass(state, tokens_BN, level, 0, action_B, prompt_BP, run)
        return Written(keys, values, codes_BN, action_B)

    def loss(
        self,
        codes_BTN: Tensor,
        actions_BT: Tensor,
        prompts_BTP: Tensor | None,
        generator: torch.Generator,
        progress: float = 1.0,
        outcomes_BT2: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Cross entropy of hidden tokens.

        Args:
            codes_BTN: token ids from the tokenizer.
            actions_BT: int64, the action that produced each frame.
            prompts_BTP: caption embeddings or None.
            generator: source of masks and dropout.
            progress: not used; part of the interface.
            outcomes_BT2: reward and end that came with each frame, NaN where not known; for ``config.outcomes``.

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
        logits, values = self.network.window_and_memory(
            tokens, past, levels, torch.zeros_like(actions), actions, prompts_BTP
        )
        per_token = F.cross_entropy(logits.float().flatten(0, 2), codes_BTN.flatten(), reduction="none")
        weight = hidden.float()
        weight[:, 0] *= self.config.first_frame_weight
        weight = weight.flatten()
        right = (logits.argmax(dim=-1) == codes_BTN)[hidden].float()
        result = {"loss": (per_token * weight).sum() / weight.sum().clamp_min(1), "accuracy": right.mean()}
        return self.add_outcome_loss(result, values, outcomes_BT2)

    def _draw(
        self, logits_BNV: Tensor, generators: Sequence[torch.Generator], temperature: float
    ) -> tuple[Tensor, Tensor]:
        """A token for each place, by the Gumbel trick, and how likely it was."""
        # Without chance the plain probabilities still say which places are certain enough to be kept first.
        log_probs = torch.log_softmax(logits_BNV / (temperature or 1.0), dim=-1)
        if temperature > 0:
            shape = logits_BNV.shape[1:]
            uniform = torch.stack([torch.rand(shape, generator=generator) for generator in generators])
            gumbel = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
            drawn_BN = (log_probs + gumbel.to(log_probs.device)).argmax(dim=-1)
        else:
            drawn_BN = log_probs.argmax(dim=-1)
        return drawn_BN, log_probs.gather(-1, drawn_BN.unsqueeze(-1)).squeeze(-1)
