"""Reads what the Doom collector needs from a game file: the palette, and places on each map where a player can stand.

A WAD is a header, lumps, and a directory of 16-byte entries (offset, size, name). A map is a lump of its name that
is followed by its parts; the first is THINGS, 10 bytes each. Format: Matt Fell, The Unofficial Doom Specs (1994).
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

_ENTRY = np.dtype([("offset", "<i4"), ("bytes", "<i4"), ("name", "S8")])
_THING = np.dtype([("x", "<i2"), ("y", "<i2"), ("angle", "<i2"), ("type", "<i2"), ("flags", "<i2")])
# Flags of a thing that exists at the easy level, and of one that exists among several players only.
EASY, MULTIPLAYER = 1, 16
# Numbers of things: weapons, ammunition, armour, health and powers, keys, and starts of a game of several players.
# A lamp and a barrel have numbers among them.
_GOODS, _NOT_GOODS = range(2001, 2050), (2028, 2035)
_MORE_GOODS = (5, 6, 8, 13, 17, 38, 39, 40, 82, 83)
_STARTS = 11
COLOURS = 256


@functools.cache
def palette(path: Path) -> np.ndarray:
    """Colours of a game file, uint8 (256, 3): those of its first palette, the one of an unhurt player."""
    (entry,) = [entry for entry in _directory(path) if entry["name"] == b"PLAYPAL"]
    return np.frombuffer(_lump(path, entry)[: COLOURS * 3], np.uint8).reshape(COLOURS, 3)


@functools.cache
def places(path: Path, name: str) -> np.ndarray:
    """Where a map has goods to pick up or starts of players, float (N, 2) in map units: free ground, all over the map.

    Args:
        path: the game file.
        name: the map, for example ``"e1m1"``.
    """
    entries = _directory(path)
    (index,) = np.flatnonzero(entries["name"] == name.upper().encode())
    things = np.frombuffer(_lump(path, entries[index + 1]), _THING)
    kinds, flags = things["type"], things["flags"]
    goods = (np.isin(kinds, _GOODS) & ~np.isin(kinds, _NOT_GOODS)) | np.isin(kinds, _MORE_GOODS)
    chosen = things[(goods & (flags & EASY > 0) & (flags & MULTIPLAYER == 0)) | (kinds == _STARTS)]
    return np.stack([chosen["x"], chosen["y"]], axis=1).astype(np.float64)


@functools.cache
def _directory(path: Path) -> np.ndarray:
    with open(path, "rb") as file:
        count, offset = np.frombuffer(file.read(12), "<i4", 2, 4)
        file.seek(int(offset))
        return np.frombuffer(file.read(int(count) * _ENTRY.itemsize), _ENTRY)


def _lump(path: Path, entry: np.ndarray) -> bytes:
    with open(path, "rb") as file:
        file.seek(int(entry["offset"]))
        return file.read(int(entry["bytes"]))
