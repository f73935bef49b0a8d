"""Pairs of videos from any model are scored by the rules of the report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.evaluation import features, perceptual, videos
from playground.evaluation.videos import score_videos
from tests.evaluation.fake_world import picture, scroll

av = pytest.importorskip("av")


def write_video(path: Path, frames: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=15, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def clip(seed: int, frames: int = 10) -> np.ndarray:
    made = [picture(seed)]
    for _ in range(frames - 1):
        made.append(scroll(made[-1], 1))
    return np.stack(made)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr(features, "available", lambda: False)
    monkeypatch.setattr(perceptual, "available", lambda: False)
    for seed in range(3):
        write_video(tmp_path / "true" / f"{seed}.mp4", clip(seed))
    shutil.copytree(tmp_path / "true", tmp_path / "made")
    return tmp_path / "true", tmp_path / "made"


def test_identical_videos_are_perfect(folders: tuple[Path, Path]) -> None:
    numbers = score_videos(*folders)
    assert (numbers["psnr"], numbers["videos"], numbers["frames"]) == (60.0, 3, 30)
    assert numbers["ssim"] == pytest.approx(1.0)
    assert numbers["motion_ratio"] == numbers["sharpness_ratio"] == 1.0


def test_a_frozen_video_loses_its_motion_and_skipped_frames_do_not_count(folders: tuple[Path, Path]) -> None:
    write_video(folders[1] / "1.mp4", np.repeat(clip(1)[:1], 10, axis=0))
    numbers = score_videos(*folders)
    assert 0.5 < numbers["motion_ratio"] < 0.75
    assert numbers["psnr"] < 50.0
    assert score_videos(*folders, skip=6)["frames"] == 12


def test_frames_beyond_the_cap_are_left_out_and_named(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videos, "_MAX_FRAMES", 10)
    write_video(folders[1] / "1.mp4", np.concatenate([clip(1), clip(1, frames=3)]))
    with pytest.raises(PlaygroundError, match=r"1\.mp4: true video is 10 frames"):
        score_videos(*folders)
    for folder in folders:
        write_video(folder / "1.mp4", clip(1, frames=14))
    notes: list[str] = []
    numbers = score_videos(*folders, skip=4, note=notes.append)
    assert (numbers["frames"], numbers["videos_cut"]) == (18, 1)
    assert notes == ["1.mp4: longer than 10 frames; only the first 10 count"]


def test_infinite_ratios_are_left_out_and_named(folders: tuple[Path, Path]) -> None:
    for seed in range(3):
        write_video(folders[0] / f"{seed}.mp4", np.full((10, 32, 32, 3), 128, np.uint8))
    notes: list[str] = []
    numbers = score_videos(*folders, note=notes.append)
    assert not {"motion_ratio", "motion_ratio_ci"} & set(numbers)
    assert "motion_ratio: left out, it is infinite, because the true clips do not move" in notes
    assert any(note.startswith("sharpness_ratio: ") for note in notes)


def test_the_script_writes_the_numbers(folders: tuple[Path, Path], repository: Path, tmp_path: Path) -> None:
    script = [sys.executable, "examples/score_videos.py", *map(str, folders), "--skip", "7"]
    subprocess.run([*script, "--out", str(tmp_path / "s.json")], cwd=repository, check=True, capture_output=True)
    assert json.loads((tmp_path / "s.json").read_text())["psnr"] == 60.0


def test_videos_that_do_not_pair_are_one_clear_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="is no folder"):
        score_videos(folders[0], tmp_path / "nothing")
    with pytest.raises(PlaygroundError, match="skip is -1"):
        score_videos(*folders, skip=-1)
    with pytest.raises(PlaygroundError, match="at least 22 are needed"):
        score_videos(*folders, skip=20)
    write_video(folders[1] / "2.mp4", clip(2, frames=8))
    with pytest.raises(PlaygroundError, match=r"2\.mp4: true video is 10 frames"):
        score_videos(*folders)
    (folders[1] / "2.mp4").write_bytes(b"nonsense")
    with pytest.raises(PlaygroundError, match="not a readable video"):
        score_videos(*folders)
    (folders[1] / "2.mp4").unlink()
    with pytest.raises(PlaygroundError, match=r"2\.mp4 is in one of the folders only"):
        score_videos(*folders)


def test_a_missing_reader_is_one_clear_line(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PlaygroundError, match="pip install .playground-worlds.video"):
        score_videos(*folders)
