"""Imports videos into a clip dataset: one after another, streaming, resumable, each failure on its own."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tqdm import tqdm

from playground.core.config import write_json
from playground.core.errors import PlaygroundError
from playground.data.collect import check_disk
from playground.data.format import DatasetInfo, complete_shards, frames_path, steps_path
from playground.data.importing.borders import find_borders
from playground.data.importing.cuts import mark_cuts
from playground.data.importing.decode import UnreadableVideo, Video
from playground.data.importing.duplicates import SeenWindows, WindowRecorder, mark_duplicates
from playground.data.importing.framing import Box, Fit, Framer, display_turn
from playground.data.importing.journal import Journal, VideoRecord, plan_resume
from playground.data.importing.pieces import Tally, kept_pieces
from playground.data.importing.report import REPORT_NAME, ImportReport
from playground.data.importing.resample import on_grid
from playground.data.importing.samples import Sample, thumbnail
from playground.data.importing.sources import Source, find_videos
from playground.data.importing.still import mark_still
from playground.data.importing.transitions import mark_dissolves, mark_empty
from playground.data.writer import ClipWriter

IMPORT_VERSION = 1
SIZES = (64, 128)
DEFAULT_FPS = 15.0
DEFAULT_MIN_FRAMES = 32
_SURVEY_FRAMES = 16
_UNKNOWN_SECONDS = 600.0
_NAMED = 5
_NOT_FINISHED = "was not finished; name it again to import it"


@dataclass(frozen=True)
class Settings:
    """What an import does to each video.

    Attributes:
        size: side of a frame in pixels, 64 or 128.
        fps: frames per second of the dataset, 1..120.
        fit: ``"crop"`` takes the square in the middle, ``"letterbox"`` keeps the whole picture between black bars.
        min_frames: shortest piece that is kept; at least as long as the windows of the training.
    """

    size: int = 64
    fps: float = DEFAULT_FPS
    fit: Fit = "crop"
    min_frames: int = DEFAULT_MIN_FRAMES

    def __post_init__(self) -> None:
        """Refuse what no import can do."""
        if self.size not in SIZES:
            raise PlaygroundError(f"--size must be one of {', '.join(map(str, SIZES))}, got {self.size}")
        if not 1 <= self.fps <= 120:
            raise PlaygroundError(f"--fps must be 1..120, got {self.fps}")
        if self.fit not in get_args(Fit):
            raise PlaygroundError(f"--fit must be one of {', '.join(get_args(Fit))}, got {self.fit!r}")
        if not 2 <= self.min_frames <= 4096:
            raise PlaygroundError(f"--min-frames must be 2..4096, got {self.min_frames}")


def import_videos(
    paths: Iterable[Path | str],
    out: Path | str,
    settings: Settings | None = None,
    split: str = "train",
    licence: str = "unknown",
    progress: bool = True,
) -> ImportReport:
    """Write the usable pieces of videos as a clip dataset without actions.

    The same videos and settings give the same bytes, also when the import is stopped and repeated: whole shards stay,
    and the video that was being imported is read again from its start. Videos that come later are added behind.

    Args:
        paths: video files and folders.
        out: dataset folder, created when missing, continued when begun.
        settings: what is done to each video.
        split: ``"train"``, ``"val"`` or ``"test"``; training and evaluation keep them apart.
        licence: who owns the videos and what may be done with them, for the cards of the worlds.
        progress: show progress bars on stderr.

    Returns:
        What was kept and dropped; the same is in ``import-report.json``.

    Raises:
        PlaygroundError: no video, wrong settings, too little disk space, a folder with other data, or not a single
            usable piece in all of the videos.
    """
    settings = settings or Settings()
    found = find_videos(paths)
    info = DatasetInfo(
        source="import",
        size=settings.size,
        fps=settings.fps,
        split=split,
        licence=licence,
        options={"fit": settings.fit, "min_frames": settings.min_frames},
        collector_version=IMPORT_VERSION,
    )
    folder = Path(out)
    try:
        with ClipWriter(folder, info) as writer:
            journal = Journal(folder)
            _import_missing(found.sources, writer, journal, settings, folder, progress)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise PlaygroundError(
            f"the disk of {folder} is full; free some space and repeat the command, it continues"
        ) from error
    report = ImportReport(settings.fps, list(journal.records.values()), found.notes)
    write_json(folder / REPORT_NAME, report.to_dict())
    if not report.frames:
        raise PlaygroundError(f"nothing could be imported: {_why_nothing(report)}")
    return report


def _why_nothing(report: ImportReport) -> str:
    if report.failed:
        named = "; ".join(f"{record.name}: {record.error}" for record in report.failed[:_NAMED])
        more = f"; and {len(report.failed) - _NAMED} more" if len(report.failed) > _NAMED else ""
        return f"{named}{more}; see {REPORT_NAME}"
    reasons = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.dropped().items())
    return (
        f"every piece was dropped ({reasons}); see {REPORT_NAME}, or allow shorter pieces with --min-frames and an "
        "empty --out"
    )


def _import_missing(
    sources: list[Source], writer: ClipWriter, journal: Journal, settings: Settings, folder: Path, progress: bool
) -> None:
    """Import what the journal does not know as finished, in an order that continues the published shards."""
    known = {source.fingerprint: source for source in sources}
    resume = plan_resume(journal.records, writer.frames_written, set(known))
    for mark in resume.lost:
        # Its frames never reached the dataset. Left as it is, the record would be taken for the frames of later videos.
        journal.append(VideoRecord(mark, journal.records[mark].name, frames=0, error=_NOT_FINISHED))
    again = set(resume.first)
    order = [known[mark] for mark in resume.first]
    order += [source for source in sources if source.fingerprint not in resume.finished | again]
    if not order:
        return
    seen = _seen_before(folder, writer.frames_written - resume.skip)
    skip, episode = resume.skip, resume.episodes
    numbers = {mark: number for number, mark in enumerate(journal.records)}
    with tqdm(order, unit="video", desc="import", disable=not progress) as bar:
        for source in bar:
            number = numbers.setdefault(source.fingerprint, len(numbers))
            journal.append(VideoRecord(source.fingerprint, source.name))
            target = _Target(writer, seen, number, episode, skip)
            record = _import_one(source, target, settings, folder, progress)
            if target.skip > 0:
                raise PlaygroundError(
                    f"{source.name} gives {target.skip} frames less than before the import stopped; start in an "
                    "empty folder"
                )
            journal.append(record)
            skip, episode = 0, episode + record.episodes


@dataclass
class _Target:
    """Where the frames of one video go: number of the video, of its first episode, frames that are there already."""

    writer: ClipWriter
    seen: SeenWindows
    number: int
    episode: int
    skip: int

    def write(self, kept: Iterable[tuple[Sample, bool]]) -> None:
        """Append the frames that the dataset does not have yet, and remember all of them for duplicates."""
        episode, windows = self.episode - 1, WindowRecorder(self.seen, self.number)
        for sample, begins in kept:
            if begins:
                episode, windows = episode + 1, WindowRecorder(self.seen, self.number)
            windows.add(sample.frame_HWC, sample.number)
            if self.skip:
                self.skip -= 1
            else:
                self.writer.append(sample.frame_HWC, episode=episode)


def _import_one(source: Source, target: _Target, settings: Settings, folder: Path, progress: bool) -> VideoRecord:
    """Import one video; what is wrong with it ends up in its record."""
    record = VideoRecord(source.fingerprint, source.name, frames=0)
    try:
        with Video(source.path) as video:
            box = find_borders(video.spread_frames(_SURVEY_FRAMES))
        with Video(source.path) as video:
            refusal = _disk_refusal(folder, video, settings)
            if refusal and target.skip:
                raise PlaygroundError(f"{source.name}: {refusal}")
            if refusal:
                return replace(record, error=refusal)
            stream = _Stream(video, settings, box)
            with tqdm(
                total=video.seconds or None,
                desc=source.name[-30:],
                unit="s",
                bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s of video [{elapsed}<{remaining}]",
                leave=False,
                position=1,
                disable=not progress or not video.seconds,
            ) as bar:
                samples = _stages(stream.samples(bar), target.seen, target.number, settings.fps)
                target.write(kept_pieces(samples, settings.min_frames, stream.tally))
            return stream.record(record)
    except UnreadableVideo as error:
        return replace(record, error=str(error))


def _disk_refusal(folder: Path, video: Video, settings: Settings) -> str:
    """Why a video may not fit on the disk, even though most videos lose a part on the way; ``""`` when it does."""
    frames = math.ceil((video.seconds or _UNKNOWN_SECONDS) * settings.fps)
    try:
        check_disk(folder, frames, settings.size)
    except PlaygroundError as error:
        cause = str(error).partition(";")[0]
        return f"{cause}; free some space and repeat the command, it continues"
    return ""


def _stages(samples: Iterable[Sample], seen: SeenWindows, number: int, fps: float) -> Iterator[Sample]:
    """Everything that marks samples, in order; each stage holds a few seconds of small frames at most."""
    samples = mark_cuts(samples)
    samples = mark_empty(samples, fps)
    samples = mark_dissolves(samples, fps)
    samples = mark_still(samples, fps)
    return mark_duplicates(samples, seen, number, fps)


class _Stream:
    """One open video on its way to samples, with what is learned about it."""

    def __init__(self, video: Video, settings: Settings, box: Box) -> None:
        self._video, self._settings, self._box = video, settings, box
        self._turn = np.eye(2, dtype=np.int64)
        self._stopped = ""
        self.tally = Tally()
        self._grid_frames = 0

    def samples(self, bar: tqdm[Any]) -> Iterator[Sample]:
        """Frames on the grid, framed; a picture that cannot be handled ends the stream."""
        framer: Framer | None = None
        pictures = ((decoded.frame, decoded.seconds, decoded.broken) for decoded in self._decoded())
        frame_HWC = None
        for number, item in enumerate(on_grid(pictures, self._settings.fps)):
            if framer is None:
                self._turn = display_turn(item.picture)
                framer = Framer(
                    self._settings.size, self._settings.fit, self._box, self._video.pixel_aspect, self._turn
                )
            if frame_HWC is None or not item.repeated:
                try:
                    frame_HWC = framer(item.picture)
                except UnreadableVideo as error:
                    self._stopped = f"stopped after {number / self._settings.fps:.1f} s: {error}"
                    return
            self._grid_frames = number + 1
            bar.update(min(self._video.end, bar.total or 0) - bar.n)
            thumb_HWC = thumbnail(frame_HWC[framer.content])
            yield Sample(frame_HWC, item.seconds, number, item.repeated, item.starts, thumb_HWC)

    def _decoded(self) -> Iterator[Any]:
        size = None
        for decoded in self._video.frames():
            now = (decoded.frame.width, decoded.frame.height)
            yield replace(decoded, broken=True) if size not in (None, now) else decoded
            size = now

    def record(self, record: VideoRecord) -> VideoRecord:
        """Complete the record of the video after its last sample."""
        video, tally, fps = self._video, self.tally, self._settings.fps
        if not self._grid_frames:
            raise UnreadableVideo(self._stopped or "has no readable frame")
        notes = [self._stopped] if self._stopped else []
        if video.damaged:
            notes.append(f"damaged parts left out: {video.damaged}")
        if video.cut_short and not self._stopped:
            notes.append(f"cut short: {video.end:.1f} of {video.seconds:.1f} s can be read")
        if tally.repeated > 0.05 * tally.kept:
            share = 100 * tally.repeated / tally.kept
            notes.append(f"slower than {fps:g} per second: {share:.0f} % of frames repeat the one before")
        box = self._box
        return replace(
            record,
            frames=tally.kept,
            episodes=tally.pieces,
            seconds=round(self._grid_frames / fps, 3),
            fps=round(video.fps, 3),
            width=video.width,
            height=video.height,
            turn=[] if np.array_equal(self._turn, np.eye(2)) else self._turn.ravel().tolist(),
            borders=[] if box.whole else [round(x, 4) for x in (box.left, box.top, 1 - box.right, 1 - box.bottom)],
            dropped={reason: round(count / fps, 3) for reason, count in sorted(tally.dropped.items()) if count},
            starts=tally.starts,
            motion=tally.motion(),
            notes=notes,
        )


def _seen_before(folder: Path, frames: int) -> SeenWindows:
    """The windows of the first ``frames`` frames of the dataset, as they were when these had been written."""
    seen = SeenWindows()
    recorder, current = WindowRecorder(seen, -1), None
    for index in complete_shards(folder):
        if frames <= 0:
            break
        frames_THWC = np.load(frames_path(folder, index), mmap_mode="r", allow_pickle=False)
        with np.load(steps_path(folder, index), allow_pickle=False) as steps:
            episodes = steps["episode"][:frames]
        for frame_HWC, episode in zip(frames_THWC, episodes.tolist(), strict=False):
            if episode != current:
                recorder, current = WindowRecorder(seen, -1), episode
            recorder.add(np.asarray(frame_HWC), 0)
        frames -= len(episodes)
    return seen
