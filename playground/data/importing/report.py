"""What an import kept and dropped, as JSON for programs and as lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from playground.data.importing.journal import VideoRecord

REPORT_NAME = "import-report.json"
SHEET_NAME = "import-sheet.png"
_MEANING = {
    "static": "nothing moves",
    "black": "black",
    "blank": "one even colour",
    "transition": "fade or dissolve",
    "duplicate": "imported before",
    "short": "piece too short",
}
_LISTED = 40


@dataclass(frozen=True)
class ImportReport:
    """Result of one import.

    Attributes:
        fps: frames per second of the dataset.
        records: one for each video, in the order of the dataset.
        notes: files that were left out before they were opened.
    """

    fps: float
    records: Sequence[VideoRecord]
    notes: Sequence[str]

    @property
    def frames(self) -> int:
        """Frames in the dataset."""
        return sum(max(0, record.frames) for record in self.records)

    @property
    def failed(self) -> list[VideoRecord]:
        """Videos of which nothing could be read."""
        return [record for record in self.records if record.error]

    def dropped(self) -> dict[str, float]:
        """Seconds dropped by reason, largest first."""
        total: Counter[str] = Counter()
        for record in self.records:
            total.update(record.dropped)
        return {reason: round(seconds, 3) for reason, seconds in total.most_common() if seconds > 0}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the same videos give the same report."""
        return {
            "schema_version": 1,
            "videos": len(self.records),
            "videos_failed": len(self.failed),
            "frames": self.frames,
            "episodes": sum(record.episodes for record in self.records),
            "seconds_read": round(sum(record.seconds for record in self.records), 3),
            "seconds_kept": round(self.frames / self.fps, 3),
            "seconds_dropped": self.dropped(),
            "left_out": list(self.notes),
            "records": [asdict(record) for record in self.records],
        }

    def lines(self) -> list[str]:
        """A summary for a person: one line a video, then the totals."""
        lines = [self._line(record) for record in self.records[:_LISTED]]
        if len(self.records) > _LISTED:
            lines.append(f"... and {len(self.records) - _LISTED} more, all in {REPORT_NAME}")
        seconds = sum(record.seconds for record in self.records)
        reasons = ", ".join(f"{_MEANING.get(name, name)} {time_of(part)}" for name, part in self.dropped().items())
        lines.append(
            f"kept {self.frames} frames ({time_of(self.frames / self.fps)} of {time_of(seconds)}) in "
            f"{sum(record.episodes for record in self.records)} pieces" + (f"; dropped: {reasons}" if reasons else "")
        )
        return lines

    def _line(self, record: VideoRecord) -> str:
        if record.error:
            return f"{record.name}: not imported: {record.error}"
        parts = [f"{record.width}x{record.height} at {record.fps:.3g} per second"]
        if record.borders:
            parts.append("borders cut")
        if record.turn:
            parts.append("turned upright")
        parts.append(f"kept {time_of(record.frames / self.fps)} of {time_of(record.seconds)}")
        reasons = [f"{_MEANING.get(name, name)} {time_of(part)}" for name, part in record.dropped.items() if part]
        if reasons:
            parts.append("dropped " + ", ".join(reasons))
        if record.frames:
            moving = 100 * record.motion.get("moving_share", 0.0)
            parts.append(f"motion {record.motion.get('mean', 0.0):.1f} of 255, {moving:.0f} % of frames move")
        return f"{record.name}: " + "; ".join([*parts, *record.notes])


def time_of(seconds: float) -> str:
    """Seconds in the shortest clear form: ``12.3 s``, ``4 min 5 s``, ``1 h 20 min``."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
