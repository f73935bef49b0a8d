"""Frames per second of this engine against other ways to draw a frame, all measured in one run.

``python -m tests.bench.against_peers [WORLD] [--threads N] [--skip-genie]``. The fair row is the same network with the
same tokens and passes, without memory and without this engine: it recomputes the window of past frames in plain torch
float32. The other rows are other designs at their published sizes; most of their distance is a larger task. One pass
of each is timed (median) and multiplied by its passes a frame. Other programs' load is printed with the numbers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from playground.core.device import prepare_threads


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", nargs="?", default="coinrun")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-genie", action="store_true", help="leave out the row that takes seconds a pass")
    args = parser.parse_args()
    prepare_threads(args.threads)
    import torch

    from playground.session.stats import LoadMeter
    from playground.world.bundle import World

    world = World.load(args.world)
    with torch.inference_mode():
        calls = own_calls(world, args.threads) | peer_calls(with_genie=not args.skip_genie)
        for call, _ in calls.values():
            call()
        meter, seconds = LoadMeter(), {name: [] for name in calls}
        for _ in range(args.rounds):
            for name, (call, passes) in calls.items():
                started = time.perf_counter()
                call()
                seconds[name].append(passes * (time.perf_counter() - started))
    frame_s = {name: statistics.median(values) for name, values in seconds.items()}
    best = min((name for name in frame_s if name.startswith("engine")), key=lambda name: frame_s[name])
    print(f"{world.name}, {world.frame_size} px, {args.threads} threads, other load {meter.other_load():.2f} cores")
    print(f"{'':<46}  ms/frame      fps  {best} is faster by")
    for name, value in frame_s.items():
        print(f"{name:<46} {1000 * value:9.1f} {1 / value:8.2f}  {value / frame_s[best]:8.1f}x")


def own_calls(world: Any, threads: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """A frame of the world in each installed backend, and in the same network without memory."""
    from playground.engine.backends import installed_candidates
    from playground.engine.engine import Engine
    from playground.session.session import Session

    calls: dict[str, tuple[Callable[[], Any], int]] = {}
    for name in installed_candidates():
        session = Session(world, Engine(world, backend=name, threads=threads))
        calls[f"engine, {name}"] = (session.step, 1)
    calls["same network, window recomputed, torch float32"] = (uncached_frame(world), 1)
    return calls


def uncached_frame(world: Any) -> Callable[[], Any]:
    """A frame of the world's own network, all of its passes over the whole window, and the decoder."""
    import torch

    network, config, frames = world.dynamics.network, world.dynamics.config, world.dynamics.context_frames
    state = world.dynamics.new_state(1)
    window = state.previous[:, None].expand(1, frames, *state.previous.shape[1:]).contiguous()
    level_BT, index_BT = torch.zeros(1, frames), torch.zeros(1, frames, dtype=torch.int64)
    prompt_BTP = torch.zeros(1, frames, world.prompt_dims) if world.prompt_dims else None
    latents = torch.zeros(1, 1, world.tokenizer.tokens_per_frame, world.tokenizer.latent_channels)

    def frame() -> Any:
        for _ in range(world.sampling.get("steps") or config.steps):
            network.window(window, window, level_BT, index_BT, index_BT, prompt_BTP)
        return world.tokenizer.decode(latents)

    return frame


def peer_calls(with_genie: bool) -> dict[str, tuple[Callable[[], Any], int]]:
    """One pass of each peer and its passes a frame."""
    from tests.bench.peers import DiamondDenoiser, GenieDynamics, TokenByToken

    models = {
        "DIAMOND-like U-Net, 64 px, 3 steps": DiamondDenoiser(),
        "token by token, 16 tokens, 256 wide": TokenByToken(16),
        "token by token, 64 tokens, 384 wide": TokenByToken(64, width=384, layers=8, context=1024),
    }
    if with_genie:
        models["Genie-like, 256 tokens, 25 steps, window"] = GenieDynamics()
    return {name: (model.eval(), model.passes) for name, model in models.items()}


if __name__ == "__main__":
    main()
