"""Colours and words of the racing world."""

from __future__ import annotations

COLOURS: dict[str, tuple[int, int, int]] = {
    "grey": (118, 118, 122),
    "white": (226, 226, 222),
    "black": (40, 40, 46),
    "red": (196, 58, 52),
    "orange": (230, 138, 50),
    "yellow": (226, 204, 74),
    "green": (86, 178, 80),
    "cyan": (80, 196, 200),
    "blue": (62, 96, 196),
    "purple": (142, 78, 186),
    "pink": (232, 138, 182),
    "brown": (132, 92, 62),
}
# How far each channel may wander from the named colour.
JITTER = 10
NEEDED_CONTRAST = 120


def colour_pairs() -> list[tuple[str, str]]:
    """Every pair of road and grass that is easy to tell apart, in a fixed order."""
    return [
        (road, grass)
        for road in COLOURS
        for grass in COLOURS
        if sum(abs(a - b) for a, b in zip(COLOURS[road], COLOURS[grass], strict=True)) >= NEEDED_CONTRAST
    ]


def one(colour: str) -> str:
    """The colour behind its article."""
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour}"


def racing_captions() -> list[str]:
    """Two captions for each pair: on the road (even ids) and off it (odd ids)."""
    captions = []
    for road, grass in colour_pairs():
        captions.append(f"a racing car on {one(road)} road through {grass} grass")
        captions.append(f"a racing car off the {road} road on {grass} grass")
    return captions


def racing_paraphrases() -> list[list[str]]:
    """Three other wordings of each caption."""
    rows = []
    for road, grass in colour_pairs():
        rows.append(
            [
                f"driving along {one(road)} track with {grass} grass around it",
                f"a race on {road} tarmac between {grass} lawns",
                f"{grass} grass on both sides of {one(road)} racing track",
            ]
        )
        rows.append(
            [
                f"the car left the {road} track and drives on {grass} grass",
                f"a race car skidding over {grass} grass beside {one(road)} road",
                f"off the {road} racing track, on the {grass} grass",
            ]
        )
    return rows
