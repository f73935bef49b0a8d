"""Pictures from words: a world's first frame, and the frame at hand when the words change.

Legend: B rows, P prompt dims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playground.world.bundle import World

KEPT = 0.35
"""Share of a frame that stands when words change it, the rest being noise: shapes stay, colours and light follow."""


def draw_first_frame(world: World, text: str = "", seed: int = 0) -> np.ndarray:
    """See :meth:`World.draw_first_frame`."""
    import torch

    from playground.core.sampling import make_generator

    with torch.inference_mode():
        prompt_BP = torch.from_numpy(world.embed(text))[None] if text else None
        if world.first_frames is not None:
            guidance = world.sampling.get("guidance")
            latents = world.first_frames.draw(prompt_BP, [make_generator(seed)], guidance)[:, None]
        else:
            # At the finest steps, whatever is played with: larger ones are learned on frames that have a past.
            heat = {name: x for name, x in world.sampling.items() if name == "temperature" and x is not None}
            latents = world.latents(world.dynamics.draw_first(prompt_BP, [make_generator(seed)], **heat))
        return world.tokenizer.decode(latents)[0, 0].numpy().copy()


def redraw(world: World, frames_BHWC: np.ndarray, prompts_BP: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
    """Frames as other words would have them: noise is mixed into each and drawn away again (Meng et al. 2022).

    Args:
        world: one with a model of first frames.
        frames_BHWC: uint8 frames of the world's size.
        prompts_BP: what they are to show, embedded.
        seeds: of the noise, one a frame.

    Returns:
        uint8 frames (B, H, W, 3).
    """
    import torch

    from playground.core.sampling import make_generator

    with torch.inference_mode():
        latents = world.tokenizer.encode(torch.from_numpy(np.array(frames_BHWC))[:, None])[:, 0]
        drawn = world.first_frames.draw(
            torch.from_numpy(np.asarray(prompts_BP, np.float32)),
            [make_generator(seed) for seed in seeds],
            world.sampling.get("guidance"),
            start_BNC=latents,
            kept=KEPT,
        )
        return world.tokenizer.decode(drawn[:, None])[:, 0].numpy().copy()
