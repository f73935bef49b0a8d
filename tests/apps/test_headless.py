"""Playing without a window: the folder is complete or not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.desktop.headless import RolloutFacts, check_output, play_headless, require_av
from playground.agents.policies import make_policy
from playground.core.errors import PlaygroundError
from tests.session.fake import make_session

FACTS = RolloutFacts("fake", "sticky", 20.0, 0.5, "fake", 1)
TIMINGS = (
    "fps_median",
    "fps_p5",
    "frame_ms_p50",
    "frame_ms_p95",
    "first_frame_s",
    "load_s",
    "rss_mb",
    "threads",
    "backend",
    "other_load",
)


def play(out: Path, frames: int = 30, seed: int = 0, video: bool = False) -> dict[str, object]:
    session = make_session(seed=seed)
    return play_headless(session, make_policy("sticky", session.world.actions, seed), frames, out, FACTS, video)


def test_folder_has_everything(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    out = tmp_path / "rollout"
    play(out, video=True)
    assert [path.name for path in sorted(out.iterdir())] == [
        "actions.json",
        "frames",
        "play.mp4",
        "sheet.png",
        "stats.json",
    ]
    assert [path.name for path in sorted((out / "frames").iterdir())] == [f"{i:05d}.png" for i in range(30)]
    stats = json.loads((out / "stats.json").read_text())
    assert all(key in stats for key in TIMINGS)
    assert stats["first_frame_s"] > 0
    actions = json.loads((out / "actions.json").read_text())["actions"]
    assert [entry["t"] for entry in actions] == list(range(1, 31))
    with av.open(str(out / "play.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 30
    assert Image.open(out / "sheet.png").size[0] > 500


def test_actions_can_be_played_again(tmp_path: Path) -> None:
    play(tmp_path / "one", seed=3)
    session = make_session(seed=3)
    policy = make_policy(str(tmp_path / "one" / "actions.json"), session.world.actions)
    play_headless(session, policy, 30, tmp_path / "two", FACTS, video=False)
    for name in ("00000.png", "00029.png"):
        pictures = [np.asarray(Image.open(tmp_path / run / "frames" / name)) for run in ("one", "two")]
        assert np.array_equal(*pictures)


def test_an_earlier_rollout_is_replaced(tmp_path: Path) -> None:
    play(tmp_path / "run", frames=5)
    play(tmp_path / "run", frames=3)
    assert len(list((tmp_path / "run" / "frames").iterdir())) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(PlaygroundError, match="not empty"):
        play(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(PlaygroundError, match="is a file"):
        check_output(tmp_path / "thesis.txt")


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    session = make_session()
    session.engine.fail_at = 10
    policy = make_policy("random", session.world.actions)
    with pytest.raises(PlaygroundError, match="broke"):
        play_headless(session, policy, 30, tmp_path / "out", FACTS, video=False)
    assert list(tmp_path.iterdir()) == []


def test_missing_video_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PlaygroundError, match="pip install av"):
        require_av()
