"""Score another project's model by the same rules: two folders of mp4 files, true and generated, with equal names.

    python examples/score_videos.py TRUTH_DIR GENERATED_DIR [--skip 4] [--out scores.json]

Frames that the model was given as a prompt are left out with --skip. What the numbers mean is in docs/evaluation.md.
Reading videos needs the package `av`; perceptual and Frechet numbers need the packages of the extra `eval`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playground.core.config import write_json
from playground.core.errors import PlaygroundError
from playground.evaluation.run import Bars
from playground.evaluation.videos import score_videos


def main() -> int:
    parser = argparse.ArgumentParser(description="Score pairs of true and generated videos.")
    parser.add_argument("truth", type=Path, metavar="TRUTH_DIR")
    parser.add_argument("generated", type=Path, metavar="GENERATED_DIR")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="frames at the start that were given (0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the numbers as JSON")
    args = parser.parse_args()
    try:
        numbers = score_videos(
            args.truth,
            args.generated,
            skip=args.skip,
            progress=Bars(True),
            note=lambda line: print(f"note: {line}", file=sys.stderr),
        )
    except PlaygroundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for key, value in numbers.items():
        print(f"{key:<24} {value:.4f}" if isinstance(value, float) else f"{key:<24} {value}")
    if args.out:
        write_json(args.out, numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
