"""A judge of the captions of one source: a small network that learns from real frames which caption a picture fits.

Captions are compositions, and test clips show few of them, so the judge learns words and not whole captions: a caption
scores the sum of what the network says about its attributes, words and neighbouring words that some captions have and
others have not. So it knows a red road beside green grass when it has seen red roads and green grass apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.core.sampling import make_generator
from playground.evaluation.inverse_dynamics import shrink

SIDE = 64
"""Larger frames are averaged down to about this before the network."""

STEPS = 1000
"""Optimiser steps, about a minute on one core."""

_HELD_OUT = 4
_BATCH, _RATE, _WARMUP = 64, 3e-3, 50
_COLOURS, _PLACES, _CELLS = 24, 6, 8
_TINT, _NOISE = 0.06, 0.03


class PictureNetwork(nn.Module):
    """One frame to one score an attribute.

    Two paths meet: a soft naming of every pixel's colour, looked up at places that the other path points at, and plain
    convolutions. Naming and pointing apart is what lets it learn a colour from few clips, wherever the colour is.
    """

    def __init__(self, attributes: int) -> None:
        """Build the network."""
        super().__init__()
        self.naming = nn.Sequential(nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, _COLOURS, 1))
        layers: list[nn.Module] = []
        for inputs, width, kernel, stride in ((3, 32, 4, 2), (32, 48, 3, 2), (48, 64, 3, 2)):
            layers += [nn.Conv2d(inputs, width, kernel, stride, 1), nn.GroupNorm(4, width), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.pointing = nn.Conv2d(64, _PLACES, 1)
        self.place = nn.Parameter(torch.zeros(_PLACES, _CELLS * _CELLS))
        self.head = nn.Sequential(nn.Linear(_PLACES * _COLOURS + 2 * 64, 128), nn.ReLU(), nn.Linear(128, attributes))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Scores (B, attributes) of pictures of ``SIDE`` pixels from ``picture_input``."""
        named = F.adaptive_avg_pool2d(torch.softmax(self.naming(F.avg_pool2d(x_BCHW, 2)), dim=1), _CELLS).flatten(2)
        seen = self.body(x_BCHW)
        places = torch.softmax(self.pointing(seen).flatten(2) + self.place, dim=-1)
        colours = torch.einsum("bsp,bkp->bsk", places, named).flatten(1)
        return self.head(torch.cat([3.0 * colours, seen.mean((2, 3)), seen.amax((2, 3))], dim=1))


@torch.inference_mode()
def best(network: PictureNetwork, table_KA: Tensor, frames_BHWC: np.ndarray) -> np.ndarray:
    """The row of ``table_KA`` with the highest sum of scores, int64 ``(B,)``."""
    parts = [
        (network(picture_input(frames_BHWC[low : low + 256])) @ table_KA.T).argmax(1).numpy()
        for low in range(0, len(frames_BHWC), 256)
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])


@dataclass(frozen=True)
class CaptionJudge:
    """A trained judge.

    Attributes:
        known: ids of the captions that it tells apart, ascending.
        table_KA: which attributes each of them has.
        network: the trained network.
        held_out: which of the given frames it was not trained on, bool ``(B,)``; only those with known captions.
    """

    known: np.ndarray
    table_KA: Tensor
    network: PictureNetwork
    held_out: np.ndarray

    def read(self, frames_BHWC: np.ndarray) -> np.ndarray:
        """The id of the caption that fits each frame best, int64 ``(B,)``."""
        return self.known[best(self.network, self.table_KA, frames_BHWC)]


def attribute_table(captions: Sequence[str]) -> np.ndarray:
    """Which attributes each caption has, float32 ``(K, A)`` of 0 and 1.

    Attributes are single words and pairs of neighbouring words (not across a comma or colon). Those that all captions
    share are left out, and so are pairs that say no more than their two words, and doubles.
    """
    found = []
    for caption in captions:
        attributes: set[str] = set()
        for part in caption.replace(":", ",").split(","):
            words = part.split()
            attributes |= {*words, *(" ".join(pair) for pair in zip(words[:-1], words[1:], strict=True))}
        found.append(attributes)
    columns: dict[tuple[bool, ...], None] = {}
    for name in sorted(set().union(*found)):
        column = tuple(name in attributes for attributes in found)
        both = tuple(all(word in attributes for word in name.split()) for attributes in found)
        if not all(column) and (" " not in name or column != both):
            columns[column] = None
    return np.array(list(columns), np.float32).reshape(len(columns), len(captions)).T


def train_caption_judge(
    frames_BHWC: np.ndarray,
    caption_B: np.ndarray,
    episode_B: np.ndarray,
    captions: Sequence[str],
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> CaptionJudge | None:
    """Train a judge on the frames of three quarters of the episodes; those of the others can test it.

    It tells all captions apart whose every attribute occurs in training, also those that do not occur themselves.

    Args:
        frames_BHWC: uint8 real frames.
        caption_B: id in ``captions`` of each.
        episode_B: number of the episode of each.
        captions: the texts.
        seed: of weights, batches and noise; the same seed gives the same judge.
        on_step: called with the steps done and in all.

    Returns:
        The judge, or None when fewer than two captions or four episodes are there.
    """
    episodes = np.unique(episode_B, return_inverse=True)[1]
    if episodes.max(initial=0) < _HELD_OUT - 1:
        return None
    test_B = episodes % _HELD_OUT == _HELD_OUT - 1
    table = attribute_table(captions)
    seen_A = table[np.unique(caption_B[~test_B])].max(axis=0) > 0
    known = np.flatnonzero(~table[:, ~seen_A].any(axis=1))
    if len(known) < 2:
        return None
    table_KA = torch.from_numpy(np.ascontiguousarray(table[:, seen_A]))
    # Told apart from those that occur only: the others must not be learnt as wrong answers.
    occurring, label_B = np.unique(caption_B[~test_B], return_inverse=True)
    network = train_network(frames_BHWC[~test_B], label_B, table_KA[occurring], seed, on_step)
    return CaptionJudge(known, table_KA[known], network, test_B & np.isin(caption_B, known))


def picture_input(frames_BHWC: np.ndarray) -> Tensor:
    """Network input (B, 3, SIDE, SIDE), about -1 to 1."""
    small = torch.from_numpy(np.ascontiguousarray(shrink(frames_BHWC, SIDE))).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    if tuple(small.shape[-2:]) != (SIDE, SIDE):
        small = F.interpolate(small, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return small


def train_network(
    frames_BHWC: np.ndarray,
    label_B: np.ndarray,
    table_KA: Tensor,
    seed: int,
    on_step: Callable[[int, int], None] | None,
) -> PictureNetwork:
    """Train a network to give the highest sum of scores to what fits each frame.

    Args:
        frames_BHWC: uint8 frames.
        label_B: the row of ``table_KA`` that fits each.
        table_KA: which attributes each answer has.
        seed: as in ``train_caption_judge``.
        on_step: the same.
    """
    generator = make_generator(seed)
    network = _fresh(table_KA.shape[1], generator)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.05)
    x_BCHW, labels = picture_input(frames_BHWC), torch.from_numpy(label_B)
    # Between as frequent as in the data and all equally often: rare captions count, and are not learnt by heart.
    weights_B = torch.from_numpy(1.0 / np.sqrt(np.bincount(label_B)[label_B]))
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / _WARMUP, 2.0 * (1 - step / STEPS))
        rows = torch.multinomial(weights_B, _BATCH, replacement=True, generator=generator)
        chosen = x_BCHW[rows]
        tint = _TINT * torch.randn((_BATCH, 3, 1, 1), generator=generator)
        noise = _NOISE * torch.randn(chosen.shape, generator=generator)
        loss = F.cross_entropy(network(chosen + tint + noise) @ table_KA.T, labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, STEPS)
    return network.eval()


def _fresh(attributes: int, generator: torch.Generator) -> PictureNetwork:
    network = PictureNetwork(attributes)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                spread = (2.0 / module.weight[0].numel()) ** 0.5
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * spread)
                if module.bias is not None:
                    module.bias.zero_()
    return network
