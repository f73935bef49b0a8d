"""Timing and machine load of a running session, under the stable keys of ``bench --json``."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

RECENT = 15
"""Frames that a player feels as now: about a second."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0..1) of ``values`` lie, interpolated; 0.0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


class Stats:
    """Rolling frame times and key latencies of the last ``window`` frames.

    Appending happens in one thread and reading may happen in another: reads copy first.
    """

    def __init__(self, window: int = 600) -> None:
        """Create empty statistics over the last ``window`` frames."""
        self._interval_s: deque[float] = deque(maxlen=window)
        self._frame_s: deque[float] = deque(maxlen=window)
        self._key_s: deque[float] = deque(maxlen=window)
        self._last_frame_at: float | None = None
        self.frames = 0
        self.late = 0
        self.skipped = 0

    def add_frame(self, seconds: float, now: float | None = None) -> None:
        """Record a frame that took ``seconds`` and was ready at ``now`` (``time.perf_counter()``)."""
        now = time.perf_counter() if now is None else now
        self._frame_s.append(seconds)
        if self._last_frame_at is not None:
            self._interval_s.append(max(now - self._last_frame_at, 1e-9))
        self._last_frame_at = now
        self.frames += 1

    def break_interval(self) -> None:
        """Forget when the last frame came, so that a pause is not counted as a slow frame."""
        self._last_frame_at = None

    def add_key_latency(self, seconds: float) -> None:
        """Record the time from a key event to the frame that shows it."""
        self._key_s.append(seconds)

    @property
    def fps_median(self) -> float:
        """Median frames per second (0.0 before two frames)."""
        intervals = list(self._interval_s)
        return 1.0 / percentile(intervals, 0.5) if intervals else 0.0

    @property
    def fps_now(self) -> float:
        """Median frames per second of the last ``RECENT`` frames, for a display that follows a change of pace."""
        intervals = list(self._interval_s)[-RECENT:]
        return 1.0 / percentile(intervals, 0.5) if intervals else 0.0

    @property
    def fps_p5(self) -> float:
        """Frames per second that 95 % of the frames reach or beat (0.0 before two frames)."""
        intervals = list(self._interval_s)
        return 1.0 / percentile(intervals, 0.95) if intervals else 0.0

    def frame_ms(self, share: float) -> float:
        """Milliseconds to generate a frame at percentile ``share`` (0..1)."""
        return 1000.0 * percentile(list(self._frame_s), share)

    def key_to_frame_ms(self, share: float) -> float:
        """Milliseconds from key event to shown frame at percentile ``share``; 0.0 when no key was pressed."""
        return 1000.0 * percentile(list(self._key_s), share)

    def to_dict(self) -> dict[str, float]:
        """The timing keys of the bench report; ``key_to_frame_ms_p95`` only when keys were pressed."""
        numbers = {
            "fps_median": round(self.fps_median, 3),
            "fps_p5": round(self.fps_p5, 3),
            "frame_ms_p50": round(self.frame_ms(0.5), 3),
            "frame_ms_p95": round(self.frame_ms(0.95), 3),
        }
        if self._key_s:
            numbers["key_to_frame_ms_p95"] = round(self.key_to_frame_ms(0.95), 3)
        return numbers


class LoadMeter:
    """Measures how busy *other* processes keep the machine, so that timings can be judged.

    ``other_load`` is the number of logical cores (0.0 = idle machine) that other processes used since the
    meter was made; where the system does not tell (no ``/proc``), it falls back to the one-minute load
    average.
    """

    def __init__(self) -> None:
        """Start measuring now."""
        self._started = time.perf_counter()
        self._busy = _machine_busy_s()
        self._own = _own_cpu_s()

    def other_load(self) -> float:
        """Average number of logical cores that other processes kept busy since the start."""
        busy = _machine_busy_s()
        elapsed = time.perf_counter() - self._started
        if busy is None or self._busy is None or elapsed < 0.05:
            average = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
            return round(max(average - 1.0, 0.0), 3)
        own = _own_cpu_s() - self._own
        return round(max(busy - self._busy - own, 0.0) / elapsed, 3)


def rss_mb() -> float:
    """Memory that this process holds now (resident set), in MiB; the peak where only that is known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def process_age_s() -> float:
    """Seconds since this process was started by the system, interpreter start-up included."""
    try:
        # Field 22 of stat is the start time in clock ticks since boot; the name field may contain spaces.
        fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(float(Path("/proc/uptime").read_text().split()[0]) - started, 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return time.process_time()


def _machine_busy_s() -> float | None:
    try:
        numbers = [int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _own_cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
