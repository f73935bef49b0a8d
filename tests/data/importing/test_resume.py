"""Imports that were stopped and go on with other files than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.dataset import ClipDataset
from playground.data.importing import run
from playground.data.importing.journal import Journal, VideoRecord, plan_resume
from playground.data.importing.report import ImportReport
from playground.data.importing.run import Settings, import_videos
from playground.data.writer import ClipWriter
from tests.data.importing.videos import scene, write_video

pytest.importorskip("av")


class Stopped(Exception):
    """Stands for Ctrl-C."""


def _import(*paths: Path, out: Path) -> ImportReport:
    return import_videos(paths, out, Settings(min_frames=16), progress=False)


def _import_stopped(
    *paths: Path, out: Path, after: int, monkeypatch: pytest.MonkeyPatch, shard_frames: int = 4096
) -> None:
    """Import, and stop when ``after`` frames are written; later imports run to their end with the same shards."""

    class Writer(ClipWriter):
        left = after

        def append(self, *args: Any, **options: Any) -> None:
            if self.left == 0:
                raise Stopped
            self.left -= 1
            super().append(*args, **options)

    monkeypatch.setattr(run, "ClipWriter", lambda folder, info: Writer(folder, info, shard_frames=shard_frames))
    with pytest.raises(Stopped):
        _import(*paths, out=out)
    monkeypatch.setattr(run, "ClipWriter", lambda folder, info: ClipWriter(folder, info, shard_frames=shard_frames))


def _frames(folder: Path) -> np.ndarray:
    data = ClipDataset(folder, length=1)
    return data.frames(0, data.num_frames)


def _clips(folder: Path, *lengths: int) -> list[Path]:
    return [write_video(folder / f"{n}.mp4", scene(n, length)) for n, length in enumerate(lengths)]


def test_a_video_that_is_gone_after_the_stop_does_not_block_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, second, third = _clips(tmp_path, 60, 40, 50)
    out = tmp_path / "out"
    _import_stopped(bad, out=out, after=20, monkeypatch=monkeypatch)
    report = _import(second, out=out)
    assert [(record.name, record.frames) for record in report.records] == [("0.mp4", 0), ("1.mp4", 40)]
    assert report.failed[0].error == "was not finished; name it again to import it"
    assert _import(third, out=out).frames == 90
    # Named again it is imported whole, behind the others.
    report = _import(bad, second, third, out=out)
    assert [(record.name, record.frames, record.error) for record in report.records] == [
        ("1.mp4", 40, ""), ("2.mp4", 50, ""), ("0.mp4", 60, "")
    ]  # fmt: skip
    _import(second, out=tmp_path / "one")
    _import(third, out=tmp_path / "one")
    _import(bad, out=tmp_path / "one")
    assert np.array_equal(_frames(out), _frames(tmp_path / "one"))


def test_a_finished_video_whose_frames_were_lost_is_not_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = _clips(tmp_path, 30, 20, 50)
    out = tmp_path / "out"
    _import_stopped(first, second, out=out, after=40, monkeypatch=monkeypatch)
    assert [record.frames for record in Journal(out).records.values()] == [30, -1]
    report = _import(third, out=out)
    assert (report.frames, len(report.failed)) == (50, 2)
    report = _import(first, second, third, out=out)
    assert [(record.name, record.frames) for record in report.records] == [("2.mp4", 50), ("0.mp4", 30), ("1.mp4", 20)]
    data = ClipDataset(out, length=1)
    assert (data.num_frames, data.num_episodes) == (100, 3)
    assert len(np.unique(_frames(out).reshape(100, -1), axis=0)) == 100


def test_naming_only_finished_videos_counts_no_lost_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = _clips(tmp_path, 30, 40)
    out = tmp_path / "out"
    _import(first, out=out)
    _import_stopped(
        first, second, write_video(tmp_path / "9.mp4", scene(9, 30)), out=out, after=40, monkeypatch=monkeypatch
    )
    assert _import(first, out=out).frames == ClipDataset(out, length=1).num_frames == 30


def test_published_frames_of_a_missing_video_are_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = _clips(tmp_path, 30, 40, 50)
    out = tmp_path / "out"
    # 30 of the first and 20 of the second are published
    _import_stopped(first, second, out=out, after=55, monkeypatch=monkeypatch, shard_frames=25)
    for _ in range(2):
        with pytest.raises(PlaygroundError, match=r"1\.mp4 was being imported"):
            _import(first, third, out=out)
    _import(second, third, out=out)
    _import(first, second, third, out=tmp_path / "whole")
    assert np.array_equal(_frames(out), _frames(tmp_path / "whole"))


def test_a_failed_video_keeps_its_place_behind_the_unfinished_ones() -> None:
    records = {
        "a": VideoRecord("a", "a", frames=50, episodes=1),
        "failed": VideoRecord("failed", "failed", frames=0, error="x"),
        "b": VideoRecord("b", "b", frames=30, episodes=1),
    }
    resume = plan_resume(records, 20, {"a", "b", "failed"})
    assert (resume.first, resume.lost, resume.skip) == (["a", "b"], [], 20)
    resume = plan_resume(records, 0, {"b"})
    assert (resume.first, resume.lost, resume.skip) == (["b"], ["a"], 0)
