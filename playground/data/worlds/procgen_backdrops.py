"""Names for the pictures that Procgen draws behind its games, in families that look alike.

The numbers are places in the package's own lists (``resources.cpp`` of openai/procgen 0.10.7). The names were given
after looking at every picture inside the games.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backdrops:
    """The backdrops of a game in families.

    Attributes:
        names: two wordings of each family.
        family_of: place in ``names`` of each backdrop's number.
        black: place in ``names`` of a game that is played without backdrops, which draws black.
    """

    names: tuple[tuple[str, str], ...]
    family_of: dict[int, int]
    black: int

    def family(self, number: int | None) -> int:
        """Place in ``names`` of a backdrop; None is no backdrop."""
        return self.black if number is None else self.family_of[number]


def _backdrops(*families: tuple[str, str, tuple[int, ...]], black: int) -> Backdrops:
    """From two wordings of each family and the numbers that belong to it."""
    numbers = {number: place for place, (_, _, own) in enumerate(families) for number in own}
    return Backdrops(tuple((name, other) for name, other, _ in families), numbers, black)


_BLACK: tuple[str, str, tuple[int, ...]] = ("plain black", "a black void", ())

# Games that show the lowest part of a picture only, much enlarged: named after that part.
PLATFORM = _backdrops(
    ("starry space", "a sky full of stars", (49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 60)),
    ("dark shadows", "deep darkness", (2, 3, 4, 5, 8, 33, 40, 61)),
    ("a dark blue backdrop", "deep blue scenery", (0, 6, 13)),
    ("a blue-green backdrop", "turquoise scenery", (1, 47, 48)),
    ("a light blue sky", "clear blue air", (14, 15, 16, 17, 46)),
    ("a snowy landscape", "a winter scene", (11, 12, 27, 43)),
    ("a beach", "a sandy seashore", (23, 37, 38, 39)),
    ("a desert", "dry desert land", (18, 28, 29, 36)),
    ("autumn colours", "orange autumn leaves", (9, 24, 31, 32, 42)),
    ("green hills", "green meadows", (10, 19, 20, 25, 41, 44)),
    ("a forest", "woodland", (22, 26, 35)),
    ("brown earth", "brown soil", (7, 21, 30, 34, 59)),
    ("pink candy", "pink sweets", (45,)),
    black=1,
)
# The same pictures in games that show another part of them from place to place: only what is true of all of it.
SCENERY = _backdrops(
    ("dark shadows", "deep darkness", (0, 3, 4, 6, 8, 13, 61)),
    ("open space", "the stars of space", tuple(range(49, 61))),
    ("a painted landscape", "painted scenery", (1, 2, 5, 7, *range(9, 13), *range(14, 49))),
    black=0,
)
# Games of which most of a picture shows.
SPACE = _backdrops(
    ("dark empty space", "black space", (1, 3, 4, 5, 7)),
    ("a starry sky", "countless stars", (6,)),
    ("bright nebulas", "colourful star clouds", (0, 2, 8, 9, 10, 11)),
    ("red planets", "dark red planets", (12,)),
    black=0,
)
WATER = _backdrops(
    ("blue waves", "rolling blue water", (0, 1, 2, 3)),
    ("a sea bed with weeds", "seaweed and sand", (4,)),
    ("sun rays in the deep sea", "deep blue water lit from above", (5,)),
    ("a sunken ship", "the wreck of a ship", (6,)),
    _BLACK,
    black=4,
)
WAVES = _backdrops(("blue waves", "rolling blue water", (0, 1, 2, 3)), _BLACK, black=1)
FLOOR = _backdrops(
    ("dark grey stone", "grey rock", (0, 2)),
    ("green grass", "a green lawn", (1,)),
    ("yellow sand", "pale sand", (3, 8)),
    ("blue water", "a blue surface", (4,)),
    ("brown earth", "brown soil", (5, 6, 7)),
    _BLACK,
    black=5,
)
