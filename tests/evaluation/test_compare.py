"""Comparing reports and checking thresholds, by the library and by the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from apps.cli.main import main
from playground.core.errors import PlaygroundError
from playground.evaluation.compare import compare_reports, failures, read_report, read_thresholds

BEFORE = {"rollout_psnr_16": 18.0, "rollout_psnr_16_ci": 0.3, "perceptual_16": 0.3, "perceptual_16_ci": 0.01}
AFTER = {"rollout_psnr_16": 19.0, "rollout_psnr_16_ci": 0.4, "perceptual_16": 0.32, "perceptual_16_ci": 0.04}


@pytest.fixture
def reports(tmp_path: Path) -> tuple[str, str]:
    extra = {"motion_ratio": 1.3, "motion_ratio/coinrun": 1.3, "seconds": 9.0}
    (tmp_path / "a.json").write_text(json.dumps(BEFORE | extra))
    (tmp_path / "b.json").write_text(json.dumps(AFTER | {"motion_ratio": 0.9, "codes_used": 8}))
    return str(tmp_path / "a.json"), str(tmp_path / "b.json")


def test_verdicts_know_direction_and_confidence() -> None:
    found = {
        line.key: line
        for line in compare_reports(BEFORE | {"motion_ratio": 1.3, "seed": 0}, AFTER | {"motion_ratio": 0.9, "seed": 1})
    }
    assert found["rollout_psnr_16"].verdict == "better"
    assert found["rollout_psnr_16"].interval == pytest.approx(0.5)
    assert found["perceptual_16"].verdict == "unclear"
    assert found["motion_ratio"].verdict == "better"
    assert found["seed"].verdict == ""
    assert "rollout_psnr_16_ci" not in found
    assert compare_reports({"perceptual_16": 0.3}, {"perceptual_16": 0.5})[0].verdict == "worse"


def test_as_far_from_one_on_the_other_side_is_neither_better_nor_worse() -> None:
    for before, after in ((0.9, 1.1), (1.25, 0.75)):
        assert compare_reports({"motion_ratio": before}, {"motion_ratio": after})[0].verdict == "unclear"


def test_the_command_prints_a_table(reports: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--compare", *reports]) == 0
    shown = capsys.readouterr().out
    assert "rollout_psnr_16" in shown
    assert "better" in shown
    assert "motion_ratio/coinrun" in shown


def test_comparing_needs_no_torch(reports: tuple[str, str]) -> None:
    code = f"""import sys; from apps.cli.main import main
assert main(["eval", "--compare", {reports[0]!r}, {reports[1]!r}]) == 0
assert "torch" not in sys.modules and "numpy" not in sys.modules"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_thresholds_decide_the_exit_code(
    reports: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[rollout_psnr_16]\nmin = 18.5\n["motion_ratio"]\nmin = 0.8\nmax = 1.2\n')
    bad.write_text("[rollout_psnr_16]\nmin = 25\n[motion_ratio]\nmax = 0.5\n[survival_1000]\nmin = 0.5\n")
    assert main(["eval", "--report", reports[1], "--thresholds", str(good)]) == 0
    assert main(["eval", "--compare", *reports, "--thresholds", str(bad)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "rollout_psnr_16 is 19, below its min of 25" in lines[0]
    assert "above its max" in lines[1]
    assert "was not measured" in lines[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[motion_ration]\nmin = 1\n", "Did you mean 'motion_ratio'"),
        ("[motion_ratio]\nminimum = 1\n", "unknown field 'minimum'"),
        ("[motion_ratio]\nmin = 'high'\n", "not a number"),
        ("[motion_ratio]\nmin = true\n", "not a number"),
        ("[motion_ratio]\nmin = nan\n", "not a number"),
        ("[motion_ratio]\nmin = 2\nmax = 1\n", "min is above max"),
        ("motion_ratio = 1\n", "must be a table"),
        ("[motion_ratio\n", "not valid TOML"),
    ],
)
def test_bad_thresholds_are_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(PlaygroundError, match="t.toml") as caught:
        read_thresholds(tmp_path / "t.toml")
    assert message in str(caught.value)


def test_the_shipped_thresholds_are_valid_and_catch_a_frozen_world() -> None:
    thresholds = read_thresholds("default")
    frozen = {"motion_ratio": 0.0, "control_gap_db_16": 0.0}
    lines = failures(frozen, thresholds)
    assert any(line.startswith("motion_ratio") for line in lines)
    assert any(line.startswith("control_gap_db_16") for line in lines)


def test_bad_reports_and_options_are_one_clear_line(
    reports: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.json").write_text('{"rollout_psnr_16": "high"}')
    (tmp_path / "other.json").write_text('{"loss": 1.0}')
    for name in ("text.json", "other.json", "missing.json"):
        with pytest.raises(PlaygroundError, match=name):
            read_report(tmp_path / name)
    for options in ([], ["coinrun", "--compare", *reports], ["coinrun"], ["--report", reports[0]]):
        assert main(["eval", *options]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
