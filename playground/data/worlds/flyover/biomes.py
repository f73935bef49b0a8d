"""The landscapes of flyover: shape, colours and words of each biome.

A biome is data only; ``terrain`` turns it into maps. Colours are display RGB. Heights are in map texels, of which a
world has 512 by 512; fractions such as ``snow_line`` count from the water (or lowest ground) to ``relief``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOUNTAINS, DUNES, ISLANDS, CANYON, HILLS, KARST, SPIRES, VOLCANO = range(8)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Biome:
    """One kind of landscape.

    Attributes:
        name: short name.
        places: what a person might call it; the first one goes into the caption, the others into paraphrases.
        shape: which height function of ``terrain``.
        relief: height of the tallest peaks.
        water: height of the water (or lava) level.
        shallow: colour of shallow water.
        deep: colour of deep water.
        ramp: colours of flat ground by height, ``(fraction, colour)`` in rising order.
        rock: colour of cliffs.
        cliff: slopes between which ground turns into rock.
        trees: colours of tree crowns.
        forest: share of the ground below ``tree_line`` that is wooded.
        tree_height: height of a tall tree.
        tree_line: fraction above which no tree grows.
        snow_line: fraction above which snow lies; above 1 for none.
        strata: strength of the horizontal bands in the rock.
        glow: how strongly ``water`` shines by itself.
        tree_glow: how strongly some of the tree crowns shine.
        sky: tint of the sky.
        tint: strength of that tint.
    """

    name: str
    places: tuple[str, ...]
    shape: int
    relief: float
    water: float
    shallow: Colour
    deep: Colour
    ramp: tuple[tuple[float, Colour], ...]
    rock: Colour
    cliff: tuple[float, float] = (0.7, 1.2)
    trees: tuple[Colour, ...] = ((40, 75, 40),)
    forest: float = 0.0
    tree_height: float = 2.6
    tree_line: float = 0.6
    snow_line: float = 2.0
    strata: float = 0.0
    glow: float = 0.0
    tree_glow: float = 0.0
    sky: Colour = (128, 128, 128)
    tint: float = 0.0

    def ramp_table(self) -> np.ndarray:
        """The ramp as float32 (256, 3), 0..1."""
        at = [stop for stop, _ in self.ramp]
        grid = np.linspace(0, 1, 256)
        channels = [np.interp(grid, at, [colour[c] for _, colour in self.ramp]) for c in range(3)]
        return (np.stack(channels, 1) / 255).astype(np.float32)

    def strata_table(self) -> np.ndarray:
        """Change of brightness of layered rock for each half texel of height; empty when there are no layers."""
        if not self.strata:
            return np.zeros(0, np.float32)
        height = np.arange(2 * int(self.relief) + 40) / 2
        layers = np.sin(1.5 * height) + 0.6 * np.sin(0.53 * height + 1) + 0.4 * np.sin(3.1 * height)
        return (self.strata * layers / 2).astype(np.float32)


BIOMES = (
    Biome(
        "alpine",
        ("alpine mountains", "snow-capped mountains and lakes", "rocky alpine peaks"),
        MOUNTAINS,
        relief=118,
        water=13,
        shallow=(74, 150, 170),
        deep=(24, 70, 120),
        ramp=(
            (0, (150, 160, 96)),
            (0.06, (92, 138, 62)),
            (0.3, (84, 120, 58)),
            (0.5, (128, 124, 96)),
            (1, (150, 148, 144)),
        ),
        rock=(122, 116, 110),
        trees=((38, 78, 46), (52, 92, 50), (30, 64, 44)),
        forest=0.55,
        tree_line=0.42,
        snow_line=0.5,
    ),
    Biome(
        "desert",
        ("golden desert dunes", "a sandy desert", "sand dunes"),
        DUNES,
        relief=62,
        water=5,
        shallow=(70, 160, 150),
        deep=(28, 110, 120),
        ramp=((0, (120, 150, 70)), (0.05, (226, 186, 112)), (0.4, (240, 200, 126)), (1, (250, 214, 150))),
        rock=(176, 106, 66),
        cliff=(0.85, 1.3),
        trees=((70, 116, 56), (92, 132, 60)),
        forest=0.0,
        tree_line=0.1,
        sky=(236, 196, 140),
        tint=0.16,
    ),
    Biome(
        "lava",
        ("black lava fields", "a volcanic land with rivers of lava", "glowing lava fields"),
        VOLCANO,
        relief=96,
        water=19,
        shallow=(255, 196, 60),
        deep=(236, 66, 14),
        ramp=(
            (0, (170, 50, 24)),
            (0.05, (82, 50, 46)),
            (0.35, (88, 74, 72)),
            (0.7, (116, 98, 92)),
            (1, (146, 124, 114)),
        ),
        rock=(72, 62, 62),
        glow=1.0,
        sky=(206, 92, 60),
        tint=0.34,
    ),
    Biome(
        "islands",
        ("tropical islands", "green islands in a turquoise sea", "an island archipelago"),
        ISLANDS,
        relief=66,
        water=16,
        shallow=(84, 214, 206),
        deep=(14, 84, 150),
        ramp=(
            (0, (246, 226, 170)),
            (0.07, (236, 214, 150)),
            (0.11, (120, 172, 72)),
            (0.5, (78, 146, 62)),
            (1, (120, 138, 88)),
        ),
        rock=(128, 112, 92),
        cliff=(0.9, 1.5),
        trees=((44, 116, 50), (66, 140, 52), (34, 98, 56)),
        forest=0.6,
        tree_line=0.75,
    ),
    Biome(
        "arctic",
        ("arctic ice fields", "a frozen white land", "snowfields and blue ice"),
        MOUNTAINS,
        relief=74,
        water=16,
        shallow=(150, 208, 226),
        deep=(36, 92, 140),
        ramp=((0, (196, 226, 240)), (0.1, (232, 242, 250)), (1, (250, 252, 255))),
        rock=(126, 168, 200),
        cliff=(0.75, 1.4),
        snow_line=0.12,
        sky=(190, 214, 236),
        tint=0.14,
    ),
    Biome(
        "canyon",
        ("red rock canyons", "a deep red canyon with a river", "red mesas and canyons"),
        CANYON,
        relief=92,
        water=8,
        shallow=(92, 168, 140),
        deep=(40, 104, 112),
        ramp=(
            (0, (140, 150, 80)),
            (0.08, (206, 140, 92)),
            (0.5, (214, 128, 80)),
            (0.8, (222, 158, 104)),
            (1, (196, 170, 110)),
        ),
        rock=(190, 92, 56),
        cliff=(0.6, 1.1),
        trees=((84, 112, 60), (104, 124, 64)),
        forest=0.12,
        tree_line=1.0,
        strata=0.34,
        sky=(236, 190, 150),
        tint=0.1,
    ),
    Biome(
        "jungle",
        ("a green jungle", "dense rainforest with a river", "jungle hills"),
        KARST,
        relief=84,
        water=11,
        shallow=(104, 142, 84),
        deep=(46, 92, 74),
        ramp=((0, (150, 140, 84)), (0.05, (74, 128, 44)), (0.6, (64, 118, 46)), (1, (96, 138, 58))),
        rock=(126, 128, 108),
        cliff=(1.5, 2.6),
        trees=((34, 96, 34), (58, 124, 38), (28, 80, 40), (92, 146, 48)),
        forest=0.95,
        tree_line=1.2,
        sky=(190, 220, 190),
        tint=0.1,
    ),
    Biome(
        "alien",
        ("a purple alien planet", "a strange alien world", "glowing alien plants and purple rock"),
        SPIRES,
        relief=98,
        water=12,
        shallow=(70, 250, 214),
        deep=(24, 120, 170),
        ramp=(
            (0, (40, 150, 140)),
            (0.08, (122, 70, 156)),
            (0.45, (150, 76, 170)),
            (0.75, (214, 110, 176)),
            (1, (250, 190, 214)),
        ),
        rock=(84, 50, 120),
        trees=((40, 220, 196), (250, 120, 210), (120, 90, 230)),
        forest=0.3,
        tree_line=0.6,
        glow=0.35,
        tree_glow=0.6,
        sky=(176, 110, 214),
        tint=0.45,
    ),
    Biome(
        "autumn",
        ("autumn forest hills", "red and yellow autumn woods", "hills of colourful fall trees"),
        HILLS,
        relief=70,
        water=13,
        shallow=(86, 132, 140),
        deep=(30, 72, 104),
        ramp=((0, (170, 154, 96)), (0.06, (158, 150, 70)), (0.6, (146, 128, 62)), (1, (150, 136, 104))),
        rock=(128, 116, 104),
        cliff=(1.0, 1.6),
        trees=((214, 96, 34), (236, 164, 46), (184, 56, 34), (120, 122, 48)),
        forest=0.75,
        tree_line=1.0,
    ),
    Biome(
        "meadow",
        ("green meadows full of flowers", "flower meadows on green hills", "grassy hills in bloom"),
        HILLS,
        relief=52,
        water=12,
        shallow=(96, 170, 190),
        deep=(36, 100, 150),
        ramp=((0, (190, 190, 120)), (0.06, (124, 184, 68)), (0.6, (106, 168, 62)), (1, (150, 190, 90))),
        rock=(150, 142, 124),
        cliff=(1.0, 1.7),
        trees=((232, 112, 160), (250, 214, 74), (170, 110, 214), (250, 250, 240)),
        forest=0.5,
        tree_height=0.5,
        tree_line=1.0,
    ),
)
