"""Questions put to a world as a player would: does each key do its own thing, and do opposite keys undo each other?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.evaluation.inverse_dynamics import FRAMES, Judge
from playground.evaluation.metrics import mean_shift, psnr
from playground.evaluation.rollouts import Clips, Progress, infer_actions, play_each
from playground.world.sources import book_of

if TYPE_CHECKING:
    import torch

FLOW_THRESHOLD = 0.1
"""Pixels a frame that a held key must move the picture on average to count as moving it."""

OPPOSITES = (("left", "right"), ("up", "down"))
"""Keys that undo each other."""


def keyed_actions(world: Any, source: str = "") -> list[Any]:
    """The actions that a key reaches in a source's book, one for each latent action code, in the book's order."""
    seen: dict[int, Any] = {}
    for action in book_of(world, source):
        if action.keys or action.noop:
            seen.setdefault(int(action.code), action)
    return list(seen.values())


def key_accuracy(
    world: Any,
    judge: Judge,
    starts_BTHWC: np.ndarray,
    frames: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
    text_BP: torch.Tensor | None = None,
    source: str = "",
) -> np.ndarray | None:
    """Share of generated frames in which an independent judge recognises the key that is held, one value a start.

    Every action that both the world's book and the judge know by the same name is held for ``frames`` frames from
    every start. Chance is one over the number of these actions.

    Args:
        world: the world that is asked.
        judge: trained on real clips with recorded actions.
        starts_BTHWC: uint8 context clips, at least two frames each.
        frames: frames that each key is held.
        seed: of the noise.
        progress: called after every batch of starts.
        text_BP: embedded text of each start, for a world that takes texts.
        source: whose keys are held, in a world that learned from several sources.

    Returns:
        float64 ``(starts,)`` in [0, 1], or None when fewer than two names are shared.
    """
    asked = [action for action in keyed_actions(world, source) if str(action.name) in judge.names]
    if len(asked) < 2:
        return None
    played = _held(
        world, starts_BTHWC, [int(action.code) for action in asked], frames, seed, ("keys", progress), text_BP
    )
    wanted = [judge.names.index(str(action.name)) for action in asked]
    return _share_read(judge.read, starts_BTHWC[:, 1 - FRAMES :], played, wanted)


def key_consistency(
    world: Any,
    starts_BTHWC: np.ndarray,
    frames: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
    text_BP: torch.Tensor | None = None,
    source: str = "",
) -> np.ndarray | None:
    """Share of generated frames in which the world's *own* latent action model reads the held code, one a start.

    It needs no labels, but both sides learned from the same codes, so it is a test of consistency between the
    dynamics and that model and no independent judgement. Chance is one over the number of codes.

    Returns:
        float64 ``(starts,)`` in [0, 1], or None when fewer than two codes have keys of their own, as in a world whose
        keys are names that mean another code at every moment.
    """
    codes = [int(action.code) for action in keyed_actions(world, source)]
    codes = [code for code in codes if code < world.dynamics.num_actions]
    if len(codes) < 2:
        return None
    played = _held(world, starts_BTHWC, codes, frames, seed, ("codes", progress), text_BP)
    return _share_read(lambda clips_BTHWC: infer_actions(world, clips_BTHWC), starts_BTHWC, played, codes)


def opposite_prompts(
    world: Any,
    prompts: Clips,
    frames: int = 40,
    seed: int = 0,
    keys: tuple[str, str] = ("left", "right"),
    progress: Progress | None = None,
    text_BP: torch.Tensor | None = None,
    source: str = "",
) -> tuple[int, int] | None:
    """In how many prompts two opposite keys, held, scroll the picture in opposite directions.

    A prompt counts when the mean horizontal shifts of both runs have opposite signs and each is at least
    ``FLOW_THRESHOLD`` pixels a frame.

    Returns:
        ``(opposite, asked)``, or None when the world lacks one of the keys.
    """
    codes = [code_of_key(world, key, source) for key in keys]
    if None in codes:
        return None
    held = [code for code in codes if code is not None]
    played = _held(world, prompts, held, frames, seed, ("sides", progress), text_BP)
    opposite = 0
    for prompt, clips in zip(prompts, played, strict=True):
        first, second = (mean_shift(np.concatenate([prompt[-1:], clip]))[0] for clip in clips)
        opposite += first * second < 0 and min(abs(first), abs(second)) >= FLOW_THRESHOLD
    return int(opposite), len(prompts)


def revisit_gains(
    world: Any,
    prompts: Clips,
    away: int,
    seed: int = 0,
    progress: Progress | None = None,
    text_BP: torch.Tensor | None = None,
    source: str = "",
) -> np.ndarray | None:
    """How much of the starting place comes back after leaving it and turning around, in dB, one value a prompt.

    A key is held for ``away`` frames, then its opposite for one and a half times as long. The best match with the
    start on the way back is compared with the best match of a run that never turns around, over the same frames and
    with the same noise. A frozen world and one that ignores its keys get 0; a world that remembers gets many dB; one
    that invents a new place gets about 0. The mean over both directions of every pair of opposite keys is taken.

    Returns:
        float64 ``(prompts,)``, or None when the world has no pair of opposite keys on two codes.
    """
    pairs = [tuple(code_of_key(world, key, source) for key in pair) for pair in OPPOSITES]
    pairs = [pair for pair in pairs if None not in pair and pair[0] != pair[1]]
    if not pairs:
        return None
    back = away + away // 2
    rows = []
    for first, second in [*pairs, *[pair[::-1] for pair in pairs]]:
        rows += [[first] * away + [second] * back, [first] * (away + back)]
    seeds = [seed + index for index in range(len(prompts))]
    named = None if progress is None else (f"return after {away}", progress)
    played = play_each(world, prompts, np.asarray(rows, np.int64), seeds, progress=named, text_BP=text_BP)
    gains = []
    for prompt, clips in zip(prompts, played, strict=True):
        start = np.broadcast_to(prompt[-1], clips[:, away:].shape)
        best = psnr(np.ascontiguousarray(start), clips[:, away:]).max(axis=1)
        gains.append((best[0::2] - best[1::2]).mean())
    return np.asarray(gains)


def code_of_key(world: Any, key: str, source: str = "") -> int | None:
    """The latent action that a key plays in a source, or None when no action has this key."""
    for action in book_of(world, source):
        if key in action.keys:
            return int(action.code)
    return None


def _held(
    world: Any,
    prompts: Clips,
    codes: Sequence[int],
    frames: int,
    seed: int,
    stage: tuple[str, Progress | None],
    text_BP: torch.Tensor | None = None,
) -> np.ndarray:
    """Every code held from every prompt: uint8 ``(prompts, codes, frames, H, W, C)``."""
    actions = np.repeat(np.asarray(codes, np.int64)[:, None], frames, axis=1)
    seeds = [seed + index for index in range(len(prompts))]
    named = None if stage[1] is None else (stage[0], stage[1])
    return play_each(world, prompts, actions, seeds, progress=named, text_BP=text_BP)


def _share_read(
    read: Callable[[np.ndarray], np.ndarray], starts_BTHWC: np.ndarray, played: np.ndarray, wanted: Sequence[int]
) -> np.ndarray:
    """Share of the frames from every start that are read as what was held in them, float64 ``(starts,)``.

    Args:
        read: from clips ``(B, T, H, W, C)`` to what is held in each of their last frames, one column a frame.
        starts_BTHWC: what the reader sees before the first played frame.
        played: uint8 ``(starts, wanted, frames, H, W, C)``.
        wanted: what was held, as the reader numbers it.
    """
    shown = np.concatenate([np.repeat(starts_BTHWC[:, None], len(wanted), axis=1), played], axis=2)
    found = read(shown.reshape(-1, *shown.shape[2:]))[:, -played.shape[2] :].reshape(played.shape[:3])
    return (found == np.asarray(wanted)[None, :, None]).mean(axis=(1, 2))
