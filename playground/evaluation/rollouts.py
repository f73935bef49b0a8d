"""Truth windows from a clip dataset and what a world makes of them, in batches, straight through its models.

Every arm of a comparison (true, shuffled, no-op, random actions) starts from the same context and draws the
same noise, so that a difference between two arms can only come from the actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from playground.core.errors import PlaygroundError
from playground.core.sampling import make_generator

ARMS = ("true", "shuffled", "noop", "random")

Progress = Callable[[str, int, int], None]
"""Called with a stage name, the steps done and the steps in all."""


@dataclass(frozen=True)
class Rollouts:
    """Generated continuations of true clips.

    Attributes:
        truth_BTHWC: uint8, the true frames after the context.
        arms: arm name to uint8 frames of the same shape.
        actions: arm name to int64 latent actions ``(B, T)`` that were played.
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
    latents = world.tokenizer.dequantize(codes) if world.dynamics.discrete else codes
    return world.tokenizer.decode(latents).cpu().numpy()


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


def spread_windows(dataset: Any, count: int) -> np.ndarray:
    """True clips ``(count, T, H, W, C)`` uint8, spread evenly over the windows of a ``ClipDataset``.

    Raises:
        PlaygroundError: the dataset has no window of its length.
    """
    if len(dataset) == 0:
        raise PlaygroundError("the dataset has no clip that is long enough; collect longer episodes")
    picks = np.unique(np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(np.int64))
    return np.stack([window_frames(dataset.window(int(index))) for index in picks])


def window_frames(clips: Any) -> np.ndarray:
    """The frames ``(T, H, W, C)`` of the one window in a ``Clips``."""
    return np.asarray(clips.frames_BTHWC)[0]


@torch.inference_mode()
def prefill(world: Any, frames_BTHWC: np.ndarray, actions_BT: np.ndarray | None, seed: int | Sequence[int]) -> Any:
    """Show the context frames to the dynamics and return its state.

    Args:
        world: the world whose tokenizer and dynamics are used.
        frames_BTHWC: uint8 context.
        actions_BT: latent action that produced each frame, or None for unknown ones.
        seed: of the context noise; see ``row_generators``.
    """
    batch, length = frames_BTHWC.shape[:2]
    codes = encode(world, frames_BTHWC)
    state = world.dynamics.new_state(batch)
    generators = row_generators(seed, batch)
    for t in range(length):
        action = np.full(batch, world.dynamics.num_actions) if actions_BT is None else actions_BT[:, t]
        action_B = torch.from_numpy(action.astype(np.int64))
        state.write(world.dynamics.observe(state, codes[:, t], action_B, None, generators))
    return state


@torch.inference_mode()
def play(
    world: Any,
    state: Any,
    actions_BT: np.ndarray,
    seed: int | Sequence[int],
    on_frame: Callable[[], None] | None = None,
) -> np.ndarray:
    """Generate one frame for every column of ``actions_BT`` and return them, uint8 ``(B, T, H, W, C)``.

    Frames are drawn with the world's own sampling defaults (steps, temperature), as a player gets them. The state is
    advanced in place; clone it first to play several arms from it.
    """
    generators = row_generators(seed, actions_BT.shape[0])
    sampling = {name: value for name, value in world.sampling.items() if value is not None}
    frames = []
    for t in range(actions_BT.shape[1]):
        action_B = torch.from_numpy(np.ascontiguousarray(actions_BT[:, t]).astype(np.int64))
        codes, written = world.dynamics.generate(state, action_B, None, generators, **sampling)
        state.write(written)
        frames.append(decode(world, codes[:, None])[:, 0])
        if on_frame is not None:
            on_frame()
    return np.stack(frames, axis=1)


def hold(world: Any, prompt_THWC: np.ndarray, codes: Sequence[int], frames: int, seed: int) -> np.ndarray:
    """Hold each latent action from the same prompt and noise: uint8 ``(len(codes), frames, H, W, C)``."""
    prompt = np.repeat(prompt_THWC[None], len(codes), axis=0)
    same_noise = [seed] * len(codes)
    state = prefill(world, prompt, None, same_noise)
    actions = np.repeat(np.asarray(codes, dtype=np.int64)[:, None], frames, axis=1)
    return play(world, state, actions, same_noise)


def roll_out(
    world: Any,
    clips_BTHWC: np.ndarray,
    context: int,
    seed: int = 0,
    arms: Sequence[str] = ARMS,
    batch: int = 16,
    progress: Progress | None = None,
) -> Rollouts:
    """Continue true clips under true, shuffled, no-op and random latent actions.

    Shuffled actions are the true ones of another clip and moment; random ones are uniform over the codes.

    Args:
        world: the world that is measured.
        clips_BTHWC: uint8 true clips; the first ``context`` frames are the prompt, the rest is continued.
        context: frames shown before the first generated one, at least 1.
        seed: of noise and of the shuffled and random actions.
        arms: which of ``ARMS`` to play.
        batch: clips a forward pass.
        progress: called after every generated frame of a batch.
    """
    if not 1 <= context < clips_BTHWC.shape[1]:
        raise ValueError(f"context of {context} frames does not fit clips of {clips_BTHWC.shape[1]} frames")
    rng = np.random.default_rng(seed)
    inferred = np.concatenate([infer_actions(world, part) for part in _parts(clips_BTHWC, batch)])
    actions = arm_actions(inferred[:, context:], world, rng)
    played: dict[str, list[np.ndarray]] = {arm: [] for arm in arms}
    total = len(arms) * (clips_BTHWC.shape[1] - context) * -(-len(clips_BTHWC) // batch)
    done = 0

    def on_frame() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("rollouts", done, total)

    for start in range(0, len(clips_BTHWC), batch):
        rows = slice(start, start + batch)
        state = prefill(world, clips_BTHWC[rows, :context], inferred[rows, :context], seed + start)
        for arm in arms:
            played[arm].append(play(world, state.clone(), actions[arm][rows], seed + start + 1, on_frame))
    return Rollouts(
        truth_BTHWC=clips_BTHWC[:, context:],
        arms={arm: np.concatenate(parts) for arm, parts in played.items()},
        actions={arm: actions[arm] for arm in arms},
    )


def arm_actions(true_BT: np.ndarray, world: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The latent actions of every arm, each int64 ``(B, T)``, from the inferred true ones."""
    flat = true_BT.reshape(-1)
    noop = world.actions.noop
    noop_code = int(getattr(noop, "code", noop if noop is not None else world.dynamics.num_actions))
    return {
        "true": true_BT,
        "shuffled": flat[rng.permutation(flat.size)].reshape(true_BT.shape),
        "noop": np.full_like(true_BT, noop_code),
        "random": rng.integers(0, world.dynamics.num_actions, true_BT.shape).astype(true_BT.dtype),
    }


def row_generators(seed: int | Sequence[int], rows: int) -> list[torch.Generator]:
    """One noise stream a row, reproducible from ``seed`` (a list gives each row its own seed)."""
    seeds = [seed * 100_003 + row for row in range(rows)] if isinstance(seed, int) else list(seed)
    return [make_generator(value) for value in seeds]


def _parts(clips: np.ndarray, batch: int) -> Iterable[np.ndarray]:
    return (clips[start : start + batch] for start in range(0, len(clips), batch))
