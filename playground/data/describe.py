"""What a dataset folder holds, for a person: counts, actions, captions, motion and a sheet of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.captions import CAPTIONS_NAME, load_captions
from playground.data.dataset import ClipDataset

BAR_WIDTH = 24
MAX_BARS = 24
MOVING_DIFFERENCE = 0.5
"""Mean absolute difference to the frame before (of 255) above which a frame counts as moving."""


def describe(folder: Path | str) -> str:
    """Summarise a dataset folder in lines of text.

    Raises:
        PlaygroundError: not a readable dataset.
    """
    data = ClipDataset(folder, length=1)
    info = data.info
    levels = f", levels {info.seed_range[0]}..{info.seed_range[1] - 1}" if info.seed_range else ""
    lines = [f"{Path(folder)}: {info.source}, split {info.split}{levels}, seed {info.seed}", *_counts(data)]
    known = data.actions_T[data.actions_T >= 0]
    lines.append(f"actions   {len(data.action_names) or 'none recorded'}")
    lines += histogram(data.action_names, np.bincount(known, minlength=len(data.action_names)))
    lines += _captions(data, Path(folder))
    if info.options:
        lines.append("options   " + ", ".join(f"{name}={value}" for name, value in info.options.items()))
    lines.append(f"licence   {info.licence}")
    return "\n".join(lines)


def histogram(names: Sequence[str], counts: np.ndarray) -> list[str]:
    """One line a name that occurs with its share and a bar, most frequent first; then one line for the rest."""
    total, most = max(1, int(counts.sum())), max(1, int(counts.max(initial=0)))
    order = [index for index in np.argsort(-counts, kind="stable").tolist() if counts[index]]
    width = max((len(names[index]) for index in order[:MAX_BARS]), default=0)
    lines = []
    for index in order[:MAX_BARS]:
        bar = "#" * round(BAR_WIDTH * counts[index] / most)
        lines.append(f"  {names[index]:<{width}}  {100 * counts[index] / total:5.1f} %  {bar}".rstrip())
    rest, unused = order[MAX_BARS:], len(names) - len(order)
    if rest:
        lines.append(f"  and {len(rest)} more, {100 * counts[rest].sum() / total:.1f} % together")
    if unused:
        lines.append(f"  and {unused} that do not occur")
    return lines


def sample_frames(data: ClipDataset, count: int) -> list[np.ndarray]:
    """At most ``count`` uint8 (H, W, 3) frames, evenly spaced over the whole dataset."""
    picks = np.linspace(0, data.num_frames - 1, min(count, data.num_frames)).astype(int)
    return [np.array(data.frames(pick, pick + 1)[0]) for pick in picks.tolist()]


def _counts(data: ClipDataset) -> list[str]:
    info, folder = data.info, data.folders[0]
    bytes_used = sum(path.stat().st_size for path in folder.glob("*.np[yz]"))
    planned = "" if not info.frames or info.frames == data.num_frames else f" of {info.frames} planned: not finished"
    lengths = np.diff(np.append(np.flatnonzero(data.first_T), data.num_frames))
    seconds = data.num_frames / info.fps
    duration = f"{seconds / 3600:.2f} hours" if seconds >= 360 else f"{seconds / 60:.1f} minutes"
    lines = [
        f"frames    {data.num_frames}{planned}, {info.size}x{info.size} px, {info.fps:g} per second: {duration}",
        f"files     {bytes_used / 1e6:.1f} MB in {len(data.shard_bounds) - 1} shards",
        f"episodes  {data.num_episodes}, frames each: median {int(np.median(lengths))}, longest {lengths.max()}, "
        f"{int(data.ends_T.sum())} ended by the game, {int((data.rewards_T > 0).sum())} rewards",
    ]
    motion_T = data.motion()[~data.first_T]
    if len(motion_T):
        low, middle, high = np.quantile(motion_T, (0.1, 0.5, 0.9))
        lines.append(
            f"motion    mean {motion_T.mean():.2f} of 255 (10 %: {low:.2f}, median {middle:.2f}, 90 %: {high:.2f}), "
            f"{100 * (motion_T > MOVING_DIFFERENCE).mean():.0f} % of frames move"
        )
    return lines


def _captions(data: ClipDataset, folder: Path) -> list[str]:
    if not data.captions:
        return ["captions  none"]
    used = data.caption_ids_T[data.caption_ids_T >= 0]
    counts = np.bincount(used, minlength=len(data.captions))
    inside_T = ~data.first_T
    inside_T[0] = False
    changes = int((np.diff(data.caption_ids_T, prepend=-1) != 0)[inside_T].sum())
    others = sum(len(group) for group in data.info.paraphrases)
    try:
        found = load_captions(folder, data.info)
        embedded = f"embedded by {found.encoder}" if found else "not embedded"
    except PlaygroundError:
        embedded = f"{CAPTIONS_NAME} cannot be used"
    lines = [
        f"captions  {len(data.captions)} ({(counts > 0).sum()} occur) and {others} paraphrases, {embedded}; "
        f"{100 * len(used) / data.num_frames:.0f} % of frames have one, {changes} changes inside episodes"
    ]
    return lines + histogram(data.captions, counts)
