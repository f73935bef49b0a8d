"""An independent judge of actions: a small network that learns from real clips which key was pressed.

It sees the two frames before and the frame after, because a game's momentum makes one picture change ambiguous. It
learns from recorded actions only, never from the world that it judges, and tells how often it is right about real
clips that it has not seen; that share is the ceiling of what any world can score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.core.sampling import make_generator

FRAMES = 3
"""Frames that one decision is made from."""

SIDE = 64
"""Larger frames are averaged down to this before the network."""

STEPS = 600
"""Optimiser steps, about a minute on one core at 64 pixels."""

_HELD_OUT = 0.25
_BATCH, _RATE = 64, 2e-3
_FEWEST = 20


class ActionJudge(nn.Module):
    """Three frames to one score a class."""

    def __init__(self, classes: int) -> None:
        """Build the network for ``classes`` actions."""
        super().__init__()
        inputs = 3 * FRAMES
        layers: list[nn.Module] = []
        for width in (32, 64, 96, 128):
            layers += [nn.Conv2d(inputs, width, 5 if inputs == 3 * FRAMES else 3, stride=2, padding=1)]
            layers += [nn.GroupNorm(8, width), nn.ReLU()]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * inputs, classes)

    def forward(self, stacks_BCHW: Tensor) -> Tensor:
        """Scores (B, classes) of stacked frames from ``stack``."""
        x = self.body(stacks_BCHW)
        return self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    Attributes:
        names: the actions that it tells apart; its answers index them.
        network: the trained network.
        accuracy: mean over the actions of the share of unseen real triples that it names rightly.
        held_out: how many unseen triples that rests on.
        learned_from: how many clips, counted from the first, it has seen.
    """

    names: list[str]
    network: ActionJudge
    accuracy: float
    held_out: int
    learned_from: int

    def read(self, frames_BTHWC: np.ndarray) -> np.ndarray:
        """Which action produced each frame from the third on: int64 ``(B, T - 2)``."""
        batch, frames = frames_BTHWC.shape[:2]
        small = shrink(frames_BTHWC)
        triples = np.stack([small[:, t : t + FRAMES] for t in range(frames - FRAMES + 1)], axis=1)
        return _answers(self.network, triples.reshape(-1, *triples.shape[2:])).reshape(batch, -1)


def train_judge(
    clips_BTHWC: np.ndarray,
    labels_BT: np.ndarray,
    names: Sequence[str],
    seed: int = 0,
    steps: int = STEPS,
    on_step: Callable[[int, int], None] | None = None,
) -> Judge | None:
    """Train a judge on the first three quarters of the clips and test it on the rest.

    Args:
        clips_BTHWC: uint8 real clips in the order of the dataset, so that the parts come from different episodes.
        labels_BT: which of ``names`` produced each frame, -1 for none of them.
        names: actions to tell apart; those that are too rare in either part are left out.
        seed: of weights and batches; the same seed gives the same judge.
        steps: optimiser steps of 64 triples.
        on_step: called with the steps done and in all.

    Returns:
        The judge, or None when fewer than two actions are frequent enough.
    """
    cut = int(len(clips_BTHWC) * (1 - _HELD_OUT))
    small = shrink(clips_BTHWC)
    train, test = _triples(labels_BT[:cut]), _triples(labels_BT[cut:])
    test[:, 0] += cut
    counts = [np.bincount(labels_BT[rows[:, 0], rows[:, 1]], minlength=len(names)) for rows in (train, test)]
    kept = [index for index in range(len(names)) if min(count[index] for count in counts) >= _FEWEST]
    if len(kept) < 2:
        return None
    rng, generator = np.random.default_rng(seed), make_generator(seed)
    by_class = [train[labels_BT[train[:, 0], train[:, 1]] == index] for index in kept]
    network = _fresh(len(kept), generator)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, 2.0 * (1 - step / steps))
        # Every action equally often: a common one must not win by being common.
        classes_B = rng.integers(0, len(kept), _BATCH)
        rows = np.stack([by_class[index][rng.integers(len(by_class[index]))] for index in classes_B])
        loss = F.cross_entropy(network(stack(_gather(small, rows))), torch.from_numpy(classes_B))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, steps)
    network.eval()
    return Judge([names[index] for index in kept], network, *_tested(network, small, labels_BT, test, kept), cut)


def shrink(frames: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Frames ``(..., H, W, 3)`` averaged down by a whole factor to at most about ``side`` pixels."""
    factor = max(1, frames.shape[-2] // side)
    if factor == 1:
        return frames
    height, width = (size // factor for size in frames.shape[-3:-1])
    cut = frames[..., : height * factor, : width * factor, :]
    shape = (*frames.shape[:-3], height, factor, width, factor, 3)
    return np.stack([part.mean(axis=(-4, -2)).astype(np.uint8) for part in cut.reshape(shape)])


def stack(triples_BTHWC: np.ndarray) -> Tensor:
    """Network input (B, 9, H, W): the newest frame and the two changes before it, about -1 to 1."""
    frames = torch.from_numpy(np.ascontiguousarray(triples_BTHWC)).permute(1, 0, 4, 2, 3).float() / 127.5 - 1.0
    return torch.cat([frames[2], frames[2] - frames[1], frames[1] - frames[0]], dim=1)


def _fresh(classes: int, generator: torch.Generator) -> ActionJudge:
    network = ActionJudge(classes)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                spread = (2.0 / parameter[0].numel()) ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
            elif parameter.ndim == 1:
                parameter.fill_(1.0 if parameter is not network.head.bias else 0.0)
        for module in network.body:
            bias = getattr(module, "bias", None)
            if bias is not None:
                bias.zero_()
    return network


def _triples(labels_BT: np.ndarray) -> np.ndarray:
    """Clip and frame of every known action with two frames before its result, ``(n, 2)``."""
    rows, frames = np.nonzero(labels_BT >= 0)
    found = np.stack([rows, frames], axis=1)
    return found[frames >= FRAMES - 1]


def _gather(clips: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.stack([clips[clip, frame - FRAMES + 1 : frame + 1] for clip, frame in rows])


@torch.inference_mode()
def _answers(network: ActionJudge, triples: np.ndarray, batch: int = 256) -> np.ndarray:
    parts = [
        network(stack(triples[start : start + batch])).argmax(1).numpy() for start in range(0, len(triples), batch)
    ]
    return np.concatenate(parts)


def _tested(
    network: ActionJudge, clips: np.ndarray, labels_BT: np.ndarray, rows: np.ndarray, kept: list[int]
) -> tuple[float, int]:
    truth = labels_BT[rows[:, 0], rows[:, 1]]
    rows, truth = rows[np.isin(truth, kept)], truth[np.isin(truth, kept)]
    parts = [rows[start : start + 256] for start in range(0, len(rows), 256)]
    right = np.concatenate([_answers(network, _gather(clips, part)) for part in parts]) == np.searchsorted(kept, truth)
    return float(np.mean([right[truth == index].mean() for index in kept])), len(rows)
