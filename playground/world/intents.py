"""Actions by name: the codes that follow those of the latent actions, and what they mean at a moment.

With A latent actions, code A stands for an unknown one. In a world with an intent model of L names, codes A + 1 to
A + L stand for these names: codes like any other to sessions, recordings and agents. Which latent action such a name
means is decided frame by frame, right before the frame is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.nn.ring import RingState


def first_name(world: Any) -> int:
    """Code of the first name."""
    return int(world.dynamics.num_actions) + 1


def num_choices(world: Any) -> int:
    """How many codes a world knows, the unknown action included."""
    intents = getattr(world, "intents", None)
    return first_name(world) + (0 if intents is None else len(intents.names))


def understood(world: Any, state: RingState, action_B: Tensor) -> Tensor:
    """The latent actions (B,) int64 that codes mean now; latent actions themselves stay what they are.

    Args:
        world: knows the names, if it has an intent model.
        state: what the rows have seen. Where that is nothing, a name means the unknown action.
        action_B: int64 codes.
    """
    name_B = action_B - first_name(world)
    if getattr(world, "intents", None) is None or not bool((name_B >= 0).any()):
        return action_B
    import torch

    latest, earlier = (_latents(world, state, codes) for codes in (state.previous, state.earlier))
    once = (state.position_B == 1)[:, None, None]
    earlier = torch.where(once, latest, earlier)
    read_B = world.intents.read(earlier, latest, state.heard_BH, name_B.clamp_min(0))
    read_B = torch.where(state.position_B == 0, torch.full_like(read_B, world.dynamics.num_actions), read_B)
    return torch.where(name_B >= 0, read_B, action_B)


def _latents(world: Any, state: RingState, remembered: Tensor) -> Tensor:
    """Latents (B, N, C) of frames as the memory has them; zeros where nothing was seen."""
    import torch

    seen = (state.position_B > 0).reshape(-1, *[1] * (remembered.dim() - 1))
    drawn = world.dynamics.codes_of(torch.where(seen, remembered, torch.zeros_like(remembered)))
    latents: Tensor = world.latents(drawn)[:, 0]
    return latents
