"""Does a world draw what a text asks for, and does it change when the text changes?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.core.errors import PlaygroundError
from playground.evaluation import pictures
from playground.evaluation.caption_panel import CaptionPanel, train_caption_panel
from playground.evaluation.captioned import CaptionedFrames, Event, captioned_frames, find_events, has_captions
from playground.evaluation.intervals import share_half_width
from playground.evaluation.rollouts import Progress, decode, encode, infer_actions, noop_code, play, prefill
from playground.evaluation.texts import embed_captions
from playground.evaluation.wordings import held_out_wording
from playground.world.first_frames import knows_words, redraw

LOOK = 8
"""Frame at which a drawn world is judged for the second time."""

SHOWN = 16
"""Frames that are drawn from a text."""

EVENT_FRAMES = 30
"""Frames within which an event has to show."""

_JUDGE_FRAMES = 4000
_RUNS, _RUNS_A_SOURCE, _EVENTS = 64, 32, 20
_EVERY, _LOOKS = 3, 3
_BATCH = 32
_GOOD_JUDGE = 0.8


@dataclass
class TextProbe:
    """One world of texts on captioned data; ``measure`` returns its numbers.

    Attributes:
        world: the world that is asked.
        sources: source name to clip dataset.
        folder: where ``texts.png`` goes.
        context: frames shown before an event.
        seed: of judge, questions and noise.
        note: called with one line for everything that cannot be measured.
        progress: called with a stage, steps done and steps in all.
    """

    world: Any
    sources: Mapping[str, Any]
    folder: Path
    context: int
    seed: int
    note: Callable[[str], None]
    progress: Progress | None = None

    def measure(self) -> dict[str, float]:
        """Train the judge, put the questions and count the answers; empty when that cannot be done."""
        told = {source: dataset for source, dataset in self.sources.items() if has_captions(dataset)}
        if not told:
            self.note("text_accuracy: the data has no captions; collect it from a source that has some")
            return {}
        size = int(self.world.frame_size)
        real = captioned_frames(told, _JUDGE_FRAMES, size, self.seed)
        report = self.progress
        on_step = None if report is None else lambda done, total: report("caption judge", done, total)
        judge = train_caption_panel(real, self.seed, on_step)
        if judge is None:
            self.note("text_accuracy: needs two captions that can be told apart, each in several episodes")
            return {}
        if left_out := sorted(set(told) - set(judge.judges)):
            self.note(
                f"text_accuracy (measured): without {', '.join(left_out)}; "
                "needs two captions that can be told apart, each in several episodes"
            )
        told = {source: told[source] for source in judge.judges}
        numbers = self._real(judge, real)
        for key, question in (("text_accuracy", self._drawn), ("event_accuracy_30", self._events)):
            try:
                numbers |= question(judge, real, told)
            except PlaygroundError as error:  # the texts have to be embedded, and the encoder is not installed
                self.note(f"{key}: {error}")
        return numbers

    def _real(self, judge: CaptionPanel, real: CaptionedFrames) -> dict[str, float]:
        answers = judge.read(real.frames_BHWC[judge.held_out])
        right = answers == real.caption_B[judge.held_out]
        if right.mean() < _GOOD_JUDGE:
            self.note(
                f"text_accuracy (measured): the judge names {100 * right.mean():.0f} % of unseen real frames rightly; "
                "evaluate on more, shorter episodes to measure texts well"
            )
        source = real.source_B[judge.held_out]
        numbers = by_source("text_accuracy_real", right, source)
        decoded = judge.read(self._decoded(real.frames_BHWC[judge.held_out]))
        numbers |= by_source("text_accuracy_decoded", decoded == real.caption_B[judge.held_out], source)
        if len(set(source.tolist())) > 1:
            numbers |= by_source("text_source_accuracy_real", real.source_K[answers] == source, source)
        return numbers | {"text_accuracy_real_samples": len(right)}

    def _decoded(self, frames_BHWC: np.ndarray) -> np.ndarray:
        """Frames as the tokenizer gives them back: nothing that a world draws can show more."""
        parts = np.array_split(frames_BHWC[:, None], -(-len(frames_BHWC) // _BATCH))
        with torch.inference_mode():
            return np.concatenate([decode(self.world, encode(self.world, part))[:, 0] for part in parts])

    def _drawn(self, judge: CaptionPanel, real: CaptionedFrames, told: Mapping[str, Any]) -> dict[str, float]:
        """``text_accuracy`` and what belongs to it; draws ``texts.png``."""
        rows = self._asked(judge, real)
        asked, source = real.caption_B[rows], real.source_B[rows]
        texts = self._wordings([real.captions[index] for index in asked], source, told)
        drawn = self._draw(texts, source.tolist())
        pictures.save_texts(self.folder / "texts.png", drawn[:16, [0, 3, LOOK - 1, SHOWN - 1]], texts[:16])
        first, later = judge.read(drawn[:, 0]), judge.read(drawn[:, LOOK - 1])
        numbers = by_source("text_accuracy", first == asked, source)
        numbers |= by_source("text_accuracy_8", later == asked, source)
        if len(set(source.tolist())) > 1:
            numbers |= by_source("text_source_accuracy", real.source_K[first] == source, source)
        # The same pictures, held against what the other runs were asked for.
        others = (first[:, None] == asked[None]) & ~np.eye(len(asked), dtype=bool)
        return numbers | {
            "text_accuracy_chance": float(others.sum() / (len(asked) * (len(asked) - 1))),
            "text_runs": len(asked),
        }

    def _draw(self, texts: list[str], sources: list[str]) -> np.ndarray:
        """Draw a first frame from each text, as a player gets it, and play on under the no-op: ``(B, SHOWN, ...)``."""
        embedded = embed_captions(self.world, texts, ())
        parts = []
        for low in range(0, len(texts), _BATCH):
            rows = range(low, min(low + _BATCH, len(texts)))
            seeds = [self.seed + row for row in rows]
            told = None if embedded is None else embedded[rows.start : rows.stop]
            first = np.stack([self.world.draw_first_frame(texts[row], seed=self.seed + row) for row in rows])[:, None]
            state = prefill(self.world, first, None, seeds, told)
            held = np.array([noop_code(self.world, sources[row]) for row in rows], np.int64)
            actions = np.repeat(held[:, None], SHOWN - 1, axis=1)
            played = play(self.world, state, actions, seeds, prompt_BP=told)
            parts.append(np.concatenate([first, played], axis=1))
            if self.progress is not None:
                self.progress("texts", rows.stop, len(texts))
        return np.concatenate(parts)

    def _asked(self, judge: CaptionPanel, real: CaptionedFrames) -> np.ndarray:
        """Unseen real frames whose captions are asked for, as many of each source."""
        rng = np.random.default_rng(self.seed)
        rows = np.flatnonzero(judge.held_out)
        names = list(dict.fromkeys(real.source_B[rows].tolist()))
        each = max(_RUNS_A_SOURCE, -(-_RUNS // len(names)))
        mine = [rows[real.source_B[rows] == name] for name in names]
        return np.concatenate([rng.choice(part, each, replace=len(part) < each) for part in mine])

    def _wordings(self, captions: list[str], source: np.ndarray, told: Mapping[str, Any]) -> list[str]:
        """The captions in held-out words, where there are any else themselves."""
        trained = {text for dataset in told.values() for text in dataset.captions}
        for dataset in told.values():
            for info in getattr(dataset, "infos", ()):
                trained |= {text for texts in info.paraphrases for text in texts}
        texts = []
        for name, caption in zip(source.tolist(), captions, strict=True):
            texts.append(held_out_wording(name, caption, trained))
        if None in texts:
            without = sorted({name for name, text in zip(source.tolist(), texts, strict=True) if text is None})
            self.note(f"text_accuracy (measured): no held-out wordings for {', '.join(without)}; asked by its captions")
        return [caption if text is None else text for caption, text in zip(captions, texts, strict=True)]

    def _events(self, judge: CaptionPanel, real: CaptionedFrames, told: Mapping[str, Any]) -> dict[str, float]:
        """``event_accuracy_30``, ``retold_accuracy_30``, ``told_kept_30`` and what belongs to them."""
        if not self.context:
            self.note("event_accuracy_30: no episode is long enough")
            return {}
        known = {source: {real.captions[i] for i in judge.known if real.source_K[i] == source} for source in told}
        length, size = self.context + EVENT_FRAMES, int(self.world.frame_size)
        each = -(-_EVENTS // len(told))
        events = [
            event
            for source, dataset in told.items()
            for event in find_events(source, dataset, each, length, size, self.seed, known[source])
        ]
        if not events:
            self.note(
                f"event_accuracy_30: the data has no changes of caption, or none after {length} frames without change"
            )
            return {}
        texts = [
            [event.before for event in events],
            [event.after for event in events],
            self._others(events, known),
        ]
        clips = np.stack([event.clip_THWC for event in events])
        embedded = [embed_captions(self.world, captions, told.values()) for captions in texts]
        answers = [_captions_seen(judge, frames) for frames in self._switched(clips, embedded)]
        source, numbers = np.array([event.source for event in events], object), {"event_runs": float(len(events))}

        def asked_for(captions: list[str]) -> np.ndarray:
            return np.array([real.caption_id(*asked) for asked in zip(source.tolist(), captions, strict=True)])

        for key, played, captions in (
            ("event_accuracy_base", 0, texts[1]),
            ("event_accuracy_30", 1, texts[1]),
            ("retold_accuracy_base", 0, texts[2]),
            ("retold_accuracy_30", 2, texts[2]),
        ):
            shown = (answers[played] == asked_for(captions)[:, None]).sum(axis=1) >= _LOOKS
            numbers |= by_source(key, shown, source)
        for key, seen in (
            ("told_kept_30", answers[0]),
            ("told_kept_real_30", _captions_seen(judge, clips[:, self.context :])),
        ):
            numbers |= by_source(key, (seen == asked_for(texts[0])[:, None]).mean(axis=1), source)
        return numbers

    def _others(self, events: list[Event], known: Mapping[str, set[str]]) -> list[str]:
        """For each event any other caption of its source: a player may ask for what never follows in the data."""
        rng = np.random.default_rng(self.seed)
        return [str(rng.choice(sorted(known[event.source] - {event.before}))) for event in events]

    def _switched(self, clips_BTHWC: np.ndarray, texts_BP: list[Tensor | None]) -> list[np.ndarray]:
        """Continue the clips with the text they have, which comes first, then with others, under their own actions."""
        shape = clips_BTHWC.shape[:2]
        if getattr(self.world, "latent_actions", None) is None:
            actions = np.full(shape, noop_code(self.world), np.int64)
        else:
            actions = infer_actions(self.world, clips_BTHWC)
        context, rows = self.context, len(clips_BTHWC)
        before = prefill(self.world, clips_BTHWC[:, :context], actions[:, :context], self.seed, texts_BP[0])
        made = []
        for number, text_BP in enumerate(texts_BP):
            state = before.clone()
            if number and text_BP is not None and knows_words(self.world):
                state = self._redrawn(clips_BTHWC[:, context - 1], text_BP)
            part = play(self.world, state, actions[:, context:], self.seed + 1, prompt_BP=text_BP)
            made.append(part)
            if self.progress is not None:
                self.progress("events", (number + 1) * rows, len(texts_BP) * rows)
        return made

    def _redrawn(self, frames_BHWC: np.ndarray, text_BP: Tensor) -> Any:
        """Memory of runs whose frame was drawn anew for a text, as a session does it."""
        seeds = [self.seed + row for row in range(len(frames_BHWC))]
        frames = redraw(self.world, frames_BHWC, text_BP.numpy(), seeds)
        return prefill(self.world, frames[:, None], None, seeds, text_BP)


def _captions_seen(judge: CaptionPanel, frames_BTHWC: np.ndarray) -> np.ndarray:
    """The caption that the judge names in every third frame, int64 ``(B, looks)``."""
    seen = frames_BTHWC[:, _EVERY - 1 :: _EVERY]
    return judge.read(seen.reshape(-1, *seen.shape[2:])).reshape(seen.shape[:2])


def by_source(key: str, right: np.ndarray, source: np.ndarray) -> dict[str, float]:
    """Mean of right answers, or of shares of them, with its interval, over all and for each of several sources."""
    numbers = {key: float(right.mean()), f"{key}_ci": share_half_width(float(right.mean()), len(right))}
    names = list(dict.fromkeys(source.tolist()))
    for name in names if len(names) > 1 else []:
        part = right[source == name]
        numbers |= {f"{key}/{name}": float(part.mean())}
        numbers[f"{key}_ci/{name}"] = share_half_width(float(part.mean()), len(part))
    return numbers
