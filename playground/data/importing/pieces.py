"""Cuts the marked stream into episodes and counts where the time went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from playground.data.importing.samples import Sample

SHORT = "short"
_MOVING = 0.5  # mean difference (of 255) from which a frame counts as moving, as in `playground data describe`


@dataclass
class Tally:
    """What happened to the frames of one video.

    Attributes:
        dropped: number of grid frames by reason.
        kept: number of kept frames.
        pieces: number of episodes.
        starts: number of places where the video does not continue (cuts, gaps, damage).
        repeated: kept frames that show the same picture as the one before because the video is slower.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    pieces: int = 0
    starts: int = 0
    repeated: int = 0
    _motion: list[float] = field(default_factory=list)

    def motion(self) -> dict[str, float]:
        """Mean absolute difference of neighbouring kept frames (of 255): mean, 90th percentile, share that moves."""
        motion_T = np.array(self._motion or [0.0])
        return {
            "mean": round(float(motion_T.mean()), 3),
            "p90": round(float(np.percentile(motion_T, 90)), 3),
            "moving_share": round(float((motion_T > _MOVING).mean()), 3),
        }

    def keep(self, sample: Sample, before: Sample | None) -> None:
        """Count a kept frame; ``before`` is the frame before it in its episode."""
        self.kept += 1
        if before is None:
            self.pieces += 1
            return
        self.repeated += sample.repeated
        if not sample.repeated:
            now, then = sample.frame_HWC.astype(np.int16), before.frame_HWC.astype(np.int16)
            self._motion.append(float(np.abs(now - then).mean()))


def kept_pieces(samples: Iterable[Sample], min_frames: int, tally: Tally) -> Iterator[tuple[Sample, bool]]:
    """The frames to write, each with whether it begins an episode.

    Args:
        samples: the marked stream.
        min_frames: shorter pieces are dropped; as many frames are held back.
        tally: filled on the way.
    """
    waiting: list[Sample] = []
    before: Sample | None = None
    for sample in samples:
        tally.starts += sample.starts
        if sample.drop or sample.starts:
            tally.dropped[SHORT] += len(waiting)
            waiting, before = [], None
        if sample.drop:
            tally.dropped[sample.drop] += 1
            continue
        if before is None:
            waiting.append(sample)
            if len(waiting) < min_frames:
                continue
            ready, waiting = waiting, []
        else:
            ready = [sample]
        for item in ready:
            tally.keep(item, before)
            yield item, before is None
            before = item
    tally.dropped[SHORT] += len(waiting)
