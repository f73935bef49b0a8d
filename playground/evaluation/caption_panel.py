"""Judges of the captions of several sources: one names the source of a picture, and that source's own the caption.

Judged all at once, captions of one source would be held against those of another, which often share their words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from playground.evaluation import caption_judge
from playground.evaluation.caption_judge import CaptionJudge, PictureNetwork, train_caption_judge
from playground.evaluation.captioned import CaptionedFrames


@dataclass(frozen=True)
class CaptionPanel:
    """Trained judges.

    Attributes:
        judges: source name to the judge of its captions.
        first: source name to the id of its first caption.
        network: scores each of the sources, in order; None for a single source.
        held_out: which of the given frames no judge was trained on, bool ``(B,)``; only those with known captions.
    """

    judges: dict[str, CaptionJudge]
    first: dict[str, int]
    network: PictureNetwork | None
    held_out: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Ids of all captions that the judges tell apart."""
        return np.concatenate([judge.known + self.first[name] for name, judge in self.judges.items()])

    def read(self, frames_BHWC: np.ndarray) -> np.ndarray:
        """The id of the caption that fits each frame best, int64 ``(B,)``."""
        answer_B = np.zeros(len(frames_BHWC), np.int64)
        source_B = np.zeros(len(frames_BHWC), np.int64)
        if self.network is not None:
            source_B = caption_judge.best(self.network, torch.eye(len(self.judges)), frames_BHWC)
        for index, (name, judge) in enumerate(self.judges.items()):
            mine = source_B == index
            answer_B[mine] = judge.read(frames_BHWC[mine]) + self.first[name]
        return answer_B


def train_caption_panel(
    real: CaptionedFrames, seed: int = 0, on_step: Callable[[int, int], None] | None = None
) -> CaptionPanel | None:
    """Train a judge for each source and, where there are several, one of the sources.

    Args:
        real: frames with their captions.
        seed: of weights, batches and noise; the same seed gives the same judges.
        on_step: called with the steps done and in all.

    Returns:
        The judges of all sources that have enough captions and episodes, or None when there is no such source.
    """
    names = real.sources
    networks = len(names) + int(len(names) > 1)
    held_out = np.zeros(len(real.caption_B), bool)
    judges: dict[str, CaptionJudge] = {}
    first: dict[str, int] = {}

    def progress(number: int) -> Callable[[int, int], None] | None:
        if on_step is None:
            return None
        return lambda done, each: on_step(number * each + done, networks * each)

    for number, name in enumerate(names):
        rows = np.flatnonzero(real.source_B == name)
        ids = np.flatnonzero(real.source_K == name)
        captions = [real.captions[index] for index in ids]
        label_B = real.caption_B[rows] - ids[0]
        judge = train_caption_judge(
            real.frames_BHWC[rows], label_B, real.episode_B[rows], captions, seed, progress(number)
        )
        if judge is not None and judge.held_out.any():
            judges[name], first[name] = judge, int(ids[0])
            held_out[rows] = judge.held_out
    if not judges:
        return None
    network = None
    if len(judges) > 1:
        places = {name: index for index, name in enumerate(judges)}
        seen = np.flatnonzero(~held_out & np.isin(real.source_B, list(judges)))
        label_B = np.array([places[name] for name in real.source_B[seen]])
        network = caption_judge.train_network(
            real.frames_BHWC[seen], label_B, torch.eye(len(judges)), seed, progress(networks - 1)
        )
    return CaptionPanel(judges, first, network, held_out)
