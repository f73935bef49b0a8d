"""What a world's model of first frames does: it draws them, redraws one when words change, and corrects play.

Legend: B rows, N latents, C channels, P prompt dims.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.core.errors import PlaygroundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor

    from playground.core.nn.ring import RingState, Written
    from playground.world.bundle import World

OF_FIRST_FRAMES = ("guidance", "correct_every")
"""Fields of a world's sampling that its dynamics knows nothing of."""

REDRAW_PASSES = 24
"""Passes from a frame to its noise, and as many back."""

RENEWED = 0.75
"""Share of that noise, by variance, which is drawn anew: with less, things that the words take away tend to stay, such
as a road; with more, what they do not speak of is lost."""

REDRAW_GUIDANCE = 8.0
"""As strong as for first frames of shipped worlds: the words have to win over what the frame was."""

CHOICES = 8
"""Drawings among which a model that can read its own pictures chooses."""

KEPT_IN_PLAY = 0.5
"""Share of a frame that stands when it is corrected: what is there stays, but looks like real frames again."""

CORRECT_PASSES = 4

CORRECT_GUIDANCE = 4.0
"""Weaker than for first frames: with twice as much, what a sentence names multiplies from one correction to the next,
zombies for one; with half of it, creatures that the dynamics let fade are seldom brought back."""


def knows_words(world: Any) -> bool:
    """Whether a world has a model of first frames that was trained with captions."""
    return getattr(world, "first_frames", None) is not None and world.first_frames.config.prompt_dims > 0


def draw_first_frame(world: World, text: str = "", seed: int = 0) -> np.ndarray:
    """See :meth:`World.draw_first_frame`."""
    import torch

    from playground.core.sampling import make_generator

    with torch.inference_mode():
        prompt_BP = torch.from_numpy(world.embed(text))[None] if text else None
        if world.first_frames is not None and (not text or knows_words(world)):
            guidance = world.sampling.get("guidance")
            latents = draw_chosen(world.first_frames, prompt_BP, [make_generator(seed)], guidance)[:, None]
        else:
            # At the finest steps, whatever is played with: larger ones are learned on frames that have a past.
            heat = {name: x for name, x in world.sampling.items() if name == "temperature" and x is not None}
            latents = world.latents(world.dynamics.draw_first(prompt_BP, [make_generator(seed)], **heat))
        return world.tokenizer.decode(latents)[0, 0].numpy().copy()


def redraw(world: World, frames_BHWC: np.ndarray, prompts_BP: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
    """Frames as other words would have them.

    Each is turned into the noise that it would have been drawn from, and that is drawn again to the words: what they
    do not decide, such as where a road runs, mostly stays. (Mixing noise into the frame and drawing it away, as
    :func:`correct` does, either keeps what the words should change or loses the rest.)

    Args:
        world: one with a model of first frames.
        frames_BHWC: uint8 frames of the world's size.
        prompts_BP: what they are to show, embedded.
        seeds: of the noise that is renewed, one a frame.

    Returns:
        uint8 frames (B, H, W, 3).

    Raises:
        PlaygroundError: the world has no model of first frames, or one that knows no words.
    """
    model = world.first_frames
    if model is None or not knows_words(world):
        raise PlaygroundError(f"world {world.name!r} has no model of first frames that knows words; train one")
    import torch

    from playground.core.sampling import make_generator

    with torch.inference_mode():
        generators = [make_generator(seed) for seed in seeds]
        latents = world.tokenizer.encode(torch.from_numpy(np.array(frames_BHWC))[:, None])[:, 0]
        noise = model.noise_of(latents, REDRAW_PASSES)
        told_BP = torch.from_numpy(np.asarray(prompts_BP, np.float32))
        drawn = draw_chosen(model, told_BP, generators, REDRAW_GUIDANCE, noise, REDRAW_PASSES)
        return world.tokenizer.decode(drawn[:, None])[:, 0].numpy().copy()


def draw_chosen(
    model: Any,
    prompt_BP: Tensor | None,
    generators: Sequence[torch.Generator],
    guidance: float | None,
    noise_BNC: Tensor | None = None,
    passes: int | None = None,
) -> Tensor:
    """Draw every row several times and keep what fits its text best; once for a model that cannot read.

    Args:
        model: of first frames.
        prompt_BP: texts, or None.
        generators: one a row; all drawings of a row come from it.
        guidance: see ``draw`` of the model.
        noise_BNC: noise that drawings begin with, ``RENEWED`` of it drawn anew each time; all of it by default.
        passes: of a drawing, if not the model's own number.

    Returns:
        Latents (B, N, C).
    """
    from playground.core.sampling import row_noise

    options: dict[str, Any] = {} if passes is None else {"passes": passes}
    reads = prompt_BP is not None and getattr(model, "reader", None) is not None
    times = CHOICES if reads else 1
    own = [generator for generator in generators for _ in range(times)]
    if noise_BNC is not None:
        fresh = row_noise(noise_BNC.shape[1:], own).to(noise_BNC.device)
        kept = noise_BNC.repeat_interleave(times, dim=0)
        options["noise_BNC"] = (1 - RENEWED) ** 0.5 * kept + RENEWED**0.5 * fresh
    told_BP = None if prompt_BP is None else prompt_BP.repeat_interleave(times, dim=0)
    drawn_BNC: Tensor = model.draw(told_BP, own, guidance, **options)
    if not reads:
        return drawn_BNC
    best_B = model.fit(drawn_BNC, told_BP).unflatten(0, (-1, times)).argmax(dim=1)
    return drawn_BNC.unflatten(0, (-1, times))[range(len(best_B)), best_B]


def correct(
    world: World,
    state: RingState,
    drawn_BNC: Tensor,
    written: Written,
    action_B: Tensor,
    prompt_BP: Tensor | None,
    generators: Sequence[torch.Generator],
    run: Callable[..., Any] | None,
    run_first_frames: Callable[..., Tensor] | None = None,
) -> tuple[Tensor, Written]:
    """Bring every n-th frame of a run back to what real frames look like.

    Small errors of the dynamics add up: colours wander, edges melt. The model of first frames has seen real frames only
    and has no past to go wrong from, so a frame that is mixed with some noise and drawn away by it looks real again.

    Args:
        world: its ``sampling["correct_every"]`` is n.
        state: memory before the frame.
        drawn_BNC: the frame as the dynamics drew it.
        written: what it would add to the memory.
        action_B: the action that led to it.
        prompt_BP: texts, or None.
        generators: one a row.
        run: replaces the network of the dynamics.
        run_first_frames: replaces that of the first frames.

    Returns:
        The same for the corrected frame, and for rows that are not due unchanged.
    """
    every = int(world.sampling["correct_every"])
    due = [row for row, position in enumerate(state.position_B.tolist()) if (position + 1) % every == 0]
    if not due:
        return drawn_BNC, written
    drawn_BNC = drawn_BNC.clone()
    written = replace(written, keys=written.keys.clone(), values=written.values.clone(), codes=written.codes.clone())
    # Together where all are due; else one by one, so that engines meet no number of rows that they do not know.
    for rows in [due] if len(due) == len(generators) else [[row] for row in due]:
        own = [generators[row] for row in rows]
        told = None if prompt_BP is None else prompt_BP[rows]
        codes = _corrected(world, drawn_BNC[rows], told, own, run_first_frames)
        memory = state if len(rows) == len(generators) else state.row(rows[0])
        seen = world.dynamics.observe(memory, codes, action_B[rows], told, own, run)
        drawn_BNC[rows] = codes
        written.keys[:, rows], written.values[:, rows], written.codes[rows] = seen.keys, seen.values, seen.codes
    return drawn_BNC, written


def _corrected(
    world: World,
    drawn_BNC: Tensor,
    prompt_BP: Tensor | None,
    generators: Sequence[torch.Generator],
    run: Callable[..., Tensor] | None,
) -> Tensor:
    model = world.first_frames
    assert model is not None, "corrections are switched on for worlds with a model of first frames only"
    device, home = model.mean_C.device, drawn_BNC.device
    told = None if prompt_BP is None else prompt_BP.to(device)
    codes: Tensor = model.draw(
        told,
        generators,
        CORRECT_GUIDANCE,
        start_BNC=drawn_BNC.to(device),
        kept=KEPT_IN_PLAY,
        passes=CORRECT_PASSES,
        run=run,
    )
    return codes.to(home)
