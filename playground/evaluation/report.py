"""The words around the numbers: what each key of ``report.json`` means and the readable page made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playground.evaluation.keys import KEYS, ci_key

_PICTURES = (
    ("reconstruction.png", "True frames and what the tokenizer makes of them."),
    ("rollouts.png", "Truth over generated, every second of 16 frames."),
    ("control.png", "The same start with each key held."),
    ("gallery.png", "What each latent action does: the most used codes held for 20 frames from several starts."),
    ("drift.png", "Match with the truth by generated frame."),
    ("texts.png", "Frames 1, 4, 8 and 16 of what the world draws from a text alone, under that text."),
    ("survival.png", "Share of runs inside the real clips' band over time."),
)


_NOTHING = {"motion": "the true clips do not move", "sharpness": "the true pictures are one flat colour"}


def finite_numbers(numbers: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Numbers that JSON can say, floats with four decimals, and one line for each that it cannot.

    An infinite ratio (of something to nothing) or an undefined number is left out together with its interval.
    """
    undefined = [name for name, value in numbers.items() if not math.isfinite(value)]
    intervals = {ci_key(name) for name in undefined}
    kept = {name: value for name, value in numbers.items() if name not in intervals and name not in undefined}
    lines = []
    for name in undefined:
        if name not in intervals:
            why = _NOTHING.get(name.partition("_")[0], "")
            word = "undefined" if math.isnan(numbers[name]) else "infinite"
            lines.append(f"{name}: left out, it is {word}{why and f', because {why}'}")
    return {name: round(float(value), 4) if isinstance(value, float) else value for name, value in kept.items()}, lines


def numbers_table(numbers: Mapping[str, Any]) -> str:
    """A Markdown table of a report: key, value with its 95 % interval, and meaning; numbers of all sources together."""
    lines = ["| number | value | meaning |", "|---|---:|---|"]
    for key in numbers:
        if "/" not in key and key in KEYS:
            lines.append(f"| `{key}` | {_with_interval(numbers, key)} | {KEYS[key].meaning} |")
    return "\n".join(lines)


def sources_table(numbers: Mapping[str, Any]) -> str:
    """A Markdown table with one column a source, empty when the report has one source only."""
    sources = list(dict.fromkeys(key.partition("/")[2] for key in numbers if "/" in key))
    if not sources:
        return ""
    keys = dict.fromkeys(key.partition("/")[0] for key in numbers if "/" in key)
    lines = ["| number | " + " | ".join(sources) + " |", "|---|" + "---:|" * len(sources)]
    for key in keys:
        if key in KEYS:
            cells = " | ".join(_with_interval(numbers, f"{key}/{source}") for source in sources)
            lines.append(f"| `{key}` | {cells} |")
    return "\n".join(lines)


def limits(numbers: Mapping[str, Any]) -> list[str]:
    """What the numbers say the world cannot do, as plain sentences. Empty when nothing was measured."""
    found: list[str] = []
    first, last = numbers.get("rollout_psnr_1"), numbers.get("rollout_psnr_16")
    if first is not None and last is not None:
        found.append(
            "Drift: from the 1st to the 16th generated frame the match with the truth goes from "
            f"{first:.1f} dB to {last:.1f} dB ({last - first:+.1f} dB)."
        )
    mean, frozen = numbers.get("rollout_psnr_mean_16"), numbers.get("frozen_psnr_mean_16")
    if mean is not None and frozen is not None:
        verb = "beats" if mean > frozen else "does not beat"
        found.append(f"Over 16 frames it {verb} a frozen picture ({mean:.1f} dB against {frozen:.1f} dB).")
    gap, width = numbers.get("control_gap_db_16"), numbers.get("control_gap_db_16_ci", 0.0)
    if gap is not None and gap <= max(width, 0.1):
        found.append(f"Actions have no clear effect: true minus shuffled is {gap:.2f} ± {width:.2f} dB.")
    ratio = numbers.get("motion_ratio")
    if ratio is not None and not 0.8 <= ratio <= 1.25:
        word = "too little" if ratio < 1 else "too much"
        found.append(f"It moves {word}: {ratio:.2f} times the motion of true clips.")
    sharp = numbers.get("sharpness_ratio_16")
    if sharp is not None and sharp < 0.9:
        found.append(f"Pictures blur: after 16 frames they have {100 * sharp:.0f} % of the true sharpness.")
    return found + _key_limits(numbers) + _text_limits(numbers) + _outcome_limits(numbers) + _memory_limits(numbers)


def _key_limits(numbers: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    accuracy, ceiling, which = numbers.get("keys_read_16"), numbers.get("keys_read_real_16"), "recorded"
    if accuracy is None:
        accuracy, ceiling, which = numbers.get("key_accuracy"), numbers.get("probe_accuracy"), "held"
    consistency = numbers.get("key_consistency")
    if accuracy is not None and ceiling is not None and accuracy < 0.95 * ceiling:
        found.append(
            f"Keys are not always obeyed: a probe recognises {100 * accuracy:.0f} % of {which} keys in generated "
            f"frames, against {100 * ceiling:.0f} % in unseen real ones."
        )
    elif accuracy is None and consistency is not None and consistency < 0.9:
        found.append(
            f"Keys are not always obeyed: the world's own latent action model reads {100 * consistency:.0f} % of "
            "held codes back (no recorded actions, so no independent judge)."
        )
    opposite, asked = numbers.get("opposite_prompts"), numbers.get("opposite_prompts_total")
    if opposite is not None and asked and opposite < asked:
        found.append(f"Left and right scroll opposite ways in {opposite} of {asked} prompts, not in all.")
    return found


def _text_limits(numbers: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    drawn, ceiling = numbers.get("text_accuracy"), numbers.get("text_accuracy_real")
    if drawn is not None and ceiling is not None and drawn < 0.9 * ceiling:
        found.append(
            f"Texts are not always drawn: a judge names what was asked for in {100 * drawn:.0f} % of first frames, "
            f"against {100 * ceiling:.0f} % of unseen real ones."
        )
    shown = numbers.get("text_accuracy_decoded")
    if shown is not None and ceiling is not None and shown < 0.95 * ceiling:
        found.append(
            f"The tokenizer loses small things: of real frames a judge names {100 * ceiling:.0f} %, of the same ones "
            f"encoded and decoded {100 * shown:.0f} %."
        )
    changed, base = numbers.get("event_accuracy_30"), numbers.get("event_accuracy_base", 0.0)
    if changed is not None and changed < 0.8:
        found.append(
            f"A change of the text shows within 30 frames in {100 * changed:.0f} % of runs "
            f"({100 * base:.0f} % without the change)."
        )
    kept, ceiling = numbers.get("told_kept_30"), numbers.get("told_kept_real_30")
    if kept is not None and ceiling is not None and kept < 0.9 * ceiling:
        found.append(
            f"What the text names does not always stay: a judge sees all of it in {100 * kept:.0f} % of 30 frames, "
            f"in true ones in {100 * ceiling:.0f} %."
        )
    return found


def _outcome_limits(numbers: Mapping[str, Any]) -> list[str]:
    precision = numbers.get("end_average_precision")
    if precision is None or precision >= 0.9:
        return []
    return [f"Ends of episodes are not always noticed: average precision {precision:.2f} on true frames, 1 is perfect."]


def _memory_limits(numbers: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for away in (8, 32):
        gain, width = numbers.get(f"revisit_gain_db_{away}"), numbers.get(f"revisit_gain_db_{away}_ci", 0.0)
        if gain is not None and gain < 5.0:
            word = "does not come back" if gain <= max(width, 0.5) else "comes back only in part"
            found.append(f"A place left for {away} frames {word}: {gain:.1f} ± {width:.1f} dB of it return.")
    survival = numbers.get("survival_1000")
    if survival is None:
        found.append("How long a picture lasts was not measured (`survival_1000` needs the long suite).")
    else:
        measures = "simple measures and features" if numbers.get("survival_uses_features") else "simple measures"
        found.append(f"After 1,000 frames {100 * survival:.0f} % of runs still look like real clips by {measures}.")
    frechet, real = numbers.get("frechet_frames"), numbers.get("frechet_frames_real")
    if frechet is not None and real is not None and frechet > 1.5 * real:
        found.append(
            f"Generated frames can be told from real ones: Frechet distance {frechet:.1f}, real halves {real:.1f}."
        )
    return found


def write_report(path: Path, world: Any, numbers: Mapping[str, Any], suite: str, notes: Sequence[str] = ()) -> None:
    """Write the readable page next to ``report.json``.

    Args:
        path: the page.
        world: whose ``name`` is the title.
        numbers: the report.
        suite: which suite was run.
        notes: what could not be measured, and why.
    """
    parts = [f"# Report: {world.name}", f"Suite `{suite}`. Values are means ± half of the 95 % interval."]
    parts.append(numbers_table(numbers))
    by_source = sources_table(numbers)
    parts += ["## By source", by_source] if by_source else []
    parts += ["## Limits", "\n".join(f"- {line}" for line in limits(numbers))]
    parts += ["## Not measured", "\n".join(f"- {note}" for note in notes)] if notes else []
    parts += ["## Pictures"]
    parts += [f"![{text}]({name})\n\n{text}" for name, text in _PICTURES if (path.parent / name).is_file()]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _with_interval(numbers: Mapping[str, Any], key: str) -> str:
    if key not in numbers:
        return ""
    interval = numbers.get(ci_key(key))
    return _short(numbers[key]) + (f" ± {_short(interval)}" if interval else "")


def _short(value: Any) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
