"""A small world of captions whose truth is known: a coloured sky over a coloured ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from playground.core.sampling import make_generator
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.world.bundle import World
from tests.evaluation.fake_world import SIZE, FakeBook, Memory, PixelTokenizer, book

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}
PAIRS = [(sky, ground) for sky in COLOURS for ground in COLOURS if sky != ground]
CAPTIONS = [f"a {sky} sky over {ground} ground" for sky, ground in PAIRS]


def scene(caption: int, rng: np.random.Generator) -> np.ndarray:
    """A picture that the caption fits, uint8 ``(SIZE, SIZE, 3)``."""
    sky, ground = (np.array(COLOURS[name]) for name in PAIRS[caption])
    horizon = int(rng.integers(12, 20))
    frame = np.where(np.arange(SIZE)[:, None, None] < horizon, sky, ground) + rng.normal(0, 12, (SIZE, SIZE, 3))
    return frame.clip(0, 255).astype(np.uint8)


def captioned_clips(folder: Path, episodes: int = 24, frames: int = 60) -> Path:
    """Episodes whose caption changes for the last quarter."""
    info = DatasetInfo(source="scenes", size=SIZE, fps=10.0, captions=CAPTIONS, split="test")
    with ClipWriter(folder, info) as writer:
        for episode in range(episodes):
            rng = np.random.default_rng(episode)
            first, second = episode % len(CAPTIONS), (episode + 1 + episode // len(CAPTIONS)) % len(CAPTIONS)
            for t in range(frames):
                caption = first if t < 0.75 * frames else second
                writer.append(scene(caption, rng), caption=caption, truncated=t == frames - 1, episode=episode)
    return folder


@dataclass
class SceneDynamics(Memory):
    """Draws what the text says (``obey``), what its first text said (``deaf``), whatever it likes (``ignore``), or
    that and not what came before (``wander``)."""

    manner: str = "obey"
    discrete: bool = False
    context_frames: int = 8
    num_actions: int = 3

    def generate(self, state, action_B, prompt_BP, generators, steps=None, run=None):
        if state.codes is not None and self.manner in ("deaf", "ignore"):
            return state.codes, state.codes
        made = []
        for prompt, generator in zip(prompt_BP, generators, strict=True):
            rng = np.random.default_rng(generator.initial_seed())
            caption = (
                int(rng.integers(0, len(CAPTIONS))) if self.manner in ("ignore", "wander") else int(prompt.argmax())
            )
            made.append(torch.from_numpy(scene(caption, rng)).float().reshape(-1, 3))
        return torch.stack(made), torch.stack(made)


@dataclass
class SceneWorld:
    """What the text probe asks of a world; a text's embedding names its caption."""

    dynamics: SceneDynamics = field(default_factory=SceneDynamics)
    tokenizer: PixelTokenizer = field(default_factory=PixelTokenizer)
    latent_actions: None = None
    actions: FakeBook = field(default_factory=lambda: FakeBook(book()))
    frame_size: int = SIZE
    prompt_dims: int = len(CAPTIONS)
    sampling: dict[str, int] = field(default_factory=dict)
    manifest: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(text_encoder="names"))

    draw = World.draw
    latents = World.latents

    def embed(self, text: str) -> np.ndarray:
        return np.eye(len(CAPTIONS), dtype=np.float32)[CAPTIONS.index(text)]

    def draw_first_frame(self, text: str, seed: int = 0) -> np.ndarray:
        prompt_1P = torch.from_numpy(self.embed(text))[None]
        codes, _ = self.draw(self.dynamics.new_state(1), torch.zeros(1), prompt_1P, [make_generator(seed)])
        return self.tokenizer.decode(self.latents(codes))[0, 0].numpy()
