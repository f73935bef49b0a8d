"""Where runs of a world begin: pictures, what source each belongs to, and the text that goes with it.

Legend: B starts, P prompt dims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.world.manifest import PromptFacts
from playground.world.prompt import Prompt

if TYPE_CHECKING:
    import torch

    from playground.evaluation.rollouts import Clips


@dataclass(frozen=True)
class Starts:
    """B beginnings.

    Attributes:
        clips: uint8 (T, H, W, 3) each; one array where all are as long.
        sources: name of the source of each, ``""`` where nothing tells.
        text_BP: embedded texts, zeros for none; None for a world without texts or where none is known.
    """

    clips: Clips
    sources: Sequence[str]
    text_BP: torch.Tensor | None = None

    def rows(self, rows: Sequence[int]) -> Starts:
        """Some of them."""
        rows = list(rows)
        text = None if self.text_BP is None else self.text_BP[rows]
        clips = self.clips[rows] if isinstance(self.clips, np.ndarray) else [self.clips[row] for row in rows]
        return Starts(clips, [self.sources[row] for row in rows], text)

    def by_source(self) -> Iterator[tuple[str, Starts]]:
        """Those of each source, in order of appearance."""
        for source in dict.fromkeys(self.sources):
            yield source, self.rows([row for row, name in enumerate(self.sources) if name == source])

    def __len__(self) -> int:
        return len(self.clips)


def shipped_prompts(world: Any) -> Starts:
    """The pictures that a world ships, with their captions."""
    told = getattr(getattr(world, "manifest", None), "prompt_facts", {})
    facts = [told.get(Path(path).name, PromptFacts()) for path in world.prompts]
    clips = [np.asarray(Prompt.from_path(path, world.frame_size).frames_THWC) for path in world.prompts]
    return Starts(clips, [fact.source for fact in facts], _texts(world, [fact.caption for fact in facts]))


def _texts(world: Any, captions: list[str]) -> torch.Tensor | None:
    if not getattr(world, "prompt_dims", 0) or not any(captions):
        return None
    import torch

    nothing_P = np.zeros(world.text_dims, np.float32)
    return torch.from_numpy(np.stack([world.captions.get(caption, nothing_P) for caption in captions]))
