"""What test_distributed starts in two processes: trains, then prints one JSON line about its own state."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from torch import nn

STEPS = 6


def digest(tensors) -> str:
    """A hash that is equal for equal tensors."""
    return hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in tensors)).hexdigest()


def messages(peers) -> dict:
    """Known values through every kind of message."""
    model = nn.ParameterList([torch.zeros(2), torch.zeros(3), torch.zeros(1)])
    model[0].grad = torch.tensor([1.0, 2.0]) * (peers.rank + 1)
    if peers.rank == 1:
        model[1].grad = torch.full((3,), 4.0)
    peers.average_gradients(model)
    layer = nn.BatchNorm1d(2)
    nn.init.constant_(layer.weight, peers.rank + 5)
    layer.running_mean.fill_(peers.rank + 7)
    peers.copy_from_first(layer)
    return {
        "gradients": [None if p.grad is None else p.grad.tolist() for p in model],
        "copied": [layer.weight.tolist(), layer.running_mean.tolist()],
        "agree": peers.agree(0.25 + peers.rank),
        "any": [peers.any(peers.rank == 1), peers.any(False)],
    }


def main(stage: str, data: str, preset: str, out: str, accelerate: str) -> None:
    """Train ``stage`` and report."""
    torch.set_num_threads(1)
    if accelerate == "no":
        sys.modules["accelerate"] = None  # as if it were not installed
    from playground.training import loop
    from playground.training.distributed import find_peers
    from playground.training.run import train

    trainers, made = [], loop.Trainer.__init__

    def keep(self, *args):
        made(self, *args)
        trainers.append(self)

    loop.Trainer.__init__ = keep
    peers = find_peers("cpu")

    def go(steps: int, **options):
        return train(stage, preset, [Path(data)], Path(out), steps=steps, device="cpu", progress=False, **options)

    results = [go(STEPS), go(STEPS + 2, resume=True)]
    report = {
        "rank": peers.rank,
        "count": peers.count,
        "finished": [result.finished for part in results for result in part.values()],
        "steps": [result.steps for part in results for result in part.values()],
        "weights": [digest(trainer.model.parameters()) for trainer in trainers],
        "streams": [digest([trainer.generator.get_state()]) for trainer in trainers],
        "draws": [trainer.rng_state["state"]["state"] for trainer in trainers],
        "logs": [trainer.log is not None for trainer in trainers],
        "accelerate": sys.modules.get("accelerate") is not None,
        **messages(peers),
    }
    Path(out, f"report-{peers.rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
