"""The words around the numbers: what each key of ``report.json`` means and the readable page made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MEANING: dict[str, str] = {
    "tokenizer_psnr": "dB, decoded frames against true ones: the ceiling of every rollout",
    "tokenizer_ssim": "structural similarity of decoded frames, 1 is perfect",
    "rollout_psnr_1": "dB of the 1st generated frame under the actions inferred from the truth",
    "rollout_psnr_4": "dB of the 4th generated frame",
    "rollout_psnr_16": "dB of the 16th generated frame",
    "rollout_psnr_mean_16": "dB, mean of generated frames 1 to 16",
    "frozen_psnr_mean_16": "dB of simply repeating the last context frame: a rollout should beat this",
    "rollout_ssim_16": "structural similarity of the 16th generated frame",
    "control_gap_db_16": "dB that true actions beat shuffled ones by, mean of 16 frames; 0 is no control",
    "control_gap_db_16_ci": "half width of the 95 % interval of that",
    "noop_gap_db_16": "dB that true actions beat holding the no-op by",
    "noop_gap_db_16_ci": "half width of the 95 % interval of that",
    "delta_t_psnr": "Genie's measure: dB at frame 4, inferred minus random latent actions",
    "delta_t_psnr_ci": "half width of the 95 % interval of that",
    "motion_ratio": "motion of generated clips over motion of true ones; 1 is right, 0 is frozen",
    "sharpness_ratio_16": "sharpness of the 16th generated frame over that of the true one; below 1 is blur",
    "codes_used": "latent action codes that make up at least 1 % of the true clips' inferred actions",
    "codes_perplexity": "how many codes are in effective use",
    "key_accuracy": (
        "share of generated frames in which the world's own latent action model recognises the held key; "
        "a consistency check, not an independent judge"
    ),
    "opposite_prompts": (
        "shipped prompts in which held right and held left scroll opposite ways (40 frames);"
        " packing picks prompts with room both ways"
    ),
    "opposite_prompts_total": "shipped prompts that were asked",
    "survival_1000": "share of prompts whose picture stays inside the real clips' band after 1,000 frames",
    "frames_evaluated": "true frames that generated ones were compared with",
    "context_frames": "true frames shown before the first generated one",
    "seed": "of noise, shuffles and drawn keys",
    "seconds": "wall-clock time of the evaluation",
}

_PICTURES = (
    ("reconstruction.png", "True frames and what the tokenizer makes of them."),
    ("rollouts.png", "Truth over generated, every second of 16 frames."),
    ("control.png", "The same start with each key held."),
    ("gallery.png", "The same start with each latent action code held."),
)


def numbers_table(numbers: Mapping[str, Any]) -> str:
    """A Markdown table of a report: key, value and meaning."""
    lines = ["| number | value | meaning |", "|---|---:|---|"]
    lines += [f"| `{key}` | {_short(value)} | {MEANING.get(key, '')} |" for key, value in numbers.items()]
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
    accuracy = numbers.get("key_accuracy")
    if accuracy is not None and accuracy < 0.9:
        found.append(f"Keys are not always obeyed: {100 * accuracy:.0f} % of held keys are recognised again.")
    opposite, asked = numbers.get("opposite_prompts"), numbers.get("opposite_prompts_total")
    if opposite is not None and asked and opposite < asked:
        found.append(f"Left and right scroll opposite ways in {opposite} of {asked} prompts, not in all.")
    survival = numbers.get("survival_1000")
    if survival is None:
        found.append("How long a picture lasts was not measured (`survival_1000` needs the long suite).")
    elif survival < 1.0:
        share = f"{100 * survival:.0f} %"
        found.append(f"After 1,000 frames {share} of runs still look like real clips by simple measures.")
    return found


def write_report(path: Path, world: Any, numbers: Mapping[str, Any], suite: str) -> None:
    """Write the readable page next to ``report.json``."""
    parts = [f"# Report: {world.name}", f"Suite `{suite}`.", numbers_table(numbers), "## Limits"]
    parts.append("\n".join(f"- {line}" for line in limits(numbers)))
    parts += ["## Pictures"]
    parts += [f"![{text}]({name})\n\n{text}" for name, text in _PICTURES if (path.parent / name).is_file()]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _short(value: Any) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
