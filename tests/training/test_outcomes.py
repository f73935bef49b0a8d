"""Rewards and ends of a dataset as targets: each with the frame it came with, and learned where there are any."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.component import load_component
from playground.core.errors import PlaygroundError
from playground.core.registry import DYNAMICS
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.training.builders import tells_texts_apart
from playground.training.metrics import read_metrics
from playground.training.outcomes import average_precision, end_share, find_outcomes, judged_starts
from playground.training.run import train

NONE = float("nan")


def write(folder: Path, rewards: list[float], terminated: list[bool], episode: int, **facts: object) -> Path:
    """Black frames with these rewards and ends, in episodes of ``episode`` frames."""
    info = DatasetInfo(source=folder.name, size=16, fps=10.0, **{"action_names": ["noop", "go"], **facts})
    with ClipWriter(folder, info) as writer:
        for t, (reward, end) in enumerate(zip(rewards, terminated, strict=True)):
            frame = np.full((16, 16, 3), 200 if end else t % 50, np.uint8)
            action = -1 if not info.action_names else int(reward > 0)
            last = t % episode == episode - 1 and not end
            writer.append(frame, action, reward=reward, terminated=end, truncated=last, episode=t // episode)
    return folder


def test_a_reward_comes_with_the_frame_that_its_action_produced(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", [1, 2, 10, 4, 5, 6], [False, False, True, False, False, False], episode=3)
    outcomes_T2 = find_outcomes(ClipDataset(folder, length=2))
    assert outcomes_T2 is not None
    # The coin's 10 has no frame of its own: it comes with the last one, beside the 2 that led there. The reward of a
    # cut off episode's last action is lost, as its frame is.
    np.testing.assert_array_equal(outcomes_T2[:, 0], [NONE, 1, 12, NONE, 4, 5])
    np.testing.assert_array_equal(outcomes_T2[:, 1], [0, 0, 1, 0, 0, 0])
    assert end_share(outcomes_T2) == pytest.approx(1 / 6)


def test_video_tells_nothing_and_constant_rewards_are_not_learned(tmp_path: Path) -> None:
    never = [False] * 6
    played = write(tmp_path / "played", [0, 1, 0, 0, 0, 0], never, episode=3)
    video = write(tmp_path / "video", [0] * 6, never, episode=3, action_names=[])
    both = find_outcomes(ClipDataset([played, video], length=2))
    assert both is not None
    assert np.isnan(both[6:]).all()
    assert not np.isnan(both[:6, 1]).any()
    assert end_share(both) == 0.5
    assert find_outcomes(ClipDataset(video, length=2)) is None
    assert find_outcomes(ClipDataset(write(tmp_path / "same", [0.5] * 6, never, episode=3), length=2)) is None


def test_clips_that_are_judged_show_what_is_rare(tmp_path: Path) -> None:
    ends = [t % 100 == 99 for t in range(1000)]
    dataset = ClipDataset(write(tmp_path / "a", [0.0] * 1000, ends, episode=100), length=4)
    outcomes_T2 = find_outcomes(dataset)
    assert outcomes_T2 is not None
    starts = judged_starts(dataset, outcomes_T2)
    shown = outcomes_T2[starts[:, None] + np.arange(4), 1].any(axis=1)
    assert set(starts) <= set(dataset.starts_W)
    assert shown.sum() >= 8
    assert (~shown).sum() >= 8


def test_average_precision_of_known_rankings() -> None:
    true = np.array([True, False, True, False])
    assert average_precision(true, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(true, np.array([9.0, 1.0, 8.0, 0.0])) == 1.0
    assert average_precision(true, np.zeros(4)) == pytest.approx(0.5)


def test_a_stage_learns_outcomes_where_the_data_has_them(tmp_path: Path, tiny_preset: Path) -> None:
    rng = np.random.default_rng(0)
    ends = [t % 20 == 19 and t % 40 > 20 for t in range(400)]
    data = write(tmp_path / "data", rng.integers(0, 2, 400).astype(float).tolist(), ends, episode=20)
    out = tmp_path / "run"
    for stage, steps in (("tokenizer", 20), ("dynamics", 80)):
        train(stage, str(tiny_preset), [data], out, steps=steps, device="cpu", progress=False)
    model = load_component(DYNAMICS, out / "dynamics" / "export")
    assert model.config.outcomes
    assert model.outcome_head.end_weight.item() == pytest.approx(39.0)
    lines = read_metrics(out / "dynamics" / "metrics.jsonl")
    last = [line for line in lines if "reward_correlation" in line][-1]
    assert last["reward_correlation"] > 0.9
    assert last["end_average_precision"] > 0.5
    # The data decides, the preset may refuse, and weights that training starts from keep their heads.
    quiet = write(tmp_path / "quiet", [0.0] * 400, [False] * 400, episode=20)
    assert not trained(tmp_path / "b", out, tiny_preset, quiet).config.outcomes
    kept = trained(tmp_path / "c", out, tiny_preset, quiet, init=out)
    assert kept.config.outcomes
    assert kept.outcome_head.end_weight.item() == pytest.approx(39.0)
    text = tiny_preset.read_text()
    tiny_preset.write_text(text + "outcomes = false\nprompt_dims = 384\n")
    silent = trained(tmp_path / "d", out, tiny_preset, data).config
    assert not silent.outcomes
    assert silent.prompt_dims == 0
    tiny_preset.write_text(text + "outcomes = true\n")
    with pytest.raises(PlaygroundError, match="field 'outcomes' is True, but must be False; remove it"):
        trained(tmp_path / "e", out, tiny_preset, quiet)


def trained(out: Path, run: Path, preset: Path, data: Path, init: Path | None = None) -> Any:
    """Dynamics after two steps on ``data``, over the tokenizer of another run."""
    shutil.copytree(run / "tokenizer" / "export", out / "tokenizer" / "export")
    train("dynamics", str(preset), [data], out, steps=2, init=init, device="cpu", progress=False)
    return load_component(DYNAMICS, out / "dynamics" / "export")


@pytest.mark.parametrize(("ids", "told_apart"), [([-1] * 4, False), ([0, 0, 0, 0], False), ([0, 1, -1, 1], True)])
def test_texts_count_where_two_of_them_occur(tmp_path: Path, ids: list[int], told_apart: bool) -> None:
    info = DatasetInfo(source="a", size=16, fps=10.0, captions=["day", "night"])
    with ClipWriter(tmp_path / "a", info) as writer:
        for caption in ids:
            writer.append(np.zeros((16, 16, 3), np.uint8), caption=caption)
    assert tells_texts_apart(ClipDataset(tmp_path / "a", length=2)) is told_apart
