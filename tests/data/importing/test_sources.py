"""Which files count as videos, and which ways out of a folder are closed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from playground.core.errors import PlaygroundError
from playground.data.importing.sources import find_videos


def _file(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    for name in ("b.mp4", "sub/deep/a.MOV", "sub/c.webm", "notes.txt", "sub/poster.jpg"):
        _file(tmp_path / "clips" / name, name)
    found = find_videos([tmp_path / "clips"])
    assert [source.name for source in found.sources] == ["clips/b.mp4", "clips/sub/c.webm", "clips/sub/deep/a.MOV"]
    assert not found.notes


def test_a_named_file_needs_no_ending(tmp_path: Path) -> None:
    path = _file(tmp_path / "movie", "x")
    assert [source.path for source in find_videos([path]).sources] == [path]


def test_the_same_file_counts_once(tmp_path: Path) -> None:
    _file(tmp_path / "clips/a.mp4", "same")
    _file(tmp_path / "clips/z.mp4", "same")
    found = find_videos([tmp_path / "clips", tmp_path / "clips/a.mp4"])
    assert [source.name for source in found.sources] == ["clips/a.mp4"]
    assert found.notes[0] == "clips/z.mp4: the same file as clips/a.mp4, imported once"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_inside_a_folder_are_not_followed(tmp_path: Path) -> None:
    secret = _file(tmp_path / "elsewhere/secret.mp4", "secret")
    _file(tmp_path / "clips/a.mp4", "a")
    os.symlink(secret, tmp_path / "clips/b.mp4")
    os.symlink(secret.parent, tmp_path / "clips/more")
    os.symlink(tmp_path / "clips", tmp_path / "clips/loop")
    found = find_videos([tmp_path / "clips"])
    assert [source.name for source in found.sources] == ["clips/a.mp4"]
    assert len(found.notes) == 3
    os.symlink(tmp_path / "clips", tmp_path / "named")
    assert find_videos([tmp_path / "named"]).sources[0].name == "clips/a.mp4"


def test_nothing_to_import_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="missing does not exist"):
        find_videos([tmp_path / "missing"])
    with pytest.raises(PlaygroundError, match="no video in"):
        find_videos([tmp_path])


def test_a_folder_that_cannot_be_read_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _file(tmp_path / "clips/a.mp4", "a")
    _file(tmp_path / "clips/locked/b.mp4", "b")
    real = os.scandir

    def scan(path: str) -> object:
        # Rights do not stop the administrator, whom tests may run as.
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    found = find_videos([tmp_path / "clips"])
    assert [source.name for source in found.sources] == ["clips/a.mp4"]
    assert found.notes == ["clips/locked: cannot be read (Permission denied)"]
