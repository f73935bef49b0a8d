"""Continuous head: predicts clean latents from noisy ones, in few steps, with the memory of the last step kept.

Every frame of a training clip has its own noise level (diffusion forcing, Chen et al. 2024) and the network predicts
the clean latents (x-prediction). Part of a batch learns to take one large step where two small ones would go
(shortcut models, Frans et al. 2024; used for world models by Dreamer 4, Hafner et al. 2025).

Two choices are ours. The previous frame's final latents are an input beside the noisy ones, and the prediction is a
change to them: a world is mostly what it was a moment ago, so capacity and training time go into what moves. And
because the final latents come back that way, keys and values of the last denoising step can be kept as memory;
no extra pass rewrites them.

Legend: B batch, T frames, N latents, C channels, A actions, P prompt dims, L time layers, R ring slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from dynamics.config import DynamicsConfig
from dynamics.frame import FrameDynamics, FrameNetwork, Run
from playground.core.errors import PlaygroundError
from playground.core.nn.ring import RingState, Written
from playground.core.nn.statistics import NormalisedLatents
from playground.core.registry import DYNAMICS
from playground.core.sampling import Draw, row_noise


class ShortcutNetwork(FrameNetwork):
    """Noisy latents (B, N, C) to clean ones of the same shape."""

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the layers that ``config`` describes."""
        super().__init__(config)
        packed_channels = config.latent_channels * config.packing**2
        self.embed = nn.Linear(2 * packed_channels, config.width)
        self.head = nn.Linear(config.width, packed_channels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def embed_frame(self, frame: Tensor, previous: Tensor) -> Tensor:
        """Noisy latents and the clean ones of the frame before, side by side."""
        return self.embed(torch.cat((self.pack(frame), self.pack(previous)), dim=-1))

    def read_out(self, packed: Tensor, previous: Tensor) -> Tensor:
        """Clean latents, as a change to the frame before."""
        return previous + self.unpack(self.head(packed)).float()


@DYNAMICS.register("shortcut")
class ShortcutDynamics(NormalisedLatents, FrameDynamics):
    """Next-frame latents by a few denoising steps."""

    type_name: ClassVar[str] = "shortcut"
    discrete: ClassVar[bool] = False

    def __init__(self, config: DynamicsConfig) -> None:
        """Build the network that ``config`` describes."""
        super().__init__(config)
        self.network = ShortcutNetwork(config)
        self.register_statistics(config.latent_channels)

    def before_first(self, batch: int) -> Tensor:
        """Zeros, the mean of the data."""
        shape = (batch, self.config.tokens_per_frame, self.config.latent_channels)
        return torch.zeros(shape, device=self.mean_C.device)

    def codes_of(self, remembered: Tensor) -> Tensor:
        """Latents (B, N, C) for the tokenizer from normalised ones in the memory."""
        return remembered * self.scale_C + self.mean_C

    def generate(
        self,
        state: RingState,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        steps: int | None = None,
        run: Run | None = None,
    ) -> tuple[Tensor, Written]:
        """Draw the next frame of every row.

        Args:
            state: memory; not changed (call ``state.write`` with the result).
            action_B: int64, ``num_actions`` for unknown.
            prompt_BP: caption embeddings or None.
            generators: one a row, so that a row's frames depend on its own seed alone.
            steps: denoising passes, a power of two up to ``config.steps`` (the default).
            run: replaces the network (an engine's compiled or quantised version).

        Returns:
            Latents (B, N, C) for the tokenizer, and what to write into the memory.

        Raises:
            PlaygroundError: a number of steps that the model was not trained for.
        """
        most = self.config.steps
        steps = steps or most
        if not 1 <= steps <= most or steps & (steps - 1):
            raise PlaygroundError(f"{steps} steps a frame do not work; use a power of two from 1 to {most}")
        shape = (self.config.tokens_per_frame, self.config.latent_channels)
        x_BNC = row_noise(shape, generators).to(state.previous.device)
        for index in range(steps):
            clean, keys, values = self.run_pass(
                state, x_BNC, index / steps, steps.bit_length() - 1, action_B, prompt_BP, run
            )
            x_BNC = x_BNC + (self._in_range(clean) - x_BNC) / (steps - index)
        return x_BNC * self.scale_C + self.mean_C, Written(keys, values, x_BNC, action_B)

    def observe(
        self,
        state: RingState,
        codes_BNC: Tensor,
        action_B: Tensor,
        prompt_BP: Tensor | None,
        generators: Sequence[torch.Generator],
        run: Run | None = None,
    ) -> Written:
        """What a given frame (B, N, C) adds to the memory, seen with the noise of a last denoising step."""
        clean = (codes_BNC - self.mean_C) / self.scale_C
        steps = self.config.steps
        level = 1 - 1 / steps
        noise = row_noise(clean.shape[1:], generators).to(clean.device)
        noisy = (1 - level) * noise + level * clean
        _, keys, values = self.run_pass(state, noisy, level, steps.bit_length() - 1, action_B, prompt_BP, run)
        return Written(keys, values, clean, action_B)

    def loss(
        self,
        codes_BTNC: Tensor,
        actions_BT: Tensor,
        prompts_BTP: Tensor | None,
        generator: torch.Generator,
        progress: float = 1.0,
        outcomes_BT2: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Denoising loss of a batch of clips, plus the shortcut loss once half trained.

        Args:
            codes_BTNC: latents from the tokenizer.
            actions_BT: int64, the action that produced each frame.
            prompts_BTP: caption embeddings or None.
            generator: source of noise, levels and dropout.
            progress: share of the training done, in [0, 1].
            outcomes_BT2: reward and end that came with each frame, NaN where not known; for ``config.outcomes``.

        Returns:
            ``loss`` to minimise; ``copy_ratio``, the first-pass error over the error of repeating the last frame.
        """
        clean = (codes_BTNC.float() - self.mean_C) / self.scale_C
        batch, frames = clean.shape[:2]
        draw = Draw(generator)
        hidden = draw.uniform(batch, frames) < self.config.action_dropout
        actions = actions_BT.masked_fill(hidden, self.num_actions)
        if prompts_BTP is not None:
            prompts_BTP = prompts_BTP * (draw.uniform(batch, 1, 1) >= self.config.prompt_dropout)
        past = torch.cat((torch.zeros_like(clean[:, :1]), clean[:, :-1]), dim=1)
        own = draw.rows(batch, self.config.own_share) if progress > 0.5 else 0
        if own:
            past[:own, 1:] = self._own_predictions(clean[:own], past[:own], actions[:own], prompts_BTP, draw)[:, :-1]
        past = past + self._context_noise(past, draw)
        levels = self._levels(batch, frames, draw)
        finest = torch.full((batch, frames), self.config.steps.bit_length() - 1, device=clean.device)
        noise = draw.normal(*clean.shape)
        noisy = torch.lerp(noise, clean, levels[..., None, None])
        predicted, values = self.network.window_and_memory(noisy, past, levels, finest, actions, prompts_BTP)
        error_BT = (predicted - clean).square().mean(dim=(2, 3))
        weight_T = torch.ones(frames, device=clean.device)
        weight_T[0] = self.config.first_frame_weight
        loss = (error_BT * weight_T).mean()
        result = {"loss": loss, "copy_ratio": self._copy_ratio(error_BT, clean, levels)}
        shared = draw.rows(batch, self.config.shortcut_share) if progress > 0.5 and self.config.steps > 1 else 0
        if shared:
            rows = slice(batch - shared, batch)
            prompts = None if prompts_BTP is None else prompts_BTP[rows]
            shortcut, large = self._shortcut_loss(clean[rows], noise[rows], past[rows], actions[rows], prompts, draw)
            if outcomes_BT2 is not None:  # outcomes are read after a large step as well
                values, outcomes_BT2 = torch.cat((values, large)), torch.cat((outcomes_BT2, outcomes_BT2[rows]))
            result["shortcut"] = shortcut.detach()
            result["loss"] = result["loss"] + shared / batch * shortcut
        return self.add_outcome_loss(result, values, outcomes_BT2)

    def _levels(self, batch: int, frames: int, draw: Draw) -> Tensor:
        """Noise levels on the sampling grid; half of them 0, where the frame has to be predicted from its past."""
        steps = self.config.steps
        levels = torch.floor(draw.uniform(batch, frames) * steps) / steps
        return torch.where(draw.uniform(batch, frames) < 0.5, torch.zeros_like(levels), levels)

    def _context_noise(self, past: Tensor, draw: Draw) -> Tensor:
        batch, frames = past.shape[:2]
        scale = draw.uniform(batch, frames, 1, 1) * self.config.context_noise
        scale[:, 0] = 0.0  # nothing precedes the first frame, and generation says so with exact zeros
        return scale * draw.normal(*past.shape)

    @torch.no_grad()
    def _own_predictions(
        self, clean: Tensor, past: Tensor, actions: Tensor, prompts: Tensor | None, draw: Draw
    ) -> Tensor:
        """First-pass predictions of each frame, to be used as the imperfect past of the next one."""
        levels = torch.zeros(clean.shape[:2], device=clean.device)
        finest = torch.full(clean.shape[:2], self.config.steps.bit_length() - 1, device=clean.device)
        prompts = None if prompts is None else prompts[: clean.shape[0]]
        predicted = self.network.window(draw.normal(*clean.shape), past, levels, finest, actions, prompts)
        return self._in_range(predicted)

    def _in_range(self, clean: Tensor) -> Tensor:
        """Keep normalised latents where the tokenizer's lie, so that errors of many frames cannot run away."""
        return torch.clamp(clean, (-1 - self.mean_C) / self.scale_C, (1 - self.mean_C) / self.scale_C)

    def _shortcut_loss(
        self, clean: Tensor, noise: Tensor, past: Tensor, actions: Tensor, prompts: Tensor | None, draw: Draw
    ) -> tuple[Tensor, Tensor]:
        """Match one step of size 2d to the mean direction of two steps of size d (Frans et al. 2024, eq. 4).

        Returns:
            The loss, and the values that the large steps write into the memory.
        """
        batch, frames = clean.shape[:2]
        finest = self.config.steps.bit_length() - 1
        large = torch.floor(draw.uniform(batch, 1) * finest).long().expand(batch, frames)
        count = torch.pow(2.0, large)  # number of large steps in a frame
        levels = torch.floor(draw.uniform(batch, frames) * count) / count
        small_size = 0.5 / count
        noisy = torch.lerp(noise, clean, levels[..., None, None])

        def direction(x: Tensor, level: Tensor) -> Tensor:
            predicted = self.network.window(x, past, level, large + 1, actions, prompts)
            return (predicted - x) / (1 - level)[..., None, None]

        with torch.no_grad():
            first = direction(noisy, levels)
            second = direction(noisy + first * small_size[..., None, None], levels + small_size)
            target = (first + second) / 2
        predicted, values = self.network.window_and_memory(noisy, past, levels, large, actions, prompts)
        reached = noisy + target * (1 - levels)[..., None, None]  # the same comparison in x-space is (1-level)^2 in v
        return (predicted - reached)[:, 1:].square().mean(), values

    def _copy_ratio(self, error_BT: Tensor, clean: Tensor, levels: Tensor) -> Tensor:
        still_BT = (clean[:, 1:] - clean[:, :-1]).square().mean(dim=(2, 3))
        first_pass = (levels[:, 1:] == 0).float()
        return (error_BT[:, 1:].detach() * first_pass).sum() / (still_BT * first_pass).sum().clamp_min(1e-6)
