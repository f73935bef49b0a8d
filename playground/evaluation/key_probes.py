"""Are keys obeyed? An independent judge, trained on real clips, reads them back from what a world draws.

It is asked twice. Keys that are held from many starts show what a key does by itself, but no game moves in every such
frame: players run into walls and land. So recorded keys are also played where they were pressed, and what is read
from the world is held against what is read from the true frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.evaluation import inverse_dynamics, probes, rollouts
from playground.evaluation.intervals import Scores, mean_half_width
from playground.evaluation.inverse_dynamics import FRAMES, Judge
from playground.evaluation.pressed import pressed_actions
from playground.evaluation.sample import Sample, draw_sample, fit_sample

_JUDGE_CLIPS = 400
_STARTS = 16
_PLAYED = 48


@dataclass
class KeyProbe:
    """One world, the keys of its sources; ``measure`` returns its numbers.

    Attributes:
        world: the world that is asked.
        sources: source name to clip dataset.
        context: frames shown before the first generated one.
        seed: of the judges and of noise.
        texts: embeds captions, None for those that are not shown to the world.
        note: called with one line for everything that cannot be measured.
        progress: called with a stage, steps done and steps in all.
    """

    world: Any
    sources: Mapping[str, Any]
    context: int
    seed: int
    texts: Callable[[Sequence[str]], Any]
    note: Callable[[str], None]
    progress: rollouts.Progress | None = None

    def measure(self) -> dict[str, float]:
        """Train a judge for each source and ask it; empty where there is no recorded action or too few frames."""
        if self.context < FRAMES - 1:
            self.note("key_accuracy: the probe needs two frames of context, the episodes are too short")
            return {}
        numbers: dict[str, float] = {}
        held: list[np.ndarray] = []
        read: list[Scores] = []
        for source, dataset in self.sources.items():
            found = self._judge(source, dataset)
            if found is None:
                continue
            judge, clips = found
            shares = self._held(source, judge, clips)
            if shares is None:
                self._too_rare(source)
                continue
            held.append(shares)
            suffix = self._suffix(source)
            numbers |= {f"probe_accuracy{suffix}": judge.accuracy, f"probe_samples{suffix}": judge.held_out}
            numbers |= _mean("key_accuracy", shares, suffix)
            played = self._played(source, judge, clips)
            if played is not None:
                read.append(played)
                numbers |= played.summary(np.arange(_clips(played)), self.seed, suffix)
        if held and len(self.sources) > 1:
            numbers |= _mean("key_accuracy", np.concatenate(held))
            ceilings = [value for key, value in numbers.items() if key.startswith("probe_accuracy/")]
            numbers["probe_accuracy"] = float(np.mean(ceilings))
        if read and len(self.sources) > 1:
            whole = _joined(read)
            numbers |= whole.summary(np.arange(_clips(whole)), self.seed)
        return numbers

    def _suffix(self, source: str) -> str:
        return f"/{source}" if len(self.sources) > 1 else ""

    def _too_rare(self, source: str) -> None:
        where = f" for {source}" if len(self.sources) > 1 else ""
        self.note(f"key_accuracy{where}: fewer than two of the world's keys are frequent enough in the data")

    def _judge(self, source: str, dataset: Any) -> tuple[Judge, Sample] | None:
        """A judge of a source's keys, and the true clips of which it has seen the first."""
        names = [str(action.name) for action in probes.keyed_actions(self.world, source)]
        recorded = list(getattr(dataset, "action_names", []))
        if len(set(names) & set(recorded)) < 2:
            where = f" for {source}" if len(self.sources) > 1 else ""
            self.note(
                f"key_accuracy{where}: the data has no recorded actions with the names of the world's keys; "
                "see key_consistency"
            )
            return None
        clips = fit_sample(self.world, draw_sample({source: dataset}, _JUDGE_CLIPS))
        table = np.array([names.index(name) if name in names else -1 for name in recorded] + [-1], np.int64)
        tell = self.progress
        told = None if tell is None else lambda done, total: tell("probe", done, total)
        judge = inverse_dynamics.train_judge(
            clips.clips_BTHWC, table[clips.labels_BT], names, self.seed, inverse_dynamics.STEPS, told
        )
        if judge is None:
            self._too_rare(source)
            return None
        return judge, clips

    def _held(self, source: str, judge: Judge, clips: Sample) -> np.ndarray | None:
        """Values of ``key_accuracy``: every key held from a few starts."""
        starts = clips.some(range(0, len(clips.clips_BTHWC), max(1, len(clips.clips_BTHWC) // _STARTS))[:_STARTS])
        return probes.key_accuracy(
            self.world,
            judge,
            starts.clips_BTHWC[:, : self.context],
            seed=self.seed,
            progress=self.progress,
            text_BP=self.texts(starts.captions),
            source=source,
        )

    def _played(self, source: str, judge: Judge, clips: Sample) -> Scores | None:
        """``keys_read_16`` and ``keys_read_real_16``: recorded keys played again, on clips the judge has not seen."""
        unseen = np.arange(judge.learned_from, len(clips.clips_BTHWC))
        sample = clips.some(unseen[np.linspace(0, len(unseen) - 1, min(_PLAYED, len(unseen))).astype(int)])
        pressed_BT = pressed_actions(self.world, {source: self.sources[source]}, sample, self.context)
        if pressed_BT is None:
            return None
        made = rollouts.continue_clips(
            self.world, sample.clips_BTHWC, self.context, pressed_BT, self.seed, self.texts(sample.captions)
        )
        recorded = list(self.sources[source].action_names)
        known = {name: index for index, name in enumerate(judge.names)}
        wanted_BT = np.array([known.get(name, -1) for name in recorded] + [-1], np.int64)[sample.labels_BT]
        return read_back(judge, sample.clips_BTHWC, made, wanted_BT)


def read_back(judge: Judge, clips_BTHWC: np.ndarray, made_BTHWC: np.ndarray, wanted_BT: np.ndarray) -> Scores | None:
    """Share of keys that the judge reads from generated and from true frames, every key counting alike.

    Args:
        judge: has not seen the clips.
        clips_BTHWC: uint8 true clips.
        made_BTHWC: uint8 frames that were generated in the place of the last ones of each clip.
        wanted_BT: which of the judge's names produced each frame of the true clips, -1 for none.

    Returns:
        ``keys_read_16`` and ``keys_read_real_16``, or None where no frame has a name that the judge knows.
    """
    frames = made_BTHWC.shape[1]
    before = clips_BTHWC[:, -frames - FRAMES + 1 : -frames]
    wanted_BT = wanted_BT[:, -frames:]
    counts = np.bincount(wanted_BT[wanted_BT >= 0], minlength=len(judge.names))
    if not counts.sum():
        return None
    weight_BT = np.where(wanted_BT >= 0, 1.0 / np.maximum(counts, 1)[wanted_BT], 0.0)
    scores = Scores()
    for key, shown in (("keys_read_16", made_BTHWC), ("keys_read_real_16", clips_BTHWC[:, -frames:])):
        right_BT = judge.read(np.concatenate([before, shown], axis=1)) == wanted_BT
        scores.ratios[key] = (weight_BT * right_BT).sum(axis=1), weight_BT.sum(axis=1)
    return scores


def _joined(parts: Sequence[Scores]) -> Scores:
    """All sources alike: each key's values, one source behind the other, each source with a whole weight of 1."""
    joined = Scores()
    for key in parts[0].ratios:
        rows = [(above / below.sum(), below / below.sum()) for above, below in (part.ratios[key] for part in parts)]
        joined.ratios[key] = np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])
    return joined


def _clips(scores: Scores) -> int:
    return len(next(iter(scores.ratios.values()))[0])


def _mean(key: str, values: np.ndarray, suffix: str = "") -> dict[str, float]:
    return {f"{key}{suffix}": float(values.mean()), f"{key}_ci{suffix}": mean_half_width(values)}
