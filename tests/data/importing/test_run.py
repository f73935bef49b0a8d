"""Whole imports: good, strange and broken files in one folder, and imports that are stopped."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.dataset import ClipDataset
from playground.data.format import complete_shards
from playground.data.importing import run
from playground.data.importing.journal import JOURNAL_NAME, Journal, VideoRecord, plan_resume
from playground.data.importing.report import ImportReport
from playground.data.importing.run import Settings, import_videos
from tests.data.importing.videos import scene, write_video

pytest.importorskip("av")
SETTINGS = Settings(min_frames=16)


def _import(*paths: Path, out: Path, settings: Settings = SETTINGS, **options: object) -> ImportReport:
    return import_videos(paths, out, settings, progress=False, **options)


def _bytes(folder: Path) -> dict[str, str]:
    """Hash of every shard file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("0*"))}


def _damage(path: Path, low: float, high: float) -> Path:
    content = bytearray(path.read_bytes())
    start, stop = int(low * len(content)), int(high * len(content))
    content[start:stop] = np.random.default_rng(0).bytes(stop - start)
    path.write_bytes(content)
    return path


def _strange_folder(folder: Path) -> None:
    """One file of every kind that people have."""
    folder.mkdir()
    write_video(folder / "plain.mp4", scene(1, 60))
    write_video(folder / "portrait.mp4", scene(2, 60, 128, 96), rotation=-90)
    irregular = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.09, 80))
    write_video(folder / "variable.mkv", scene(3, 80), seconds=list(irregular))
    write_video(folder / "odd.mkv", scene(4, 40, 97, 61))
    write_video(folder / "tiny.mkv", scene(5, 40, 8, 8, speed=0.4), codec="ffv1")
    faststart = {"movflags": "faststart"}
    cut = write_video(folder / "cut.mp4", scene(6, 120), options=faststart, gop=10)
    cut.write_bytes(cut.read_bytes()[: int(0.6 * cut.stat().st_size)])
    _damage(write_video(folder / "damaged.mp4", scene(7, 150), options=faststart, gop=10), 0.45, 0.5)
    whole = write_video(folder / "headless.mp4", scene(8, 40))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (folder / "text.mp4").write_text("not a video\n" * 100)
    (folder / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n")
    (folder / "empty.mp4").write_bytes(b"")
    _write_frameless(folder / "frameless.mp4")
    write_video(folder / "strip.mkv", scene(10, 20, 640, 8), codec="ffv1")
    _write_sound(folder / "sound.mp4")


def _write_frameless(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
        container.start_encoding()


def _write_sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        samples = np.zeros((1, 44100), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImportReport]:
    """A folder of strange files and the report of its import."""
    folder = tmp_path_factory.mktemp("strange")
    _strange_folder(folder / "clips")
    return folder / "out", _import(folder / "clips", out=folder / "out", split="val", licence="mine")


def test_strange_files_are_imported_or_refused_in_one_line(strange: tuple[Path, ImportReport]) -> None:
    _, report = strange
    errors = {record.name.removeprefix("clips/"): record.error for record in report.failed}
    assert set(errors) == {
        "headless.mp4", "text.mp4", "list.mp4", "empty.mp4", "frameless.mp4", "strip.mkv", "sound.mp4"
    }  # fmt: skip
    assert all(error and "\n" not in error for error in errors.values())
    assert "no video track" in errors["sound.mp4"]
    kept = {record.name.removeprefix("clips/"): record for record in report.records if not record.error}
    assert kept["plain.mp4"].frames == 60
    assert kept["portrait.mp4"].turn == [0, 1, -1, 0]
    assert kept["variable.mkv"].frames == pytest.approx(4.0 * 15, abs=6)
    assert kept["odd.mkv"].frames == 40
    assert kept["tiny.mkv"].frames + sum(kept["tiny.mkv"].dropped.values()) > 0
    assert 30 < kept["cut.mp4"].frames < 110
    assert "cut short" in kept["cut.mp4"].notes[-1]
    assert kept["damaged.mp4"].frames > 90
    assert "damaged" in kept["damaged.mp4"].notes[0]


def test_the_dataset_has_no_labels_and_says_where_it_is_from(strange: tuple[Path, ImportReport]) -> None:
    out, report = strange
    data = ClipDataset(out, length=16)
    assert data.num_frames == report.frames
    assert data.num_episodes == sum(record.episodes for record in report.records)
    assert (data.info.action_names, data.captions, data.split, data.info.licence) == ([], [], "val", "mine")
    assert data.actions_T.max() == -1
    saved = json.loads((out / "import-report.json").read_text())
    assert saved["frames"] == report.frames
    assert saved["videos_failed"] == 7
    assert any("not imported" in line for line in report.lines())


def test_damage_leaves_no_smeared_frames(tmp_path: Path) -> None:
    clip = scene(7, 150)
    path = write_video(tmp_path / "d.mp4", clip, options={"movflags": "faststart"}, gop=10)
    whole = _import(path, out=tmp_path / "whole")
    _damage(path, 0.45, 0.5)
    damaged = _import(path, out=tmp_path / "damaged")
    assert damaged.frames < whole.frames
    good, rest = ClipDataset(tmp_path / "whole", 1), ClipDataset(tmp_path / "damaged", 1)
    frames = good.frames(0, good.num_frames).astype(np.int16)
    for frame in rest.frames(0, rest.num_frames).astype(np.int16):
        assert np.abs(frames - frame).mean((1, 2, 3)).min() < 1


def test_cuts_still_and_black_become_pieces(tmp_path: Path) -> None:
    still = np.repeat(scene(1, 40)[-1:], 45, axis=0)
    black = np.zeros((20, 96, 96, 3), np.uint8)
    frames = np.concatenate([scene(1, 40), still, scene(2, 40), black, scene(3, 40), scene(4, 40), scene(5, 8)])
    report = _import(write_video(tmp_path / "a.mp4", frames), out=tmp_path / "out")
    record = report.records[0]
    assert record.episodes == 4
    assert record.dropped["static"] == pytest.approx(3, abs=0.3)
    assert record.dropped["black"] == pytest.approx(20 / 15, abs=0.1)
    assert record.dropped["short"] == pytest.approx(8 / 15, abs=0.2)
    assert record.frames + round(15 * sum(record.dropped.values())) == round(15 * record.seconds)
    assert record.seconds == pytest.approx(len(frames) / 15, abs=0.1)


def test_the_second_upload_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    clip = scene(1, 90)
    write_video(tmp_path / "clips/a.mp4", clip)
    write_video(tmp_path / "clips/b.mkv", np.concatenate([scene(2, 60), clip]), codec="mpeg4")
    report = _import(tmp_path / "clips", out=tmp_path / "out")
    assert report.records[1].dropped["duplicate"] > 4
    assert report.records[1].frames == pytest.approx(60, abs=20)


def test_borders_are_cut_and_reported(tmp_path: Path) -> None:
    boxed = np.zeros((60, 120, 160, 3), np.uint8)
    boxed[:, 20:100, 20:140] = scene(2, 60, 120, 80, speed=3)
    report = _import(write_video(tmp_path / "boxed.mp4", boxed), out=tmp_path / "out")
    assert np.allclose(report.records[0].borders, [0.125, 1 / 6, 0.125, 1 / 6], atol=0.013)
    assert ClipDataset(tmp_path / "out", 1).frames(0, 60)[:, [0, -1]].mean() > 30


def test_a_stopped_import_continues_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for number in range(4):
        write_video(clips / f"{number}.mp4", np.concatenate([scene(number, 40), scene(number + 10, 40)]))
    write_video(clips / "2b.mp4", scene(1, 60))  # holds what 1.mp4 holds: the resumed run has to know that
    real = run.ClipWriter
    monkeypatch.setattr(run, "ClipWriter", lambda folder, info: real(folder, info, shard_frames=50))
    _import(clips, out=tmp_path / "whole")

    class Stopped(Exception):
        pass

    def stop_after(frames: int) -> None:
        def open_writer(folder: Path, info: object) -> object:
            writer = real(folder, info, shard_frames=50)
            append, left = writer.append, [frames]

            def counting(*args: object, **options: object) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise Stopped
                append(*args, **options)

            writer.append = counting
            return writer

        monkeypatch.setattr(run, "ClipWriter", open_writer)

    for frames in (0, 30, 75, 130, 60):
        stop_after(frames)
        with pytest.raises(Stopped):
            _import(clips, out=tmp_path / "out")
        assert not list((tmp_path / "out").glob("*.tmp"))
    monkeypatch.setattr(run, "ClipWriter", lambda folder, info: real(folder, info, shard_frames=50))
    again = _import(clips, out=tmp_path / "out")
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")
    first = json.loads((tmp_path / "whole/import-report.json").read_text())
    assert json.loads((tmp_path / "out/import-report.json").read_text()) == first
    assert _import(clips, out=tmp_path / "out").to_dict() == again.to_dict()
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def test_another_picture_size_in_the_middle_is_another_piece(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / f"{n}.ts", scene(n, 60, width, height)).read_bytes()
        for n, (width, height) in enumerate(((96, 96), (160, 128)))
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    report = _import(tmp_path / "both.ts", out=tmp_path / "out")
    assert (report.frames, report.records[0].episodes) == (120, 2)


def test_later_videos_are_added_behind(tmp_path: Path) -> None:
    first = write_video(tmp_path / "z.mp4", scene(1, 60))
    _import(first, out=tmp_path / "out")
    before = _bytes(tmp_path / "out")
    second = write_video(tmp_path / "a.mp4", scene(2, 60))
    report = _import(first, second, out=tmp_path / "out")
    assert report.frames == 120
    after = _bytes(tmp_path / "out")
    assert before.items() <= after.items()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_kill_leaves_a_dataset_that_resumes(tmp_path: Path, repository: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for number in range(3):
        write_video(clips / f"{number}.mp4", np.concatenate([scene(10 * number + k, 50) for k in range(3)]))
    script = (
        "import sys\nfrom playground.data.importing import run\nreal = run.ClipWriter\n"
        "run.ClipWriter = lambda folder, info: real(folder, info, shard_frames=40)\n"
        "run.import_videos([sys.argv[1]], sys.argv[2], progress=False)\n"
    )
    command = [sys.executable, "-c", script, str(clips)]
    subprocess.run([*command, str(tmp_path / "whole")], cwd=repository, check=True)
    out = tmp_path / "out"
    for shards in (1, 5, 8):
        process = subprocess.Popen([*command, str(out)], cwd=repository)
        deadline = time.monotonic() + 60
        while len(complete_shards(out)) < shards and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
        process.wait()
        assert ClipDataset(out, length=1).num_frames >= 40 * shards
    subprocess.run([*command, str(out)], cwd=repository, check=True)
    assert _bytes(out) == _bytes(tmp_path / "whole")


def test_half_a_journal_line_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(VideoRecord("a", "a.mp4"))
    journal.append(VideoRecord("a", "a.mp4", frames=5, episodes=1))
    with open(tmp_path / JOURNAL_NAME, "a") as file:
        file.write('{"fingerprint": "b", "na')
    assert Journal(tmp_path).records["a"].frames == 5
    Journal(tmp_path).append(VideoRecord("b", "b.mp4"))
    assert list(Journal(tmp_path).records) == ["a", "b"]
    (tmp_path / JOURNAL_NAME).write_text('{"fingerprint": 3, "name": ""}\n')
    with pytest.raises(PlaygroundError, match="line 1.*fingerprint"):
        Journal(tmp_path)


def test_resume_finds_its_place() -> None:
    records = {
        "a": VideoRecord("a", "a", frames=50, episodes=2),
        "bad": VideoRecord("bad", "bad", frames=0, error="x"),
        "b": VideoRecord("b", "b", frames=30, episodes=1),
        "c": VideoRecord("c", "c"),
    }
    resume = plan_resume(records, 60, {"a", "b", "c"})
    assert (resume.finished, resume.first, resume.skip, resume.episodes) == ({"a"}, ["b", "c"], 10, 2)
    with pytest.raises(PlaygroundError, match="b was being imported"):
        plan_resume(records, 60, {"a", "c"})
    with pytest.raises(PlaygroundError, match="knows of 50 frames"):
        plan_resume({"a": records["a"]}, 60, {"a"})


def test_mistakes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(PlaygroundError, match=r"nothing could be imported: text.mp4: not a video"):
        _import(tmp_path / "text.mp4", out=tmp_path / "a")
    still = write_video(tmp_path / "still.mp4", np.repeat(scene(1, 1), 60, axis=0))
    with pytest.raises(PlaygroundError, match="every piece was dropped .static.*and an empty --out"):
        _import(still, out=tmp_path / "b")
    clip = write_video(tmp_path / "clip.mp4", scene(1, 40))
    _import(clip, out=tmp_path / "c")
    with pytest.raises(PlaygroundError, match="describes another dataset"):
        _import(clip, out=tmp_path / "c", settings=Settings(min_frames=16, fps=10))
    for wrong in ({"size": 96}, {"fps": 0.0}, {"fps": float("nan")}, {"fit": "stretch"}, {"min_frames": 1}):
        with pytest.raises(PlaygroundError, match="--"):
            Settings(**wrong)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(PlaygroundError, match="GB free"):
        _import(clip, out=tmp_path / "d")
