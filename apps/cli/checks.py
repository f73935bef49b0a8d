"""Checks of command-line values that several commands share; each failure names the option."""

from __future__ import annotations

import re

from playground.core.errors import PlaygroundError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def positive(option: str, value: float) -> None:
    """Refuse a value that is not above zero."""
    if not value > 0:
        raise PlaygroundError(f"{option} must be above 0, got {value}")


def parse_budget(option: str, text: str) -> float:
    """Seconds of a duration such as ``90s``, ``25m``, ``1.5h`` or ``1h30m``; a bare number means seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise PlaygroundError(f"{option} {text!r} is not a duration; write it like 90s, 25m or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    positive(option, seconds)
    return seconds
