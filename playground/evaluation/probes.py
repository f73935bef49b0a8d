"""Questions put to a world as a player would: does each key do its own thing, and does the picture last?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from playground.evaluation.metrics import luminance, mean_shift, motion, sharpness
from playground.evaluation.rollouts import Progress, hold, infer_actions, play, prefill

FLOW_THRESHOLD = 0.1
"""Pixels a frame that a held key must move the picture on average to count as moving it."""


def keyed_actions(world: Any) -> list[Any]:
    """The world's actions that a key reaches, one for each latent action code, in the book's order."""
    seen: dict[int, Any] = {}
    for action in world.actions:
        if action.keys or action.noop:
            seen.setdefault(int(action.code), action)
    return list(seen.values())


def key_accuracy(
    world: Any, starts_BTHWC: np.ndarray, frames: int = 8, seed: int = 0, progress: Progress | None = None
) -> float | None:
    """Share of generated frames in which the pressed key is recognised again.

    Every key's latent action is held for ``frames`` frames from every start; then the world's *own* latent
    action model reads the actions back from the generated frames. It is therefore a test of consistency
    between the dynamics and that model, not an independent judge; chance is one over the number of codes.

    Args:
        world: the world that is asked.
        starts_BTHWC: uint8 context clips to press the keys from.
        frames: frames that each key is held.
        seed: of the noise.
        progress: called after every start.

    Returns:
        The share in [0, 1], or None when fewer than two codes have keys.
    """
    codes = [int(action.code) for action in keyed_actions(world)]
    if len(codes) < 2:
        return None
    hits = []
    for index, start in enumerate(starts_BTHWC):
        played = hold(world, start, codes, frames, seed + index)
        context = np.repeat(start[None], len(codes), axis=0)
        read = infer_actions(world, np.concatenate([context, played], axis=1))[:, -frames:]
        hits.append((read == np.asarray(codes)[:, None]).mean())
        if progress is not None:
            progress("keys", index + 1, len(starts_BTHWC))
    return float(np.mean(hits))


def opposite_prompts(
    world: Any,
    prompts: Sequence[np.ndarray],
    frames: int = 40,
    seed: int = 0,
    keys: tuple[str, str] = ("left", "right"),
    progress: Progress | None = None,
) -> tuple[int, int] | None:
    """In how many prompts two opposite keys, held, scroll the picture in opposite directions.

    A prompt counts when the mean horizontal shifts of both runs have opposite signs and each is at least
    ``FLOW_THRESHOLD`` pixels a frame.

    Returns:
        ``(opposite, asked)``, or None when the world lacks one of the keys.
    """
    codes = [code_of_key(world, key) for key in keys]
    if None in codes:
        return None
    opposite = 0
    for index, prompt in enumerate(prompts):
        clips = hold(world, prompt, [code for code in codes if code is not None], frames, seed + index)
        first, second = (mean_shift(np.concatenate([prompt[-1:], clip]))[0] for clip in clips)
        opposite += first * second < 0 and min(abs(first), abs(second)) >= FLOW_THRESHOLD
        if progress is not None:
            progress("opposite keys", index + 1, len(prompts))
    return int(opposite), len(prompts)


def code_of_key(world: Any, key: str) -> int | None:
    """The latent action that a key plays, or None when no action has this key."""
    for action in world.actions:
        if key in action.keys:
            return int(action.code)
    return None


def clip_statistics(clip_THWC: np.ndarray) -> np.ndarray:
    """Four plain numbers of a clip: sharpness, motion, brightness and contrast."""
    grey = luminance(clip_THWC)
    return np.array([sharpness(clip_THWC).mean(), motion(clip_THWC).mean(), grey.mean(), grey.std(axis=(1, 2)).mean()])


def survival(
    world: Any,
    prompts: Sequence[np.ndarray],
    real_BTHWC: np.ndarray,
    frames: int = 1000,
    seed: int = 0,
    hold_frames: int = 12,
    progress: Progress | None = None,
) -> float:
    """Share of prompts whose picture is still inside the real clips' band after ``frames`` frames.

    Keys are drawn at random and held for ``hold_frames`` frames. The last frames of a run survive when each
    of their ``clip_statistics`` lies between the smallest and largest value over the real clips, widened by a
    quarter of that range; motion may be zero, because a real player may stand still.
    """
    real = np.stack([clip_statistics(clip) for clip in real_BTHWC])
    low, high = real.min(axis=0), real.max(axis=0)
    low, high = low - (high - low) / 4, high + (high - low) / 4
    low[1] = 0.0
    codes = [int(action.code) for action in keyed_actions(world)] or list(range(world.dynamics.num_actions))
    tail = real_BTHWC.shape[1]
    alive = []
    for index, prompt in enumerate(prompts):
        rng = np.random.default_rng(seed + index)
        drawn = rng.choice(codes, -(-frames // hold_frames)).repeat(hold_frames)[:frames]
        actions = drawn[None].astype(np.int64)
        state = prefill(world, prompt[None], None, seed + index)
        last = np.zeros((0, *prompt.shape[1:]), np.uint8)
        for start in range(0, frames, 50):  # only the tail is kept: a long run need not fit in memory
            part = play(world, state, actions[:, start : start + 50], seed + index + 7919 * (start + 1))
            last = np.concatenate([last, part[0]])[-tail:]
        statistics = clip_statistics(last)
        alive.append(bool(np.all((statistics >= low) & (statistics <= high))))
        if progress is not None:
            progress("survival", index + 1, len(prompts))
    return float(np.mean(alive))
