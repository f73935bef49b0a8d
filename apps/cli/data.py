"""Look into folders of training clips (`describe`), or store the embeddings of their captions again (`embed`)."""

from __future__ import annotations

import argparse
from pathlib import Path

SHEET_FRAMES = 48


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground data``."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    describe = commands.add_parser("describe", help="counts, actions, captions, motion and licence of a folder")
    describe.add_argument("folder", type=Path, metavar="DIR", help="folder written by collect or import")
    describe.add_argument("--sheet", type=Path, metavar="FILE.png", help="also write a sheet of evenly spaced frames")
    embed = commands.add_parser("embed", help="store the embeddings of a folder's captions beside its frames")
    embed.add_argument("folder", type=Path, metavar="DIR", help="folder whose dataset.json names captions")


def run(args: argparse.Namespace) -> int:
    """Describe one folder, or embed its captions."""
    if not args.folder.is_dir():
        raise FileNotFoundError(2, "no such data folder; make one with playground collect", str(args.folder))
    return _embed(args.folder) if args.action == "embed" else _describe(args.folder, args.sheet)


def _describe(folder: Path, sheet: Path | None) -> int:
    from playground.data.describe import describe

    print(describe(folder))
    if sheet:
        from apps.desktop.sheet import contact_sheet
        from playground.data.dataset import ClipDataset
        from playground.data.describe import sample_frames

        contact_sheet(sample_frames(ClipDataset(folder, length=1), SHEET_FRAMES), columns=8).save(sheet)
        print(f"sheet     {sheet}")
    return 0


def _embed(folder: Path) -> int:
    from playground.core.errors import PlaygroundError
    from playground.data.captions import store_captions
    from playground.data.format import load_info

    info = load_info(folder)
    if not info.captions:
        raise PlaygroundError(f"{folder} has no captions to embed")
    encoder = store_captions(folder, info)
    if encoder is None:
        raise PlaygroundError(
            f"{folder}: nothing to embed the captions with; install it with: pip install 'playground-worlds[text]'"
        )
    print(f"{len(info.captions)} captions of {folder} are embedded by {encoder}")
    return 0
