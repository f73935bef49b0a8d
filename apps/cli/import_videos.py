"""Turn your own videos into training clips: split at cuts, dull stretches dropped, no labels needed."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground import``."""
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEOS", help="video files, and folders of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write; continued if begun")
    parser.add_argument("--size", type=int, choices=(64, 128), default=64, help="side of a frame in pixels (64)")
    parser.add_argument("--fps", type=float, default=15.0, metavar="N", help="frames per second to take (15)")
    parser.add_argument(
        "--fit", choices=("crop", "letterbox"), default="crop", help="square from the middle, or all with bars (crop)"
    )
    parser.add_argument(
        "--min-frames", type=int, default=32, metavar="N", help="shortest piece to keep, in frames (32)"
    )
    parser.add_argument("--split", choices=("train", "val", "test"), default="train", help="what for (train)")
    parser.add_argument("--licence", default="unknown", metavar="TEXT", help="owner and terms, for the world's card")


def run(args: argparse.Namespace) -> int:
    """Import, then say what was kept and what was not, and why."""
    import sys

    from playground.data.importing.report import REPORT_NAME, SHEET_NAME
    from playground.data.importing.run import Settings, import_videos

    settings = Settings(args.size, args.fps, args.fit, args.min_frames)
    report = import_videos(args.videos, args.out, settings, split=args.split, licence=args.licence)
    _save_sheet(args.out, args.out / SHEET_NAME)
    print("\n".join(report.lines()))
    print(f"clips in {args.out}; see {REPORT_NAME} and {SHEET_NAME} there")
    for note in report.notes:
        print(f"left out: {note}", file=sys.stderr)
    if report.failed:
        named = "; ".join(f"{record.name} ({record.error})" for record in report.failed)
        print(f"not imported, {len(report.failed)} of {len(report.records)}: {named}", file=sys.stderr)
    return 0


def _save_sheet(folder: Path, path: Path, pictures: int = 48) -> None:
    import numpy as np

    from apps.desktop.sheet import contact_sheet
    from playground.data.dataset import ClipDataset

    dataset = ClipDataset([folder], length=1)
    picks = np.linspace(0, dataset.num_frames - 1, min(pictures, dataset.num_frames)).astype(int)
    frames = [np.asarray(dataset.frames(int(pick), int(pick) + 1)[0]) for pick in picks]
    contact_sheet(frames, columns=8).save(path)
