"""Record training clips from a game: frames, actions, rewards and ends, in a folder that `train` reads."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground collect``."""
    parser.add_argument("source", metavar="SOURCE", help="which game, for example coinrun")
    parser.add_argument("--frames", type=int, required=True, metavar="N", help="how many frames to record")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write; continued if begun")
    parser.add_argument("--size", type=int, choices=(64, 128), default=64, help="side of a frame in pixels (64)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="fixes levels and actions (0)")
    parser.add_argument("--split", choices=("train", "val", "test"), default="train", help="which levels (train)")
    parser.add_argument("--difficulty", choices=("easy", "hard"), help="difficulty of the levels, where a game has it")
    parser.add_argument("--no-backgrounds", action="store_true", help="plain backgrounds, where a game has them")


def run(args: argparse.Namespace) -> int:
    """Collect and say where the clips are."""
    from apps.cli.checks import positive
    from playground.core.registry import COLLECTORS
    from playground.data.collect import collect

    positive("--frames", args.frames)
    COLLECTORS.get(args.source)  # an unknown source is reported before anything is written
    options: dict[str, object] = {}
    if args.difficulty:
        options["difficulty"] = args.difficulty
    if args.no_backgrounds:
        options["backgrounds"] = False
    collect(
        args.source,
        frames=args.frames,
        out=args.out,
        size=args.size,
        seed=args.seed,
        split=args.split,
        options=options or None,
    )
    print(f"{args.frames} frames of {args.source} ({args.split}) are in {args.out}")
    return 0
