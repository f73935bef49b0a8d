"""A world without weights whose true behaviour is known: each action scrolls the picture by a fixed step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from playground.world.bundle import World

STEPS = (0, 2, -2)
"""Pixels that the content moves right for each latent action: no-op, left key, right key."""

SIZE = 32


def picture(seed: int = 0) -> np.ndarray:
    """A picture of random 4x4 blocks, uint8 ``(SIZE, SIZE, 3)``."""
    blocks = np.random.default_rng(seed).integers(0, 256, (SIZE // 4, SIZE // 4, 3)).astype(np.uint8)
    return blocks.repeat(4, axis=0).repeat(4, axis=1)


def scroll(frame: np.ndarray, action: int) -> np.ndarray:
    """The frame that ``action`` makes of ``frame`` in the true world (it wraps around)."""
    return np.roll(frame, STEPS[action] if action < len(STEPS) else 0, axis=1)


class PixelTokenizer:
    """Latents are the pixels themselves."""

    def encode(self, frames_BTHWC: torch.Tensor) -> torch.Tensor:
        return frames_BTHWC.float().flatten(2, 3)

    def decode(self, latents_BTNC: torch.Tensor) -> torch.Tensor:
        shape = (*latents_BTNC.shape[:2], SIZE, SIZE, 3)
        return latents_BTNC.reshape(shape).round().clamp(0, 255).to(torch.uint8)


@dataclass
class LastFrame:
    """The whole state of a scrolling world."""

    codes: torch.Tensor | None = None

    def clone(self) -> LastFrame:
        return LastFrame(None if self.codes is None else self.codes.clone())

    def write(self, written: torch.Tensor, rows: object = None) -> None:
        self.codes = written


class Memory:
    """Dynamics that know the last frame and learn nothing else from what they are shown."""

    def new_state(self, batch: int) -> LastFrame:
        return LastFrame()

    def observe(self, state, codes, action_B, prompt_BP, generators, run=None):
        return codes


@dataclass
class ScrollDynamics(Memory):
    """Obeys its actions (``obey``), scrolls anyway (``ignore``), stands still (``freeze``) or is ``noise``."""

    manner: str = "obey"
    noise: float = 0.0
    discrete: bool = False
    context_frames: int = 4
    num_actions: int = 3

    def generate(self, state, action_B, prompt_BP, generators, steps=None, run=None):
        frames = state.codes.reshape(-1, SIZE, SIZE, 3)
        moved = []
        for frame, action, generator in zip(frames, action_B.tolist(), generators, strict=True):
            if self.manner == "noise":
                moved.append(255 * torch.rand(frame.shape, generator=generator).reshape(-1, 3))
                continue
            chosen = {"obey": action, "ignore": 1, "freeze": 0}[self.manner]
            step = STEPS[chosen] if chosen < len(STEPS) else 0
            noise = self.noise * torch.randn(frame.shape, generator=generator)
            moved.append((torch.roll(frame, step, 1) + noise).reshape(-1, 3))
        codes = torch.stack(moved)
        return codes, codes


class ScrollReader:
    """Reads the action back exactly, by trying all three."""

    num_actions = 3

    def infer(self, frames_BTHWC: torch.Tensor) -> torch.Tensor:
        frames = frames_BTHWC.int()
        errors = torch.stack(
            [(torch.roll(frames[:, :-1], step, 3) - frames[:, 1:]).abs().float().mean(dim=(2, 3, 4)) for step in STEPS]
        )
        unknown = torch.full((len(frames), 1), 3)
        return torch.cat([unknown, errors.argmin(dim=0)], dim=1)


def book() -> list[SimpleNamespace]:
    """An action book in its smallest form."""
    return [
        SimpleNamespace(code=0, name="stay", keys=[], noop=True),
        SimpleNamespace(code=1, name="left", keys=["left"], noop=False),
        SimpleNamespace(code=2, name="right", keys=["right"], noop=False),
    ]


class FakeBook(list):
    """A list of actions that knows its no-op and its keys."""

    def from_keys(self, held: Any) -> SimpleNamespace:
        return next((action for action in self if set(action.keys) & set(held)), self.noop)

    @property
    def noop(self) -> SimpleNamespace:
        return self[0]


@dataclass
class FakeWorld:
    """Everything that the evaluation asks of a world."""

    dynamics: ScrollDynamics = field(default_factory=ScrollDynamics)
    tokenizer: PixelTokenizer = field(default_factory=PixelTokenizer)
    latent_actions: ScrollReader | None = field(default_factory=ScrollReader)
    actions: FakeBook = field(default_factory=lambda: FakeBook(book()))
    name: str = "fake"
    frame_size: int = SIZE
    fps: int = 15
    sampling: dict[str, int] = field(default_factory=dict)
    prompts: list[Path] = field(default_factory=list)

    draw = World.draw
    latents = World.latents


class ScrollData:
    """True clips of the scrolling world under held random actions, with the dataset's indexing."""

    def __init__(self, clips: int = 6, length: int = 20, seed: int = 0, labels: bool = True) -> None:
        self.clips, self.length, self.seed = clips, length, seed
        names = [action.name for action in book()] if labels else []
        self.info, self.action_names = SimpleNamespace(source="scroll"), names

    def __len__(self) -> int:
        return self.clips

    def window(self, index: int) -> SimpleNamespace:
        rng = np.random.default_rng((self.seed, index))
        frames, actions = [picture(index)], [-1]
        for _ in range(self.length - 1):
            actions.append(int(rng.integers(0, 3)))
            frames.append(scroll(frames[-1], actions[-1]))
        if not self.action_names:
            actions = [-1] * self.length
        return SimpleNamespace(frames_BTHWC=np.stack(frames)[None], actions_BT=np.array(actions)[None], captions=[""])
