"""`playground import`: what a person sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.cli.main import main
from tests.data.importing.videos import scene, write_video

pytest.importorskip("av")


def test_import_tells_what_was_kept_and_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "good.mp4", scene(1, 60))
    (clips / "bad.mp4").write_text("no")
    assert main(["import", str(clips), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "clips/good.mp4: 96x96 at 15 per second; kept 4.0 s of 4.0 s" in printed.out
    assert "not imported, 1 of 2: clips/bad.mp4 (" in printed.err
    with Image.open(tmp_path / "out/import-sheet.png") as sheet:
        assert sheet.width > 8 * 96


def test_import_of_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.mp4").write_text("no")
    assert main(["import", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: nothing could be imported")
