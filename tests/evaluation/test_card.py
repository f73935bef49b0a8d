"""The model card and the limits in it follow from the numbers."""

from __future__ import annotations

from playground.evaluation.card import model_card
from playground.evaluation.report import limits

WORLD = {
    "name": "tiny",
    "frame_size": 64,
    "fps": 15,
    "actions": [
        {"code": 0, "name": "stay", "keys": [], "noop": True},
        {"code": 2, "name": "jump", "keys": ["up", "space"], "noop": False},
    ],
}
GOOD = {
    "rollout_psnr_1": 30.0,
    "rollout_psnr_16": 26.0,
    "rollout_psnr_mean_16": 28.0,
    "frozen_psnr_mean_16": 20.0,
    "control_gap_db_16": 2.0,
    "control_gap_db_16_ci": 0.1,
    "motion_ratio": 1.0,
    "sharpness_ratio_16": 0.98,
    "key_accuracy": 0.92,
    "probe_accuracy": 0.95,
    "opposite_prompts": 8,
    "opposite_prompts_total": 8,
    "survival_1000": 1.0,
    "survival_uses_features": 1,
    "revisit_gain_db_8": 6.0,
    "revisit_gain_db_8_ci": 1.0,
}
BENCH = {"fps_median": 30.5, "backend": "int8", "threads": 1, "other_load": 0.9}
COINRUN = {
    "source": "coinrun",
    "split": "train",
    "seed_range": [0, 500],
    "licence": "see card",
    "purpose": "training",
}


def test_a_full_card_holds_every_part() -> None:
    card = model_card(WORLD, GOOD, {"int8": BENCH}, {"preset": {"name": "base"}, "seed": 3}, [COINRUN])
    for part in (
        "# tiny",
        "`up`, `space`",
        "Kenney",
        "CC-BY 4.0",
        "OGA-BY 3.0",
        "Apache-2.0",
        "30.5",
        "`base`",
    ):
        assert part in card
    assert "level seeds 0 to 499" in card
    assert "26.0 dB" in card


def test_numbers_come_with_their_interval_and_by_source() -> None:
    card = model_card(WORLD, {**GOOD, "motion_ratio/coinrun": 0.9, "motion_ratio/flyover": 1.2})
    assert "| `control_gap_db_16` | 2 ± 0.1 |" in card
    assert "| `motion_ratio` | 0.9 | 1.2 |" in card
    assert "`control_gap_db_16_ci`" not in card


def test_art_that_only_earlier_training_saw_is_named() -> None:
    statement = "Trained on 90 frames of crafter. Before that: Trained on 120 frames of doom (Freedoom), split train."
    card = model_card({"name": "new", "data_statement": statement})
    assert "Freedoom project" in card
    assert "Danijar Hafner" in card
    assert "Kenney" not in card


def test_an_unmeasured_world_says_so() -> None:
    card = model_card({"name": "new"})
    assert "Not measured yet" in card
    assert "Nothing was measured" in card
    assert "Kenney" not in card


def test_a_flat_bench_gives_one_row() -> None:
    assert model_card(WORLD, bench=BENCH).count("| int8 |") == 1


def test_a_good_report_only_states_its_drift() -> None:
    lines = limits(GOOD)
    assert len(lines) == 3
    assert "-4.0 dB" in lines[0]
    assert "beats a frozen picture" in lines[1]
    assert "100 % of runs" in lines[2]


def test_every_weakness_becomes_a_sentence() -> None:
    bad = GOOD | {
        "rollout_psnr_mean_16": 19.0,
        "control_gap_db_16": 0.05,
        "motion_ratio": 1.6,
        "sharpness_ratio_16": 0.5,
        "key_accuracy": 0.4,
        "opposite_prompts": 5,
        "survival_1000": 0.25,
        "revisit_gain_db_8": 0.3,
        "frechet_frames": 90.0,
        "frechet_frames_real": 30.0,
    }
    text = " ".join(limits(bad))
    parts = (
        "does not beat",
        "no clear effect",
        "too much",
        "50 %",
        "40 %",
        "5 of 8",
        "25 %",
        "left for 8 frames does not come back",
    )
    for part in (*parts, "can be told from real ones"):
        assert part in text


def test_a_half_forgotten_place_is_a_weakness() -> None:
    assert any("comes back only in part" in line for line in limits(GOOD | {"revisit_gain_db_32": 2.0}))


def test_without_recorded_actions_the_card_says_who_judged() -> None:
    unlabelled = {key: value for key, value in GOOD.items() if key not in ("key_accuracy", "probe_accuracy")}
    text = " ".join(limits(unlabelled | {"key_consistency": 0.5}))
    assert "own latent action model reads 50 %" in text


def test_keys_of_several_sources_are_listed_for_each() -> None:
    roll = {"code": 1, "name": "roll", "keys": ["left"], "noop": False}
    stay = {"code": 0, "name": "stay", "keys": [], "noop": True}
    nameless = {"code": 2, "name": "action 3", "keys": [], "noop": False}
    card = model_card({**WORLD, "books": {"flight": [stay, roll, nameless], "maze": [{**stay, "code": 2}]}})
    assert "| flight | roll | `left` | 1 |" in card
    assert "| maze | stay | (no key held) | 2 |" in card
    assert "action 3" not in card
