"""Every key of ``report.json``: what it means and which way is better. Needs neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from playground.core.errors import PlaygroundError, suggest

Better = Literal["more", "less", "one", "none"]


@dataclass(frozen=True)
class Key:
    """One number of a report.

    Attributes:
        meaning: one line for tables; the formula and its source are in ``docs/evaluation.md``.
        better: ``more``, ``less``, ``one`` (the closer to 1 the better) or ``none`` (says nothing about quality).
    """

    meaning: str
    better: Better = "none"


KEYS: dict[str, Key] = {
    "tokenizer_psnr": Key("dB, decoded frames against true ones: the ceiling of every rollout", "more"),
    "tokenizer_ssim": Key("structural similarity of decoded frames, 1 is perfect", "more"),
    "tokenizer_perceptual": Key("ST-LPIPS of decoded frames, 0 is perfect", "less"),
    "rollout_psnr_1": Key("dB of the 1st generated frame under the actions inferred from the truth", "more"),
    "rollout_psnr_4": Key("dB of the 4th generated frame", "more"),
    "rollout_psnr_16": Key("dB of the 16th generated frame", "more"),
    "rollout_psnr_mean_16": Key("dB, mean of generated frames 1 to 16", "more"),
    "frozen_psnr_mean_16": Key("dB of simply repeating the last context frame: a rollout should beat this"),
    "rollout_ssim_16": Key("structural similarity of the 16th generated frame", "more"),
    "perceptual_16": Key("ST-LPIPS of the 16th generated frame, 0 is perfect", "less"),
    "forced_psnr_16": Key("dB of the 16th frame when the past is true (teacher forcing)", "more"),
    "drift_gap_db_16": Key("dB that the 16th frame loses because the past is generated; 0 is no drift", "less"),
    "control_gap_db_16": Key("dB that true actions beat shuffled ones by, mean of 16 frames; 0 is no control", "more"),
    "keys_psnr_16": Key("dB of the 16th generated frame under the recorded keys, as a player gives them", "more"),
    "keys_psnr_mean_16": Key(
        "dB under the recorded keys, mean of 16 frames; its ceiling is rollout_psnr_mean_16", "more"
    ),
    "keys_gap_db_16": Key("dB that a clip's own keys beat those of another clip by, mean of 16 frames", "more"),
    "noop_gap_db_16": Key("dB that true actions beat holding the no-op by", "more"),
    "delta_t_psnr": Key("Genie's measure: dB at frame 4, inferred minus random latent actions", "more"),
    "motion_ratio": Key("motion of generated clips over motion of true ones; 1 is right, 0 is frozen", "one"),
    "sharpness_ratio_16": Key("sharpness of the 16th generated frame over the true one's; below 1 is blur", "one"),
    "codes_used": Key("latent action codes that make up at least 1 % of the true clips' inferred actions", "more"),
    "codes_entropy": Key("bits of entropy of these codes; the most possible is log2 of their number", "more"),
    "codes_perplexity": Key("how many codes are in effective use", "more"),
    "key_accuracy": Key(
        "share of generated frames in which a probe trained on real clips recognises the held key", "more"
    ),
    "probe_accuracy": Key("the probe's own share on unseen real clips, in which few keys are held for long"),
    "probe_samples": Key("unseen real frames that probe_accuracy rests on"),
    "keys_read_16": Key(
        "share of 16 generated frames under recorded keys in which that probe recognises them, every key alike", "more"
    ),
    "keys_read_real_16": Key("the same of the true frames, which no probe has seen: the ceiling of keys_read_16"),
    "key_consistency": Key(
        "share of generated frames in which the world's own latent action model reads the held code; "
        "a consistency check, not an independent judge",
        "more",
    ),
    "opposite_prompts": Key(
        "shipped prompts in which held right and held left scroll opposite ways (40 frames);"
        " packing picks prompts with room both ways",
        "more",
    ),
    "opposite_prompts_total": Key("shipped prompts that were asked"),
    "revisit_gain_db_8": Key("dB of the start that come back on return after 8 frames away; 0 is forgotten", "more"),
    "revisit_gain_db_32": Key("the same after 32 frames away, when the start has left the picture", "more"),
    "frechet_frames": Key("Frechet distance of generated frames on EfficientNet-Lite0 features; not an FID", "less"),
    "frechet_frames_real": Key("the same between two halves of the true clips: about what a perfect world gets"),
    "frechet_frames_samples": Key("frames on either side of it; compare equal counts only"),
    "frechet_video": Key("Frechet distance of 8-frame videos (mean and change of the features); not an FVD", "less"),
    "frechet_video_real": Key("the same between two halves of the true clips"),
    "frechet_video_samples": Key("short videos on either side of it"),
    "text_accuracy": Key(
        "share of first frames, drawn from held-out words alone, in which a judge trained on real frames names the "
        "caption that was asked for",
        "more",
    ),
    "text_accuracy_8": Key("the same at the 8th frame", "more"),
    "text_source_accuracy": Key(
        "share of these first frames in which the judge names any caption of the source that was asked for", "more"
    ),
    "text_source_accuracy_real": Key("the judge's own share of that on unseen real frames"),
    "text_accuracy_real": Key("the judge's own share on unseen real frames"),
    "text_accuracy_decoded": Key(
        "the same of these frames once encoded and decoded: the ceiling of the text keys, and what the tokenizer loses",
        "more",
    ),
    "text_accuracy_real_samples": Key("unseen real frames that text_accuracy_real rests on"),
    "text_accuracy_chance": Key("the same first frames held against the texts of the other runs"),
    "text_runs": Key("texts that were asked for"),
    "event_accuracy_30": Key(
        "share of runs in which the judge names the new caption within 30 frames of a change of the text", "more"
    ),
    "event_accuracy_base": Key("the same runs without the change: what happens anyway, or the judge imagines"),
    "retold_accuracy_30": Key(
        "the same for a change to any other caption of the source, whether or not it ever follows in the data", "more"
    ),
    "retold_accuracy_base": Key("these runs without the change"),
    "told_kept_30": Key(
        "share of 30 frames after a real clip, whose caption holds throughout, in which the judge still names it",
        "more",
    ),
    "told_kept_real_30": Key("the same of the true frames: the ceiling of told_kept_30"),
    "event_runs": Key("changes of the text that were played, of either kind, and runs without a change"),
    "reward_correlation": Key("correlation of the rewards that the world tells with those of true frames", "more"),
    "end_average_precision": Key(
        "how well the world's odds of an end find the last frames of episodes: mean precision over them, 1 is perfect",
        "more",
    ),
    "end_share": Key("share of last frames among these frames: what chance gets"),
    "ends_judged": Key("last frames that end_average_precision rests on"),
    "survival_1000": Key("share of runs whose picture is inside the real clips' band after 1,000 frames", "more"),
    "survival_real": Key("share of real clips inside the band of other real clips; survival_1000 cannot mean more"),
    "survival_runs": Key("runs that survival_1000 rests on"),
    "survival_uses_features": Key("1 when the feature distance took part in survival, 0 without its weights"),
    "frechet_late": Key(
        "Frechet distance of frames of the survival runs, from the 50th to the 1,000th, to true frames; not an FID",
        "less",
    ),
    "frechet_late_real": Key("the same between the frames of every second true clip and those of the others"),
    "frechet_late_samples": Key("frames of runs in it, four at every look; compare equal counts only"),
    "fps_median": Key("frames a second at full speed, one player, best backend here", "more"),
    "fps_p5": Key("slowest twentieth of that", "more"),
    "frame_ms_p50": Key("milliseconds a frame, median", "less"),
    "frame_ms_p95": Key("milliseconds a frame, slowest twentieth", "less"),
    "threads": Key("compute threads of the speed measurement"),
    "other_load": Key("cores that other programs kept busy meanwhile; above 0 the speed is too low"),
    "frames_evaluated": Key("true frames that generated ones were compared with"),
    "clips_evaluated": Key("true clips that these frames come from"),
    "context_frames": Key("true frames shown before the first generated one"),
    "seed": Key("of noise, shuffles, drawn keys and the probe"),
    "seconds": Key("wall-clock time of the evaluation"),
    "cpu_seconds": Key("processor time of the evaluation, all threads together"),
}
"""Key to what it means. A report also has ``KEY_ci`` (half width of the 95 % interval) and ``KEY/SOURCE``."""

UNREPEATABLE = frozenset(
    {"fps_median", "fps_p5", "frame_ms_p50", "frame_ms_p95", "threads", "other_load", "seconds", "cpu_seconds"}
)
"""Keys that depend on the machine and its load; all others repeat with the same seed."""


def base_key(name: str) -> str:
    """The key of ``KEYS`` that a name in a report belongs to: without source and without ``_ci``.

    Raises:
        PlaygroundError: no such key.
    """
    key = name.partition("/")[0]
    if key not in KEYS and key.endswith("_ci"):
        key = key.removesuffix("_ci")
    if key not in KEYS:
        raise PlaygroundError(f"unknown key {name!r}; see docs/evaluation.md.{suggest(key, KEYS)}")
    return key


def ci_key(name: str) -> str:
    """The name under which a report keeps the interval of ``name``."""
    key, slash, source = name.partition("/")
    return f"{key}_ci{slash}{source}"
