"""Score a world against real clips, compare two reports, or check a report against thresholds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playground.core.errors import PlaygroundError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground eval``."""
    parser.add_argument("world", metavar="WORLD", nargs="?", help="name of a world, or its folder")
    parser.add_argument("--data", type=Path, nargs="+", metavar="DIR", help="folders of clips not trained on")
    parser.add_argument("--out", type=Path, default=Path("report.json"), metavar="FILE", help="report (report.json)")
    parser.add_argument("--suite", choices=("core", "long"), default="core", help="long adds 1,000-frame runs (core)")
    parser.add_argument("--frames", type=int, default=2000, metavar="N", help="frames to compare (2000)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="fixes noise, shuffles, drawn keys and the probe (0)"
    )
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A.json", "B.json"), help="show what changed between two reports"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="check this report instead of measuring a world")
    parser.add_argument(
        "--thresholds", metavar="FILE.toml", help="exit with 1 when the report misses one ('default': the shipped file)"
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, compare or check; 1 when a threshold is missed."""
    from playground.evaluation.compare import failures, read_thresholds

    thresholds = read_thresholds(args.thresholds) if args.thresholds else {}  # a bad file is told before hours of work
    numbers = _numbers(args)
    missed = failures(numbers, thresholds)
    for line in missed:
        print(f"threshold missed: {line}", file=sys.stderr)
    if thresholds and not missed:
        print(f"all {len(thresholds)} thresholds are met")
    return 1 if missed else 0


def _numbers(args: argparse.Namespace) -> Mapping[str, Any]:
    """The report that thresholds are checked against: a file, the second of two files, or a new one."""
    from playground.evaluation.compare import compare_reports, comparison_table, read_report

    if sum(bool(value) for value in (args.world, args.compare, args.report)) != 1:
        raise PlaygroundError("give one of: a WORLD with --data, --compare A.json B.json, or --report FILE")
    if args.report:
        if not args.thresholds:
            raise PlaygroundError("--report needs --thresholds FILE.toml to check it against")
        return read_report(args.report)
    if args.compare:
        before, after = (read_report(path) for path in args.compare)
        print(comparison_table(compare_reports(before, after), *(str(path) for path in args.compare)))
        return after
    return _measure(args)


def _measure(args: argparse.Namespace) -> Mapping[str, Any]:
    from apps.cli.checks import positive

    if not args.data:
        raise PlaygroundError("--data is missing; give a folder of clips that the world was not trained on")
    for folder in args.data:
        if not folder.is_dir():
            raise FileNotFoundError(2, "no such data folder; make one with playground collect", str(folder))
    positive("--frames", args.frames)
    from playground.core.device import prepare_threads
    from playground.evaluation.run import evaluate_world

    prepare_threads()
    notes: list[str] = []
    report = evaluate_world(
        args.world, args.data, args.out, suite=args.suite, frames=args.frames, seed=args.seed, note=notes.append
    )
    for name, value in report.items():
        print(f"{name:<28} {value:.4f}" if isinstance(value, float) else f"{name:<28} {value}")
    for line in notes:
        print(f"note: {line}", file=sys.stderr)
    page = args.out if args.out.suffix == ".json" else args.out / "report.json"
    print(f"report: {page} and {page.with_suffix('.md')}")
    return report
