"""One call that measures a world against true clips and writes numbers, a readable page and pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.config import write_json
from playground.core.errors import PlaygroundError, suggest
from playground.evaluation import features, measure, pictures, probes, rollouts, survival
from playground.evaluation.charts import save_curves
from playground.evaluation.intervals import mean_half_width, share_half_width
from playground.evaluation.key_probes import KeyProbe
from playground.evaluation.measure import HORIZON
from playground.evaluation.outcomes import measure_outcomes
from playground.evaluation.pressed import pressed_actions
from playground.evaluation.report import finite_numbers, write_report
from playground.evaluation.sample import Sample, draw_sample, fit_sample, open_sources
from playground.evaluation.speed import measure_speed
from playground.evaluation.starts import Starts, shipped_prompts
from playground.evaluation.text_probes import TextProbe
from playground.evaluation.texts import embed_captions

SUITES = ("core", "long")
_STARTS = 16
_SHOWN_CODES = 32


def evaluate_world(
    world: Any,
    data: Any,
    out: Path | str,
    suite: str = "core",
    frames: int = 2000,
    seed: int = 0,
    progress: bool = True,
    context: int = 8,
    note: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Measure a world and write ``report.json``, ``report.md`` and the pictures.

    Numbers that cannot be computed (no recorded actions, no weights, episodes too short) are left out, never guessed;
    ``report.md`` and ``note`` say why.

    Args:
        world: a loaded ``World``, or a name or folder of one.
        data: a clip dataset that the world was not trained on: a ``ClipDataset`` whose windows have
            ``context`` + ``HORIZON`` frames, a folder, or a list of folders of one or several sources.
        out: folder for the results, or the ``.json`` file to write them to (pictures go next to it).
        suite: ``"core"``, or ``"long"`` which adds ``survival_1000`` and ``revisit_gain_db_32``.
        frames: true frames to compare generated ones with (rounded up to whole clips of ``HORIZON``).
        seed: of noise, shuffles, drawn keys and the probe; the same seed gives the same report.
        progress: show progress bars.
        context: frames shown to the world before the first generated one.
        note: called with one line for everything that cannot be measured.

    Returns:
        The flat numbers of ``report.json``.

    Raises:
        PlaygroundError: unknown suite, frames that do not fit the world, or data that cannot be read.
    """
    if suite not in SUITES:
        raise PlaygroundError(f"unknown suite {suite!r}; choose one of {', '.join(SUITES)}.{suggest(suite, SUITES)}")
    started, worked = time.perf_counter(), time.process_time()
    world = _load_world(world)
    context = max(1, min(context, world.dynamics.context_frames))
    sources, length, short = open_sources(data, [context + HORIZON, 1 + HORIZON, 1])
    per_clip = HORIZON if length > HORIZON else length
    sample = fit_sample(world, draw_sample(sources, max(1, -(-frames // per_clip))))
    report_file = Path(out) if str(out).endswith(".json") else Path(out) / "report.json"
    report_file.parent.mkdir(parents=True, exist_ok=True)
    bars = Bars(progress)
    run = Evaluation(world, sources, sample, max(0, length - HORIZON), seed, report_file.parent, bars, note)
    run.note_short(short, context)
    try:
        run.measure(suite)
    finally:
        bars.close()
    count = len(sample.clips_BTHWC)
    run.numbers |= {"frames_evaluated": count * per_clip, "clips_evaluated": count, "context_frames": run.context}
    run.numbers |= {"seed": seed, "seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
    numbers, undefined = finite_numbers(run.numbers)
    for line in undefined:
        run.note(line)
    write_json(report_file, numbers)
    write_report(report_file.with_suffix(".md"), world, numbers, suite, run.notes)
    return numbers


class Evaluation:
    """One world on one sample; ``measure`` fills ``numbers`` and ``notes`` and draws the pictures."""

    def __init__(
        self,
        world: Any,
        sources: dict[str, Any],
        sample: Sample,
        context: int,
        seed: int,
        folder: Path,
        progress: rollouts.Progress | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare; ``context`` 0 means that the clips are too short to be continued."""
        self.world, self.sources, self.sample, self.context, self.seed = world, sources, sample, context, seed
        self.folder, self.progress, self._tell = folder, progress, note
        self.numbers: dict[str, Any] = {}
        self.notes: list[str] = []
        clips = sample.clips_BTHWC
        picks = np.linspace(0, len(clips) - 1, min(_STARTS, len(clips))).astype(int)
        texts = self._texts([sample.captions[pick] for pick in picks])
        self.codes = np.arange(min(_SHOWN_CODES, world.dynamics.num_actions))  # until it is known which are used
        self.starts = Starts(clips[picks, : max(1, context)], sample.sources_B[picks].tolist(), texts)
        self.prompts = shipped_prompts(world)

    def measure(self, suite: str) -> None:
        """Run the suite."""
        for source, dataset in self.sources.items():
            if getattr(getattr(dataset, "info", None), "split", "") == "train":
                self.note(
                    f"data: {source} is of the split 'train'; on clips that a world was trained on it looks better"
                )
        scores = measure.measure_tokenizer(self.world, self.sample.clips_BTHWC, self.folder, self.progress)
        if not self.context:
            self.note(
                f"rollouts: no episode has the {1 + HORIZON} frames that they need; only the tokenizer is measured"
            )
        elif getattr(self.world, "latent_actions", None) is None:
            self.note("rollouts and actions: the world has no latent_actions part; pack it with one")
        else:
            scores.join(self._rollouts())
        self.numbers |= measure.summary(self.sample, scores, self.seed)
        if self.context and getattr(self.world, "latent_actions", None) is not None:
            self._keys()
            self.numbers |= measure_outcomes(self.world, self.sources, self.context, self.progress)
        self._prompts(suite)
        if getattr(self.world, "prompt_dims", 0):
            probe = TextProbe(self.world, self.sources, self.folder, self.context, self.seed, self.note, self.progress)
            self.numbers |= probe.measure()
        self._draw_actions()
        if suite == "long":
            self._survival()
        if getattr(self.world, "manifest", None) is not None:
            self._speed()

    def note_short(self, short: Sequence[str], wanted: int) -> None:
        """Say which sources have episodes too short for ``wanted`` context frames, and what that costs."""
        names = ", ".join(short)
        if 0 < self.context < wanted:
            whose = f"of {names} " if short else ""
            shown = f"only {self.context} frames are shown before the generated ones"
            self.note(f"context: the episodes {whose}are short, so {shown}")
        if 0 < len(short) < len(self.sources):
            self.note(f"{names}: short episodes limit all sources; evaluate the others by themselves")

    def note(self, line: str) -> None:
        """Keep a line about something that is not measured."""
        self.notes.append(line)
        if self._tell is not None:
            self._tell(line)

    def _rollouts(self) -> Any:
        clips, context = self.sample.clips_BTHWC, self.context
        texts = self._texts(self.sample.captions)
        told = {"progress": self.progress, "prompt_BP": texts, "sources_B": self.sample.sources_B.tolist()}
        told["pressed_BT"] = pressed_actions(self.world, self.sources, self.sample, context)
        if told["pressed_BT"] is None:
            self.note("keys_psnr_16: not every frame has a recorded action")
        played = rollouts.roll_out(self.world, clips, context, self.seed, **told)
        true = played.arms["true"]
        pictures.save_rollouts(self.folder / "rollouts.png", played.truth_BTHWC, true)
        quality = measure.rollout_quality(played, clips[:, context - 1])
        save_curves(
            self.folder / "drift.png", measure.drift_curves(quality), "PSNR against the truth, dB", "generated frame"
        )
        self.numbers |= measure.count_codes(played.actions["true"], self.world.dynamics.num_actions)
        self.codes = measure.commonest_codes(played.actions["true"], self.world.dynamics.num_actions, _SHOWN_CODES)
        for line in measure.absent(true, len(clips), HORIZON):
            self.note(line)
        if features.available():
            rows = played.truth_BTHWC, true, self.sample.sources_B
            self.numbers |= measure.measure_frechet(*rows, progress=self.progress)
        return measure.measure_rollouts(played, quality)

    def _texts(self, captions: Sequence[str]) -> Any:
        """Embedded captions, or None where there are none; a world trained with texts is at home with them only."""
        try:
            return embed_captions(self.world, captions, self.sources.values())
        except PlaygroundError as error:
            line = f"captions: not shown to the world ({error})"
            if line not in self.notes:
                self.note(line)
            return None

    def _keys(self) -> None:
        if not any(len(probes.keyed_actions(self.world, source)) > 1 for source in self.starts.sources):
            self.note("key_accuracy: fewer than two actions of the world have keys")
            return
        self._per_source("key_consistency", probes.key_consistency)
        told = self.note, self.progress
        self.numbers |= KeyProbe(self.world, self.sources, self.context, self.seed, self._texts, *told).measure()

    def _prompts(self, suite: str) -> None:
        """Opposite keys over the shipped prompts, and whether a place is still there on return."""
        self._opposites()
        for away in (8, 32) if suite == "long" else (8,):
            if not self._per_source(f"revisit_gain_db_{away}", probes.revisit_gains, away=away):
                self.note("revisit_gain_db: the world has no pair of opposite keys (left and right, or up and down)")
                return

    def _opposites(self) -> None:
        counts: dict[str, tuple[int, int]] = {}
        for source, starts in self.prompts.by_source():
            counted = probes.opposite_prompts(self.world, starts.clips, **self._told(source, starts))
            if counted is not None:
                counts[f"/{source}"] = counted
        several = counts if len(counts) > 1 else {}
        whole = {"": tuple(np.sum(list(counts.values()), axis=0).tolist())} if counts else {}
        for suffix, (opposite, total) in {**whole, **several}.items():
            self.numbers |= {f"opposite_prompts{suffix}": opposite, f"opposite_prompts_total{suffix}": total}

    def _per_source(self, key: str, probe: Callable[..., np.ndarray | None], **options: Any) -> bool:
        """Ask a probe about keys, from the starts of each source with its own keys; says whether any could be asked."""
        found = {}
        for source, starts in self.starts.by_source():
            answers = probe(self.world, starts.clips, **self._told(source, starts), **options)
            if answers is not None:
                found[f"/{source}"] = answers
        if found:
            self._mean(key, np.concatenate(list(found.values())))
        for suffix, answers in found.items() if len(found) > 1 else ():
            self._mean(key, answers, suffix)
        return bool(found)

    def _told(self, source: str, starts: Starts) -> dict[str, Any]:
        """What every probe wants to know of where its runs begin."""
        return {"seed": self.seed, "progress": self.progress, "text_BP": starts.text_BP, "source": source}

    def _places(self) -> Starts:
        """Where long runs and pictures start: shipped prompts, or clips with captions for a world that takes texts."""
        return self.starts if self.starts.text_BP is not None or not len(self.prompts) else self.prompts

    def _draw_actions(self, frames: int = 20) -> None:
        """``control.png``: each named key held from one start; ``gallery.png``: codes held from several."""
        places = self._places()
        firsts = [starts.rows([0]) for _, starts in places.by_source()]
        rows, labels = [], []
        for first in firsts:
            keyed = probes.keyed_actions(self.world, first.sources[0])
            codes = [int(action.code) for action in keyed]
            if codes:
                rows += list(rollouts.hold(self.world, first.clips[0], codes, frames, self.seed, first.text_BP))
            whose = f"{first.sources[0]}: " if len(firsts) > 1 else ""
            labels += [f"{whose}{action.name}" for action in keyed]
        if rows:
            pictures.save_held(self.folder / "control.png", np.stack(rows), labels)
        one_each = [list(places.sources).index(first.sources[0]) for first in firsts]
        shown = places.rows(one_each if len(firsts) > 1 else range(min(3, len(places))))
        held = np.repeat(self.codes[:, None], frames, axis=1)
        seeds = [self.seed] * len(shown)
        played = rollouts.play_each(self.world, shown.clips, held, seeds, text_BP=shown.text_BP)
        names = {int(action.code): f": {action.name}" for action in self.world.actions}
        labels = [f"code {code}{names.get(code, '')}" for code in self.codes.tolist()]
        pictures.save_gallery(self.folder / "gallery.png", played, labels)

    def _survival(self) -> None:
        if self.sample.clips_BTHWC.shape[1] < HORIZON:
            self.note(f"survival_1000: real clips of {HORIZON} frames are needed, the episodes are shorter")
            return
        parts, several = [], len(set(self._places().sources)) > 1
        for source, starts in self._places().by_source():
            mine = self.sample.rows(source)
            real = self.sample.clips_BTHWC[mine] if several and mine.any() else self.sample.clips_BTHWC
            runs = survival.RUNS if not several else survival.RUNS // 2
            parts.append(survival.survive(self.world, starts.clips, real, runs=runs, **self._told(source, starts)))
            if several:
                self._share("survival_1000", parts[-1].share, runs, f"/{source}")
                self.numbers |= survival.late_frechet(parts[-1], f"/{source}")
        lasted = survival.join(parts)
        runs = len(lasted.alive)
        self._share("survival_1000", lasted.share, runs)
        self.numbers["survival_real"] = lasted.real
        self.numbers |= {"survival_runs": runs, "survival_uses_features": int(lasted.used_features)}
        self.numbers |= survival.late_frechet(lasted)
        curve = {"inside the band": (np.append(0, lasted.times), np.append(1.0, lasted.alive.mean(axis=0)))}
        title = f"Share of {runs} runs that look like real clips"
        save_curves(self.folder / "survival.png", curve, title, "frames played", (0.0, 1.0))
        left = [f"{name} {count}" for name, count in lasted.reasons.items() if count]
        if left:
            self.note(f"survival_1000 (measured): at the end outside the band by {', '.join(left)} of {runs} runs")

    def _speed(self) -> None:
        start = None if len(self.prompts) else self.starts.clips[0]
        try:
            self.numbers |= measure_speed(self.world, start, progress=self.progress)
        except Exception as error:  # whatever a backend does here, the numbers of an hour are not lost
            self.note(f"speed: could not be measured ({type(error).__name__}: {error})")

    def _share(self, key: str, share: float, runs: int, suffix: str = "") -> None:
        self.numbers |= {f"{key}{suffix}": share, f"{key}_ci{suffix}": share_half_width(share, runs)}

    def _mean(self, key: str, values: np.ndarray, suffix: str = "") -> None:
        self.numbers[f"{key}{suffix}"] = float(values.mean())
        self.numbers[f"{key}_ci{suffix}"] = mean_half_width(values)


def _load_world(world: Any) -> Any:
    if not isinstance(world, (str, Path)):
        return world
    from playground.world.bundle import World

    return World.load(world)


class Bars:
    """A tqdm bar for each stage, or nothing."""

    def __init__(self, enabled: bool) -> None:
        """Show bars when ``enabled``."""
        self.enabled = enabled
        self.stage = ""
        self.bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Advance the bar of ``stage``, opening it when it is a new one."""
        if not self.enabled:
            return
        if stage != self.stage:
            from tqdm import tqdm

            self.close()
            self.stage, self.bar = stage, tqdm(total=total, desc=stage, file=sys.stderr, leave=False, delay=1)
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
        self.stage, self.bar = "", None
