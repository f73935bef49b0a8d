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
    """Twenty-four other wordings of each caption.

    Which colour is the road's has to be learned from them, so either comes first, and the words around the colours
    change from pair to pair: with the same ones everywhere, new words would not be understood.
    """
    rows = []
    for pair, (road, grass) in enumerate(colour_pairs()):
        for off, wordings in enumerate((_ON, _OFF)):
            row = []
            for index, wording in enumerate(wordings):
                way, land = _WAYS[(3 * index + pair) % len(_WAYS)], _LANDS[(index + 5 * pair + off) % len(_LANDS)]
                row.append(wording.format(road=f"{road} {way}", a_road=f"{one(road)} {way}", grass=f"{grass} {land}"))
            rows.append(row)
    return rows


_WAYS = ("road", "track", "tarmac", "racing track", "lane", "path", "asphalt", "circuit", "highway", "way")
_LANDS = ("grass", "lawns", "meadows", "land", "ground", "turf", "grassland")
_ON = (
    "driving along {a_road} with {grass} around it",
    "a race on {a_road} between {grass}",
    "{grass} on both sides of {a_road}",
    "a driver keeps to {a_road} with {grass} beside it",
    "{a_road} across {grass}",
    "{grass} with {a_road} in the middle",
    "a fast car on {a_road}, {grass} all around",
    "someone races over the {road} past {grass}",
    "a car drives on {a_road} with {grass} at its sides",
    "{grass}, {a_road} through it",
    "a car follows the {road} through {grass}",
    "{grass} surrounds a race car on {a_road}",
    "behind the wheel on {a_road} in the middle of {grass}",
    "the {road} winds across {grass} and the car is on it",
    "a sports car speeding down {a_road}, {grass} to both sides",
    "racing on {a_road} with {grass} next to it",
    "the wheels are on the {road}, outside there is {grass}",
    "a car on {a_road} that crosses {grass}",
    "{a_road} with a car on it, surrounded by {grass}",
    "{grass} everywhere but for the {road} under the car",
    "stay on the {road} and not on the {grass}",
    "motor race, {road}, {grass}",
    "a motorist on {a_road} bordered by {grass}",
    "over the {road} between {grass} goes the car",
)
_OFF = (
    "the car left the {road} and drives on {grass}",
    "a race car skidding over {grass} beside {a_road}",
    "off the {road}, on the {grass}",
    "a car that came off the {road} onto {grass}",
    "lost on {grass}, away from the {road}",
    "not on the {road} but in {grass}",
    "{grass} under the wheels, the {road} is behind",
    "the car went off the {road} into {grass}",
    "a driver who missed the {road}, with {grass} around",
    "out on {grass}, far from the {road}",
    "the car drifts from the {road} onto {grass}",
    "someone flew off {a_road} and landed on {grass}",
    "a car that has slipped off {a_road} and stands on {grass}",
    "the wheels are on {grass} and no longer on the {road}",
    "a sports car speeding over {grass}, away from {a_road}",
    "off course, on {grass} outside of the {road}",
    "the car is on {grass}, next to the {road}",
    "a car crossing {grass} because it missed {a_road}",
    "{grass} under a car that strayed from the {road}",
    "leaving the {road} for the {grass}",
    "stuck on the {grass} and not on the {road}",
    "off track, {grass}, not the {road}",
    "a motorist who swerved from {a_road} to {grass}",
    "away over the {grass} goes the car that was on the {road}",
)
