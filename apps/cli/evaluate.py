"""Score a world against real clips: picture quality, control, and how long it stays a world."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground eval``."""
    parser.add_argument("world", metavar="WORLD", help="name of a world, or its folder")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of clips not trained on")
    parser.add_argument("--out", type=Path, default=Path("report.json"), metavar="FILE", help="report (report.json)")
    parser.add_argument("--suite", choices=("core", "long"), default="core", help="long adds 1,000-frame runs (core)")
    parser.add_argument("--frames", type=int, default=2000, metavar="N", help="frames to compare (2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="fixes clips and noise (0)")


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the numbers and say where the report is."""
    from apps.cli.checks import positive
    from playground.evaluation.run import evaluate_world

    if not args.data.is_dir():
        raise FileNotFoundError(2, "no such data folder; make one with playground collect", str(args.data))
    positive("--frames", args.frames)
    report = evaluate_world(args.world, args.data, args.out, suite=args.suite, frames=args.frames, seed=args.seed)
    for name, value in report.items():
        print(f"{name:<28} {value:.4f}" if isinstance(value, float) else f"{name:<28} {value}")
    print(f"report: {args.out}")
    return 0
