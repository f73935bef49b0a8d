"""Two reports side by side, and one report against thresholds. Reads JSON and TOML only, so it starts at once."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.core.config import read_json
from playground.core.errors import PlaygroundError, suggest
from playground.evaluation.keys import KEYS, base_key, ci_key

DEFAULT_THRESHOLDS = Path(__file__).with_name("thresholds.toml")
"""Thresholds that a world should meet before it ships."""


@dataclass(frozen=True)
class Difference:
    """One line of a comparison.

    Attributes:
        key: name in the reports.
        before: value in the first, None when it is not there.
        after: value in the second, None when it is not there.
        interval: half width of the 95 % interval of the difference, None when a report gives no interval.
        verdict: ``better``, ``worse``, ``unclear`` (within the interval) or ``""`` where neither is better.
    """

    key: str
    before: float | None
    after: float | None
    interval: float | None
    verdict: str


def read_report(path: Path) -> dict[str, float]:
    """The numbers of a ``report.json``.

    Raises:
        PlaygroundError: not a report: missing, not JSON, or a value that is no number.
    """
    if not path.is_file():
        raise PlaygroundError(f"{path} is missing; make it with playground eval WORLD --data DIR --out {path}")
    numbers = read_json(path)
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PlaygroundError(f"{path}: field {key!r} is {value!r}, not a number; give a report of playground eval")
    if not any(key.partition("/")[0] in KEYS for key in numbers):
        raise PlaygroundError(f"{path} holds no key of an evaluation; give a report of playground eval")
    return numbers


def compare_reports(before: Mapping[str, float], after: Mapping[str, float]) -> list[Difference]:
    """What changed between two reports, in the order of the reports.

    The interval of a difference is the root of the sum of both squared intervals. It treats the two reports as
    independent; on the same clips the errors partly cancel, so the verdict ``unclear`` errs on the careful side.
    """
    found = []
    for key in dict.fromkeys([*before, *after]):
        name = key.partition("/")[0]
        if name not in KEYS:  # intervals, and keys of another version
            continue
        a, b = before.get(key), after.get(key)
        widths = (before.get(ci_key(key)), after.get(ci_key(key)))
        interval = None if None in widths else math.hypot(*(float(width) for width in widths if width is not None))
        found.append(Difference(key, a, b, interval, _verdict(KEYS[name].better, a, b, interval)))
    return found


def _verdict(better: str, before: float | None, after: float | None, interval: float | None) -> str:
    if better == "none" or before is None or after is None:
        return ""
    if abs(after - before) <= (interval or 0.0):
        return "unclear" if after != before else ""
    gain = after - before
    if better == "less":
        gain = -gain
    elif better == "one":
        gain = abs(before - 1) - abs(after - 1)
    if math.isclose(gain, 0.0, abs_tol=1e-12):  # as far from 1 on the other side
        return "unclear"
    return "better" if gain > 0 else "worse"


def comparison_table(differences: list[Difference], before: str, after: str) -> str:
    """Plain text columns of a comparison, under the two names."""
    head = ("key", before, after, "difference", "± 95 %", "")
    rows = [head]
    for line in differences:
        known = line.before is not None and line.after is not None
        change = f"{line.after - line.before:+.4g}" if known else ""  # type: ignore[operator]
        width = "" if line.interval is None or not known else f"{line.interval:.3g}"
        rows.append((line.key, _cell(line.before), _cell(line.after), change, width, line.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in range(1, 5)), row[5]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def read_thresholds(path: Path | str) -> dict[str, dict[str, float]]:
    """Thresholds from a TOML file: one table a key, with ``min``, ``max`` or both; ``default`` is the shipped file.

    Raises:
        PlaygroundError: not TOML, an unknown key or field, or a limit that is no number.
    """
    path = DEFAULT_THRESHOLDS if str(path) == "default" else Path(path)
    if not path.is_file():
        raise PlaygroundError(f"{path} is missing; write a TOML file of thresholds, or use: --thresholds default")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlaygroundError(f"{path} is not valid TOML: {error}") from error
    for key, limits in tables.items():
        try:
            base_key(key)
        except PlaygroundError as error:
            raise PlaygroundError(f"{path}: {error}") from error
        if not isinstance(limits, dict) or not limits:
            raise PlaygroundError(f'{path}: ["{key}"] must be a table with min, max or both')
        for name, value in limits.items():
            if name not in ("min", "max"):
                hint = suggest(name, ("min", "max"))
                raise PlaygroundError(f'{path}: ["{key}"] has unknown field {name!r}; use min and max.{hint}')
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise PlaygroundError(f'{path}: ["{key}"] {name} is {value!r}, not a number')
        if limits.get("min", -math.inf) > limits.get("max", math.inf):
            raise PlaygroundError(f'{path}: ["{key}"] min is above max; no value can pass')
    return tables


def failures(numbers: Mapping[str, Any], thresholds: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One line for each threshold that a report does not meet; a key that was not measured does not meet its own."""
    lines = []
    for key, limits in thresholds.items():
        value = numbers.get(key)
        if value is None:
            lines.append(f"{key} was not measured, but has a threshold")
        elif value < limits.get("min", -math.inf):
            lines.append(f"{key} is {value:.4g}, below its min of {limits['min']:g}")
        elif value > limits.get("max", math.inf):
            lines.append(f"{key} is {value:.4g}, above its max of {limits['max']:g}")
    return lines
