"""Truth windows from a clip dataset and what a world makes of them, in batches, straight through its models.

Every arm of a comparison (true, shuffled, no-op, random actions) starts from the same context and draws the
same noise, so that a difference between two arms can only come from the actions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from playground.core.errors import PlaygroundError
from playground.core.sampling import make_generator
from playground.world.sources import book_of

ARMS = ("true", "shuffled", "noop", "random")
"""Rollouts that differ in their actions only."""

PRESSED = ("keys", "other keys")
"""Rollouts under the actions that were recorded with the clips, and under those of other clips of the same source."""

FORCED = "forced"
"""Every frame drawn from the true past under true actions: what is left of the error without drift."""

Progress = Callable[[str, int, int], None]
"""Called with a stage name, the steps done and the steps in all."""

Clips = Sequence[np.ndarray] | np.ndarray
"""Frames (T, H, W, C) of each clip; one array where all are as long."""


@dataclass(frozen=True)
class Rollouts:
    """Generated continuations of true clips.

    Attributes:
        truth_BTHWC: uint8, the true frames after the context.
        arms: arm name (of ``ARMS``, ``PRESSED`` or ``FORCED``) to uint8 frames of the same shape.
        actions: arm name to int64 actions ``(B, T)`` that were played.
    """

    truth_BTHWC: np.ndarray
    arms: dict[str, np.ndarray]
    actions: dict[str, np.ndarray]


def encode(world: Any, frames_BTHWC: np.ndarray) -> torch.Tensor:
    """What the world's dynamics works on: float latents ``(B, T, N, C)`` or int64 tokens ``(B, T, N)``."""
    latents = world.tokenizer.encode(torch.from_numpy(np.ascontiguousarray(frames_BTHWC)))
    return world.tokenizer.quantize(latents) if world.dynamics.discrete else latents


def decode(world: Any, codes: torch.Tensor) -> np.ndarray:
    """Frames ``(B, T, H, W, C)`` uint8 of codes from ``encode`` or from the dynamics."""
    frames = world.tokenizer.decode(world.latents(codes.flatten(0, 1)))[:, 0]
    return frames.unflatten(0, codes.shape[:2]).cpu().numpy()


def infer_actions(world: Any, frames_BTHWC: np.ndarray) -> np.ndarray:
    """Latent actions ``(B, T)`` int64 that the world's own latent action model reads from frames.

    Entry t is the action that produced frame t; the first is unknown (``num_actions``).

    Raises:
        PlaygroundError: the world has no latent action model.
    """
    if getattr(world, "latent_actions", None) is None:
        raise PlaygroundError(
            f"world {world.name!r} has no latent_actions part; pack it with one to measure its actions"
        )
    with torch.inference_mode():
        return world.latent_actions.infer(torch.from_numpy(np.ascontiguousarray(frames_BTHWC))).cpu().numpy()


@torch.inference_mode()
def prefill(
    world: Any,
    frames_BTHWC: np.ndarray,
    actions_BT: np.ndarray | None,
    seed: int | Sequence[int],
    prompt_BP: torch.Tensor | None = None,
) -> Any:
    """Show the context frames to the dynamics and return its state.

    Args:
        world: the world whose tokenizer and dynamics are used.
        frames_BTHWC: uint8 context.
        actions_BT: latent action that produced each frame, or None for unknown ones.
        seed: of the context noise; see ``row_generators``.
        prompt_BP: embedded captions, for a world that takes texts.
    """
    batch, length = frames_BTHWC.shape[:2]
    codes = encode(world, frames_BTHWC)
    state = world.dynamics.new_state(batch)
    generators = row_generators(seed, batch)
    for t in range(length):
        action = np.full(batch, world.dynamics.num_actions) if actions_BT is None else actions_BT[:, t]
        state.write(world.dynamics.observe(state, codes[:, t], _tensor(action), prompt_BP, generators))
    return state


@torch.inference_mode()
def play(
    world: Any,
    state: Any,
    actions_BT: np.ndarray,
    seed: int | Sequence[int],
    on_frame: Callable[[], None] | None = None,
    prompt_BP: torch.Tensor | None = None,
    true_BTHWC: np.ndarray | None = None,
) -> np.ndarray:
    """Generate one frame for every column of ``actions_BT`` and return them, uint8 ``(B, T, H, W, C)``.

    Frames are drawn with the world's own sampling defaults (steps, temperature), as a player gets them. The state is
    advanced in place; clone it first to play several arms from it.

    Args:
        world: the world that plays.
        state: memory of the past, from ``prefill``.
        actions_BT: latent actions.
        seed: of the noise; see ``row_generators``.
        on_frame: called after every frame.
        prompt_BP: embedded captions, for a world that takes texts.
        true_BTHWC: true frames; with them the world remembers these instead of its own (teacher forcing).
    """
    generators = row_generators(seed, actions_BT.shape[0])
    true_codes = None if true_BTHWC is None else encode(world, true_BTHWC)
    frames = []
    for t in range(actions_BT.shape[1]):
        action_B = _tensor(actions_BT[:, t])
        codes, written = world.draw(state, action_B, prompt_BP, generators)
        if true_codes is not None:
            written = world.dynamics.observe(state, true_codes[:, t], action_B, prompt_BP, generators)
        state.write(written)
        frames.append(decode(world, codes[:, None])[:, 0])
        if on_frame is not None:
            on_frame()
    return np.stack(frames, axis=1)


def hold(
    world: Any,
    prompt_THWC: np.ndarray,
    codes: Sequence[int],
    frames: int,
    seed: int,
    text_1P: torch.Tensor | None = None,
) -> np.ndarray:
    """Hold each latent action from the same prompt, text and noise: uint8 ``(len(codes), frames, H, W, C)``."""
    actions = np.repeat(np.asarray(codes, dtype=np.int64)[:, None], frames, axis=1)
    return play_each(world, [prompt_THWC], actions, [seed], text_BP=text_1P)[0]


def play_each(
    world: Any,
    prompts: Clips,
    actions_KT: np.ndarray,
    seeds: Sequence[int],
    batch: int = 32,
    progress: tuple[str, Progress] | None = None,
    text_BP: torch.Tensor | None = None,
) -> np.ndarray:
    """Play every row of actions from every prompt: uint8 ``(prompts, K, T, H, W, C)``.

    All rows of a prompt draw the same noise, so that they differ by their actions only.

    Args:
        world: the world that plays.
        prompts: uint8 clips ``(T, H, W, C)``, of any lengths.
        actions_KT: the rows of latent actions.
        seeds: one a prompt.
        batch: rows in a forward pass.
        progress: stage name and what is told after each batch of prompts.
        text_BP: embedded text of each prompt, for a world that takes texts.
    """
    rows = len(actions_KT)
    made: list[np.ndarray | None] = [None] * len(prompts)
    lengths = sorted({len(prompt) for prompt in prompts})
    for length in lengths:
        alike = [index for index, prompt in enumerate(prompts) if len(prompt) == length]
        per_pass = max(1, batch // rows)
        for start in range(0, len(alike), per_pass):
            part = alike[start : start + per_pass]
            shown = np.concatenate([np.repeat(prompts[index][None], rows, axis=0) for index in part])
            noise = [seeds[index] for index in part for _ in range(rows)]
            texts = None if text_BP is None else text_BP[part].repeat_interleave(rows, dim=0)
            state = prefill(world, shown, None, noise, texts)
            played = play(world, state, np.tile(actions_KT, (len(part), 1)), noise, prompt_BP=texts)
            for place, index in enumerate(part):
                made[index] = played[place * rows : (place + 1) * rows]
            if progress is not None:
                progress[1](progress[0], sum(clip is not None for clip in made), len(prompts))
    return np.stack([clip for clip in made if clip is not None])


def roll_out(
    world: Any,
    clips_BTHWC: np.ndarray,
    context: int,
    seed: int = 0,
    arms: Sequence[str] = (*ARMS, FORCED),
    batch: int = 32,
    progress: Progress | None = None,
    actions_BT: np.ndarray | None = None,
    prompt_BP: torch.Tensor | None = None,
    sources_B: Sequence[str] | None = None,
    pressed_BT: np.ndarray | None = None,
) -> Rollouts:
    """Continue true clips under true, shuffled, no-op and random latent actions, and with the true past.

    Shuffled actions are the true ones of another clip and moment of the same source; random ones are uniform over the
    codes.

    Args:
        world: the world that is measured.
        clips_BTHWC: uint8 true clips; the first ``context`` frames are the prompt, the rest is continued.
        context: frames shown before the first generated one, at least 1.
        seed: of noise and of the shuffled and random actions.
        arms: which of ``ARMS`` and ``FORCED`` to play.
        batch: clips a forward pass.
        progress: called after every generated frame of a batch.
        actions_BT: latent action that produced each frame; inferred by the world's own model when left out.
        prompt_BP: embedded captions, for a world that takes texts.
        sources_B: source of each clip, for a world that learned from several; all of one by default.
        pressed_BT: action of the world's book that was recorded with each frame; with it the arms ``PRESSED`` are
            played as well.
    """
    if not 1 <= context < clips_BTHWC.shape[1]:
        raise ValueError(f"context of {context} frames does not fit clips of {clips_BTHWC.shape[1]} frames")
    if actions_BT is None:
        actions_BT = np.concatenate([infer_actions(world, part) for part in _parts(clips_BTHWC, batch)])
    named_B = [""] * len(clips_BTHWC) if sources_B is None else list(sources_B)
    actions = arm_actions(actions_BT[:, context:], world, named_B, np.random.default_rng(seed))
    if pressed_BT is not None:
        actions |= pressed_arms(pressed_BT[:, context:], named_B)
        arms = (*arms, *PRESSED)
    played: dict[str, list[np.ndarray]] = {arm: [] for arm in arms}
    on_frame = _counted(progress, len(arms) * (clips_BTHWC.shape[1] - context) * -(-len(clips_BTHWC) // batch))
    for start in range(0, len(clips_BTHWC), batch):
        rows = slice(start, start + batch)
        prompt = None if prompt_BP is None else prompt_BP[rows]
        state = prefill(world, clips_BTHWC[rows, :context], actions_BT[rows, :context], seed + start, prompt)
        for arm in arms:
            true = clips_BTHWC[rows, context:] if arm == FORCED else None
            part = play(world, state.clone(), actions[arm][rows], seed + start + 1, on_frame, prompt, true)
            played[arm].append(part)
    return Rollouts(
        truth_BTHWC=clips_BTHWC[:, context:],
        arms={arm: np.concatenate(parts) for arm, parts in played.items()},
        actions={arm: actions[arm] for arm in arms},
    )


def continue_clips(
    world: Any,
    clips_BTHWC: np.ndarray,
    context: int,
    actions_BT: np.ndarray,
    seed: int,
    prompt_BP: torch.Tensor | None = None,
    batch: int = 32,
) -> np.ndarray:
    """What a world draws in the place of all frames after the context, under given actions: uint8 (B, T, H, W, C).

    Args:
        world: the world that is measured.
        clips_BTHWC: uint8 true clips.
        context: frames shown before the first generated one, whose latent actions are inferred.
        actions_BT: the action for every frame; those of the context do not matter.
        seed: of noise.
        prompt_BP: embedded captions, for a world that takes texts.
        batch: clips a forward pass.
    """
    parts = []
    for start in range(0, len(clips_BTHWC), batch):
        rows = slice(start, start + batch)
        prompt, shown = None if prompt_BP is None else prompt_BP[rows], clips_BTHWC[rows, :context]
        state = prefill(world, shown, infer_actions(world, shown), seed + start, prompt)
        parts.append(play(world, state, actions_BT[rows, context:], seed + start + 1, prompt_BP=prompt))
    return np.concatenate(parts)


def pressed_arms(pressed_BT: np.ndarray, sources_B: Sequence[str]) -> dict[str, np.ndarray]:
    """The actions (B, T) of ``PRESSED``: a clip's own, and those of the next clip of its source."""
    order = np.arange(len(sources_B))
    for source in dict.fromkeys(sources_B):
        rows = np.flatnonzero(np.asarray(sources_B) == source)
        order[rows] = np.roll(rows, -1)
    return dict(zip(PRESSED, (pressed_BT, pressed_BT[order]), strict=True))


def arm_actions(
    true_BT: np.ndarray, world: Any, sources_B: Sequence[str], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The latent actions of every arm, each int64 ``(B, T)``, from the inferred true ones and the clips' sources."""
    shuffled, noop = true_BT.copy(), true_BT.copy()
    for source in dict.fromkeys(sources_B):
        rows = [row for row, name in enumerate(sources_B) if name == source]
        # Another source has other actions: with those, any world would look as if it obeyed.
        flat = true_BT[rows].reshape(-1)
        shuffled[rows] = flat[rng.permutation(flat.size)].reshape(len(rows), -1)
        noop[rows] = noop_code(world, source)
    return {
        "true": true_BT,
        "shuffled": shuffled,
        "noop": noop,
        "random": rng.integers(0, world.dynamics.num_actions, true_BT.shape).astype(true_BT.dtype),
        FORCED: true_BT,
    }


def noop_code(world: Any, source: str = "") -> int:
    """The latent action of holding no key in a source; "unknown" for a world whose book has none."""
    noop = getattr(book_of(world, source), "noop", None)
    return int(getattr(noop, "code", noop if noop is not None else world.dynamics.num_actions))


def row_generators(seed: int | Sequence[int], rows: int) -> list[torch.Generator]:
    """One noise stream a row, reproducible from ``seed`` (a list gives each row its own seed)."""
    seeds = [seed * 100_003 + row for row in range(rows)] if isinstance(seed, int) else list(seed)
    return [make_generator(value) for value in seeds]


def _counted(progress: Progress | None, total: int) -> Callable[[], None]:
    """A call that tells ``progress`` how often it was made."""
    done = itertools.count(1)

    def on_frame() -> None:
        if progress is not None:
            progress("rollouts", next(done), total)

    return on_frame


def _tensor(actions_B: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(actions_B).astype(np.int64))


def _parts(clips: np.ndarray, batch: int) -> Iterable[np.ndarray]:
    return (clips[start : start + batch] for start in range(0, len(clips), batch))
