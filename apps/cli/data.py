"""Look into folders of training clips: `playground data describe DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground data``."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    describe = commands.add_parser("describe", help="frames, size, actions, splits and licence of a folder")
    describe.add_argument("folder", type=Path, metavar="DIR", help="folder written by collect or import")
    describe.add_argument("--sheet", type=Path, metavar="FILE.png", help="also write a sheet of evenly spaced frames")


def run(args: argparse.Namespace) -> int:
    """Describe one folder."""
    from dataclasses import asdict

    from playground.data.dataset import ClipDataset

    if not args.folder.is_dir():
        raise FileNotFoundError(2, "no such data folder; make one with playground collect", str(args.folder))
    dataset = ClipDataset([args.folder], length=1)
    print(f"{'folder':<16} {args.folder}")
    print(f"{'frames':<16} {dataset.num_frames}")
    for name, value in asdict(dataset.info).items():
        if isinstance(value, (list, tuple)):
            value = f"{len(value)}: {', '.join(map(str, value[:16]))}" if value else "none"
        print(f"{name:<16} {value}")
    if args.sheet:
        import numpy as np

        from apps.desktop.sheet import contact_sheet

        picks = np.linspace(0, dataset.num_frames - 1, min(24, dataset.num_frames)).astype(int)
        contact_sheet([np.asarray(dataset.frames(int(i), int(i) + 1)[0]) for i in picks]).save(args.sheet)
        print(f"{'sheet':<16} {args.sheet}")
    return 0
