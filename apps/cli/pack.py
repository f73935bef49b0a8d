"""Turn a finished training run into a world: one folder that can be played and shared."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground pack``."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of playground train")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="world folder to write")
    parser.add_argument("--name", metavar="NAME", help="name of the world (the folder's name)")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="clips to take prompts from (those of the run)",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="report.json of playground eval, for the model card"
    )
    parser.add_argument(
        "--bench", type=Path, metavar="FILE", help="file of playground bench --json, for the model card"
    )


def run(args: argparse.Namespace) -> int:
    """Pack and say how to play the result."""
    from playground.training.pack import pack

    if not args.run.is_dir():
        raise FileNotFoundError(2, "no such run folder; make one with playground train", str(args.run))
    pack(args.run, args.out, name=args.name, data=args.data, report=args.report, bench=args.bench)
    print(f"world folder: {args.out}; play it with: playground play {args.out}")
    return 0
