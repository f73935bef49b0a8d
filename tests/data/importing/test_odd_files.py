"""One odd file in a folder costs that file, never the import."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from playground.data.importing.borders import find_borders
from playground.data.importing.decode import UnreadableVideo, Video
from playground.data.importing.framing import Box, Framer
from playground.data.importing.report import ImportReport
from playground.data.importing.run import Settings, import_videos
from tests.data.importing.videos import scene, write_video

pytest.importorskip("av")


def _import(folder: Path, out: Path) -> ImportReport:
    return import_videos([folder], out, Settings(min_frames=16), progress=False)


def _claim(path: Path, milliseconds: float) -> None:
    """Let the header of a Matroska file claim another length."""
    content = path.read_bytes()
    place = content.index(b"\x44\x89\x88") + 3
    path.write_bytes(content[:place] + struct.pack(">d", milliseconds) + content[place + 8 :])


def test_a_track_without_a_decoder_is_that_videos_error(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    odd = write_video(clips / "a.mkv", scene(1, 40))
    odd.write_bytes(odd.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_XPEG4/ISO/AVC"))
    write_video(clips / "b.mp4", scene(2, 40))
    report = _import(clips, tmp_path / "out")
    assert [(record.frames, record.error) for record in report.records] == [(0, "no decoder for this video"), (40, "")]


def test_pictures_that_cannot_be_converted_are_unreadable() -> None:
    import av

    picture = av.VideoFrame(96, 96, "gbrap32be")
    with pytest.raises(UnreadableVideo, match="gbrap32be"):
        Framer(64, "crop", Box(), 1.0, np.eye(2, dtype=np.int64))(picture)
    assert find_borders([picture] * 4) == Box()


@pytest.mark.parametrize("milliseconds", [1e12, 1e15, 1e300])
def test_a_length_that_cannot_be_is_not_believed(tmp_path: Path, milliseconds: float) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    _claim(write_video(clips / "a.mkv", scene(1, 40)), milliseconds)
    with Video(clips / "a.mkv") as video:
        assert video.seconds == 0
        assert len(list(video.spread_frames(16))) > 0
    assert _import(clips, tmp_path / "out").frames == 40


def test_a_place_that_no_file_has_is_not_sought(tmp_path: Path) -> None:
    with Video(write_video(tmp_path / "a.mkv", scene(1, 40))) as video:
        video.seconds = 1e15
        assert len(list(video.spread_frames(4))) <= 4


def test_a_video_that_does_not_fit_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    long = write_video(clips / "a.mkv", scene(1, 40))
    write_video(clips / "b.mp4", scene(2, 40))
    _claim(long, 24 * 3600e3)
    free = type("Usage", (), {"free": 1 << 30})()
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    report = _import(clips, tmp_path / "out")
    assert [record.frames for record in report.records] == [0, 40]
    assert "GB free; free some space and repeat" in report.records[0].error
    free.free = 1 << 50
    report = _import(clips, tmp_path / "out")
    assert [(record.name, record.frames, record.error) for record in report.records] == [
        ("clips/b.mp4", 40, ""), ("clips/a.mkv", 40, "")
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_name_that_is_not_utf8_is_imported(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    clip = write_video(tmp_path / "a.mp4", scene(1, 40))
    named = Path(os.fsdecode(os.fsencode(clips) + b"/caf\xe9.mp4"))
    clip.rename(named)
    report = _import(clips, tmp_path / "out")
    assert [(record.name, record.frames) for record in report.records] == [("clips/caf\ufffd.mp4", 40)]
    report = import_videos([named], tmp_path / "two", Settings(min_frames=16), progress=False)
    assert report.records[0].name == "caf\ufffd.mp4"
