"""Remembers which videos an import has finished, so that a stopped import continues with the same result."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from playground.core.config import config_from_dict
from playground.core.errors import PlaygroundError

JOURNAL_NAME = "import-journal.jsonl"
_MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class VideoRecord:
    """What became of one video.

    Attributes:
        fingerprint: which file it is.
        name: how the report calls it.
        frames: frames kept; -1 while the video is being imported.
        episodes: pieces kept.
        seconds: seconds of video that could be read.
        fps: frames per second of the file, 0 when it does not say.
        width: coded width in pixels.
        height: coded height in pixels.
        turn: how the picture is turned upright, ``[]`` when it is stored upright.
        borders: shares of the picture that are cut off as borders (left, top, right, bottom), ``[]`` for none.
        dropped: seconds by reason.
        starts: places where the video does not continue: cuts, gaps, damage.
        motion: see :meth:`playground.data.importing.pieces.Tally.motion`.
        notes: what a person should know, one sentence each.
        error: why nothing could be read, ``""`` when something could.
    """

    fingerprint: str
    name: str
    frames: int = -1
    episodes: int = 0
    seconds: float = 0.0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    turn: list[int] = field(default_factory=list)
    borders: list[float] = field(default_factory=list)
    dropped: dict[str, float] = field(default_factory=dict)
    starts: int = 0
    motion: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: str = ""


class Journal:
    """An append-only file with one line at the begin and one at the end of each video.

    Attributes:
        records: the last line of each video, in the order in which the videos were begun.
    """

    def __init__(self, folder: Path) -> None:
        """Read the journal of ``folder`` if it has one; half a line at its end is cut off.

        Raises:
            PlaygroundError: a damaged journal.
        """
        self._path = folder / JOURNAL_NAME
        self.records: dict[str, VideoRecord] = {}
        if not self._path.exists():
            return
        if self._path.stat().st_size > _MAX_BYTES:
            raise PlaygroundError(f"{self._path} is larger than {_MAX_BYTES} bytes; start again in an empty folder")
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with open(self._path, "r+b") as file:
                file.truncate(whole)
        for number, line in enumerate(content[:whole].splitlines(), 1):
            record = self._parse(line, number)
            self._remember(record)

    def append(self, record: VideoRecord) -> None:
        """Write one line and wait until it is on the disk."""
        line = json.dumps(asdict(record), ensure_ascii=False) + "\n"
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._remember(record)

    def _remember(self, record: VideoRecord) -> None:
        old = self.records.get(record.fingerprint)
        if old is not None and old.error and record.frames < 0:
            # A failed video that is tried again may hold frames now, which come after everything before them.
            del self.records[record.fingerprint]
        self.records[record.fingerprint] = record

    def _parse(self, line: bytes, number: int) -> VideoRecord:
        where = f"{self._path} line {number}"
        try:
            data: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PlaygroundError(f"{where} is damaged ({error}); start again in an empty folder") from error
        return config_from_dict(VideoRecord, data, where)


@dataclass(frozen=True)
class Resume:
    """Where an import goes on.

    Attributes:
        finished: videos whose frames are all in the dataset.
        first: videos that have to be imported again first, in this order.
        lost: videos that would have to be imported again, but are not there; none of their frames is in the dataset.
        skip: frames of the first of ``first`` that are in the dataset.
        episodes: number of episodes of the finished videos.
    """

    finished: set[str]
    first: list[str]
    lost: list[str]
    skip: int
    episodes: int


def plan_resume(records: dict[str, VideoRecord], published: int, available: set[str]) -> Resume:
    """Compare the journal with the ``published`` frames of the dataset.

    Args:
        records: of the journal.
        published: frames in finished shards.
        available: fingerprints of the videos that this command names.

    Raises:
        PlaygroundError: the two do not belong together, or a half imported video is gone.
    """
    finished: set[str] = set()
    first: list[str] = []
    lost: list[str] = []
    covered = episodes = skip = 0
    for mark, record in records.items():
        begun = bool(first or lost)
        if not begun and record.frames >= 0 and covered + record.frames <= published:
            covered += record.frames
            episodes += record.episodes
            if not record.error:
                finished.add(mark)
            continue
        if record.error:
            # Tried again behind all others, because that is where the journal puts a failed video that begins again.
            continue
        if not begun and published > covered:
            if mark not in available:
                raise PlaygroundError(
                    f"{record.name} was being imported when the import stopped, and is missing or changed now; "
                    "name it again, or start in an empty folder"
                )
            skip = published - covered
        (first if mark in available else lost).append(mark)
    if not first and not lost and published > covered:
        raise PlaygroundError(
            f"{JOURNAL_NAME} knows of {covered} frames, but the dataset has {published}; start in an empty folder"
        )
    return Resume(finished, first, lost, skip, episodes)
