"""A few numbers of fixed tiny models, and the command that records them.

Run ``python -m tests.golden.record`` after a change that is meant to change what models compute, and say in the
commit why old weights still work (or raise the component's ``version``).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from playground.core.config import write_json
from playground.core.registry import DYNAMICS, LATENT_ACTION_MODELS, TOKENIZERS, Registry
from tests.contracts.cases import ROWS, build, generators, make_frames

FILE = Path(__file__).with_name("golden.json")


def _few(values: Tensor) -> list[float]:
    flat = values.detach().float().flatten()
    picked = flat[torch.linspace(0, len(flat) - 1, min(8, len(flat))).long()]
    return [round(value, 3) + 0.0 for value in picked.tolist()]


def _rows(registry: Registry, names: tuple[str, ...]) -> list[tuple[str, object]]:
    return [
        (f"{name}-{index}", build((registry, name, fields), seed=1))
        for name in names
        for index, fields in enumerate(ROWS[registry.kind][name])
    ]


@torch.no_grad()
def compute() -> dict[str, list[float]]:
    """Rounded outputs of every built-in model with parameters and inputs that a seed fixes."""
    golden: dict[str, list[float]] = {}
    for key, model in _rows(TOKENIZERS, ("autoencoder",)):
        latents = model.encode(make_frames(32, batch=1, frames=2))
        golden[f"{key} latents"] = _few(latents)
        golden[f"{key} pixels"] = _few(model.decode_pixels(latents[0]))
    for key, model in _rows(LATENT_ACTION_MODELS, ("latent", "labelled")):
        golden[f"{key} features"] = _few(model.encoder(model.pairs(make_frames(32, batch=1, frames=3))))
    for key, model in _rows(DYNAMICS, ("shortcut", "maskgit")):
        state, noise = model.new_state(1), generators(5)
        for action in (0, 1, 2, 3, 0, 1, 2, 3):  # longer than the ring
            if model.discrete:  # a drawn token may flip in the last digit of a probability, a given one does not
                given = (torch.arange(model.config.tokens_per_frame)[None] + action) % model.config.codebook_size
                written = model.observe(state, given, torch.tensor([action]), None, noise)
            else:
                codes, written = model.generate(state, torch.tensor([action]), None, noise)
                golden[f"{key} codes"] = _few(codes)
            state.write(written)
        golden[f"{key} keys"] = _few(written.keys)
        golden[f"{key} values"] = _few(written.values)
    return golden


if __name__ == "__main__":
    write_json(FILE, compute())
