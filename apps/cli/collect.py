"""Record training clips from a game: frames, actions, rewards and ends, in a folder that `train` reads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground collect``."""
    from playground.core.registry import COLLECTORS

    known = ", ".join(COLLECTORS.names())
    parser.add_argument("source", metavar="SOURCE", help=f"which world: {known}")
    parser.add_argument("--frames", type=int, required=True, metavar="N", help="how many frames to record")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write; continued if begun")
    parser.add_argument("--size", type=int, choices=(64, 128), default=64, help="side of a frame in pixels (64)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="fixes levels and actions (0)")
    parser.add_argument("--split", choices=("train", "val", "test"), default="train", help="which levels (train)")
    parser.add_argument(
        "--processes", type=int, metavar="N", help="how many play at once (one a core); changes no frame"
    )
    parser.add_argument("--difficulty", choices=("easy", "hard"), help="difficulty of the levels, where a game has it")
    parser.add_argument("--no-backgrounds", action="store_true", help="plain backgrounds, where a game has them")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the world; may be repeated, a wrong name lists the known ones",
    )


def run(args: argparse.Namespace) -> int:
    """Collect and say where the clips are."""
    from apps.cli.checks import positive
    from playground.core.device import physical_cores
    from playground.core.registry import COLLECTORS
    from playground.data.collect import collect

    positive("--frames", args.frames)
    COLLECTORS.get(args.source)  # an unknown source is reported before anything is written
    options: dict[str, object] = {**parse_options(args.option)}
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
        processes=physical_cores() if args.processes is None else args.processes,
        announce=print,
    )
    print(f"{args.frames} frames of {args.source} ({args.split}) are in {args.out}")
    return 0


def parse_options(texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts; of a name that comes twice the last value counts.

    Raises:
        PlaygroundError: a text without a name or without ``=``.
    """
    from playground.core.errors import PlaygroundError

    options = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise PlaygroundError(f"--option {text!r} is not NAME=VALUE; write it like --option difficulty=easy")
        options[name.strip()] = value.strip()
    return options
