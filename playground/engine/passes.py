"""How a backend calls the network of a world: what goes into every pass, and what is computed once and kept.

A network that offers ``advance`` (see :class:`dynamics.frame.FrameNetwork`) is split: scales and shifts of a noise
level and action are computed once and kept, tokens of action and prompt once a frame. Other networks run as a whole.

Legend: B rows, P prompt dims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from playground.engine.static import StaticStep, step_inputs, without_absent_prompt

if TYPE_CHECKING:
    from playground.world.bundle import World

_CONDITION = slice(2, 6)
"""Level, step, action and prompt among the arguments of a network."""


class WholePass:
    """The network with its own arguments."""

    def __init__(self, world: World) -> None:
        """Args: world that is run."""
        self.world = world

    def module(self, network: nn.Module) -> nn.Module:
        """What has to be compiled of ``network``, which is the world's or a quantised copy."""
        return StaticStep(network, bool(self.world.prompt_dims)).eval()

    def example(self, rows: int) -> list[Tensor]:
        """Inputs of ``module`` for worlds that have seen nothing."""
        return step_inputs(self.world, rows)

    def inputs(self, given: tuple[Any, ...]) -> list[Tensor]:
        """Arguments of ``dynamics.network`` as inputs of ``module``."""
        return without_absent_prompt(self.world, given)


class SplitPass(WholePass):
    """Only what depends on the frame is left in a pass. The weights must not change while this is used."""

    def __init__(self, world: World) -> None:
        """Args: world that is run."""
        super().__init__(world)
        # Every pass of a frame, for every action: with fewer, play would compute them again and again.
        self._most_kept = world.dynamics.config.steps * (world.dynamics.num_actions + 1)
        self._modulations: dict[tuple[float, int, int], Tensor] = {}
        self._extras: tuple[list[int], Tensor | None, Tensor] | None = None

    def module(self, network: nn.Module) -> nn.Module:
        """What has to be compiled of ``network``."""
        return _Advance(network).eval()

    def example(self, rows: int) -> list[Tensor]:
        """Inputs of ``module`` for worlds that have seen nothing."""
        whole: list[Any] = step_inputs(self.world, rows)
        if not self.world.prompt_dims:
            whole.insert(_CONDITION.stop - 1, None)
        with torch.no_grad():
            return [tensor.clone() for tensor in self.inputs(tuple(whole))]

    def inputs(self, given: tuple[Any, ...]) -> list[Tensor]:
        """Arguments of ``dynamics.network`` as inputs of ``module``."""
        level_B, step_B, action_B, prompt_BP = given[_CONDITION]
        actions = action_B.tolist()
        rows = [self._modulation(*key) for key in zip(level_B.tolist(), step_B.tolist(), actions, strict=True)]
        modulations = rows[0] if len(rows) == 1 else torch.cat(rows)
        return [
            *given[: _CONDITION.start],
            self._extra_tokens(actions, prompt_BP),
            modulations,
            *given[_CONDITION.stop :],
        ]

    def _modulation(self, level: float, step: int, action: int) -> Tensor:
        """Row by row, so that a slot's frames do not depend on who else plays."""
        key = (level, step, action)
        if key not in self._modulations:
            if len(self._modulations) >= self._most_kept:
                self._modulations.clear()
            parts = (torch.tensor([part]) for part in key)
            self._modulations[key] = self.world.dynamics.network.modulations(*parts).detach()
        return self._modulations[key]

    def _extra_tokens(self, actions: list[int], prompt_BP: Tensor | None) -> Tensor:
        """All passes of a frame come with the same prompt object, which is never changed in place."""
        if self._extras is None or self._extras[0] != actions or self._extras[1] is not prompt_BP:
            made = self.world.dynamics.network.trunk.extra_tokens(torch.tensor(actions), prompt_BP)
            self._extras = (actions, prompt_BP, made.detach())
        return self._extras[2]


class _Advance(nn.Module):
    # A module that also has ``advance``; see ``pass_of``.
    network: Any

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.network.advance(*inputs)


def pass_of(world: World) -> WholePass:
    """The shorter way, where the network of a world offers one and lies on the CPU.

    A GPU would have to wait for the numbers that say what is known already.
    """
    network = world.dynamics.network
    on_cpu = next(network.parameters()).device.type == "cpu"
    return SplitPass(world) if on_cpu and hasattr(network, "advance") else WholePass(world)
