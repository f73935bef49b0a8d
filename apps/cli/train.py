"""Train the tokenizer, latent actions, dynamics, first frames, intents, or all of them, from folders of clips."""

from __future__ import annotations

import argparse
from pathlib import Path

STAGES = ("tokenizer", "latent-actions", "dynamics", "first-frames", "intents", "all")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground train``."""
    parser.add_argument("stage", metavar="STAGE", choices=STAGES, help=f"one of {', '.join(STAGES)}")
    parser.add_argument("--preset", required=True, metavar="NAME", help="a shipped preset or a .toml file")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="DIR", help="folders of clips")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder for checkpoints")
    parser.add_argument("--budget", metavar="TIME", help="stop after this wall-clock time, for example 25m or 1h30m")
    parser.add_argument("--steps", type=int, metavar="N", help="steps for each stage, instead of what the preset says")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps", help="where to train (auto)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="fixes initial weights and batches (0)")
    parser.add_argument(
        "--init", type=Path, metavar="PLACE", help="start from the weights of another run, or of a world"
    )


def run(args: argparse.Namespace) -> int:
    """Train and say where the run is."""
    from apps.cli.checks import parse_budget, positive
    from playground.training.run import train

    budget = parse_budget("--budget", args.budget) if args.budget else None
    if args.steps is not None:
        positive("--steps", args.steps)
    for folder in args.data:
        if not folder.is_dir():
            raise FileNotFoundError(2, "no such data folder; make one with playground collect", str(folder))
    train(
        args.stage,
        preset=args.preset,
        data=args.data,
        out=args.out,
        budget_seconds=budget,
        steps=args.steps,
        resume=args.resume,
        seed=args.seed,
        init=args.init,
        device=args.device,
    )
    print(f"run folder: {args.out}")
    return 0
