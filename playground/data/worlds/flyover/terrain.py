"""Height, colour, water and glow maps of one flyover world, from a seed.

Compiled with Numba, so this module is imported only when frames are drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from playground.data.worlds.flyover.biomes import (
    BIOMES,
    CANYON,
    DUNES,
    HILLS,
    ISLANDS,
    KARST,
    MOUNTAINS,
    SPIRES,
    Biome,
)
from playground.data.worlds.flyover.compiler import kernel, pixel_kernel
from playground.data.worlds.flyover.noise import crowns, eroded, fractal, fractal_map, noise_table, ridges, smoothstep

MAP = 512
# The shape is computed on a coarser grid and interpolated; colours and trees are as fine as the map.
COARSE = 2
CROWN_CELLS = 128


@dataclass(frozen=True)
class Terrain:
    """Maps of one world; everything repeats after ``MAP`` texels in both directions.

    Attributes:
        height: float32 (MAP, MAP), ground or water surface.
        albedo: uint8 (MAP, MAP, 3), colour in even white light.
        water: uint8 (MAP, MAP), 255 where the surface mirrors the sky.
        glow: uint8 (MAP, MAP), how much of the colour shines by itself.
    """

    height: np.ndarray
    albedo: np.ndarray
    water: np.ndarray
    glow: np.ndarray


def build_terrain(biome_index: int, seed: int) -> Terrain:
    """Make the world of a biome and a seed."""
    biome = BIOMES[biome_index]
    table = noise_table(np.random.default_rng([seed, biome_index, 11]))
    coarse = np.empty((MAP // COARSE, MAP // COARSE), np.float32)
    _fill_heights(biome.shape, biome.relief, table, coarse)
    ground = _enlarge(coarse)
    height = ground.copy()
    albedo = np.empty((MAP, MAP, 3), np.uint8)
    water, glow = np.zeros((MAP, MAP), np.uint8), np.zeros((MAP, MAP), np.uint8)
    colours = np.array([biome.rock, biome.shallow, biome.deep, *biome.trees], np.float32) / 255
    patches = _enlarge(fractal_map(MAP // COARSE, 12, 4, 50, table))
    woods = _enlarge(fractal_map(MAP // COARSE, 7, 3, 60, table))
    numbers, colour = _numbers(biome), np.empty(3, np.float32)
    _fill_surface(
        ground, patches, woods, table, biome.ramp_table(), colours, numbers, colour, height, albedo, water, glow
    )
    return Terrain(height, albedo, water, glow)


def _numbers(biome: Biome) -> np.ndarray:
    return np.array(
        [biome.relief, biome.water, *biome.cliff, biome.forest, biome.tree_line, biome.snow_line, biome.strata]
        + [biome.glow, biome.tree_glow, biome.tree_height],
        np.float32,
    )


@pixel_kernel
def _fill_heights(shape: int, relief: float, table: np.ndarray, height: np.ndarray) -> None:
    size = height.shape[0]
    for row in range(size):
        for column in range(size):
            u, v = column / size, row / size
            # Bent coordinates hide the square lattice of the noise.
            bent_u = u + 0.030 * fractal(u, v, 4, 2, 40, table)
            bent_v = v + 0.030 * fractal(u, v, 4, 2, 44, table)
            height[row, column] = relief * max(_shape(shape, bent_u, bent_v, table), 0.0)


@kernel
def _enlarge(coarse: np.ndarray) -> np.ndarray:
    """Double a repeating map with Catmull-Rom weights, which keep the given points and round the ones between."""
    size = coarse.shape[0]
    wide = np.empty((size, 2 * size), np.float32)
    for row in range(size):
        for i in range(size):
            a, b = coarse[row, i - 1], coarse[row, i]
            c, d = coarse[row, (i + 1) & (size - 1)], coarse[row, (i + 2) & (size - 1)]
            wide[row, 2 * i], wide[row, 2 * i + 1] = b, 0.5625 * (b + c) - 0.0625 * (a + d)
    out = np.empty((2 * size, 2 * size), np.float32)
    for row in range(size):
        down, below = (row + 1) & (size - 1), (row + 2) & (size - 1)
        for i in range(2 * size):
            out[2 * row, i] = wide[row, i]
            edge = 0.0625 * (wide[row - 1, i] + wide[below, i])
            out[2 * row + 1, i] = 0.5625 * (wide[row, i] + wide[down, i]) - edge
    return out


@pixel_kernel
def _shape(shape: int, u: float, v: float, table: np.ndarray) -> float:
    if shape == MOUNTAINS:
        return _mountains(u, v, table)
    if shape == DUNES:
        return _dunes(u, v, table)
    if shape == ISLANDS:
        return _islands(u, v, table)
    if shape == CANYON:
        return _canyon(u, v, table)
    if shape in (HILLS, KARST):
        return _hills(shape == KARST, u, v, table)
    if shape == SPIRES:
        return _spires(u, v, table)
    return _volcano(u, v, table)


@pixel_kernel
def _mountains(u: float, v: float, table: np.ndarray) -> float:
    massif = smoothstep(-0.45, 0.5, fractal(u, v, 3, 2, 1, table))
    crest = ridges(u, v, 4, 7, 5, table)
    return 0.13 + 0.14 * eroded(u, v, 6, 7, 15, table) + 0.16 * crest * crest + 0.72 * massif * crest


@pixel_kernel
def _dunes(u: float, v: float, table: np.ndarray) -> float:
    base = fractal(u, v, 3, 3, 1, table)
    # Long windward side, short steep lee side.
    phase = 13 * u + 5 * v + 1.5 * fractal(u, v, 3, 3, 5, table)
    t = phase - math.floor(phase)
    dune = smoothstep(0.0, 1.0, t / 0.74) if t < 0.74 else 1 - smoothstep(0.0, 1.0, (t - 0.74) / 0.26)
    tall = smoothstep(-0.5, 0.5, fractal(u, v, 5, 2, 9, table))
    rocks = smoothstep(0.2, 0.5, fractal(u, v, 4, 2, 21, table)) * ridges(u, v, 9, 5, 25, table)
    return 0.22 + 0.2 * base + dune * (0.06 + 0.16 * tall) + 0.55 * rocks


@pixel_kernel
def _islands(u: float, v: float, table: np.ndarray) -> float:
    land = fractal(u, v, 4, 6, 1, table) + 0.5 * fractal(u, v, 9, 3, 11, table) - 0.12
    inland = smoothstep(0.02, 0.7, land)
    shore = 0.24 + (0.16 * land if land > 0 else 0.34 * land)
    return shore + inland * (0.34 + 0.55 * ridges(u, v, 7, 6, 21, table) * inland)


@pixel_kernel
def _canyon(u: float, v: float, table: np.ndarray) -> float:
    gorge = abs(fractal(u, v, 3, 4, 1, table))
    side = smoothstep(0.03, 0.42, gorge)
    mesa = smoothstep(0.05, 0.13, fractal(u, v, 5, 3, 11, table))
    level = 5.0 * (0.72 * side + 0.22 * mesa * side) + 0.35 * fractal(u, v, 9, 4, 21, table) * side
    step = math.floor(level)
    terrace = (step + smoothstep(0.55, 0.95, level - step)) / 5
    return 0.05 + 0.9 * terrace + 0.05 * level / 5 + 0.02 * fractal(u, v, 24, 3, 31, table)


@pixel_kernel
def _hills(karst: bool, u: float, v: float, table: np.ndarray) -> float:
    rolling = 0.42 + 0.42 * eroded(u, v, 5, 6, 1, table)
    river = abs(fractal(u, v, 2, 4, 21, table))
    valley = smoothstep(0.0, 0.22, river)
    if karst:
        dome, _ = crowns(u, v, 18, table)
        rolling = 0.26 + 0.2 * (rolling - 0.42) + 0.62 * math.sqrt(max(dome, 0.0)) * smoothstep(0.1, 0.4, river)
    return 0.06 + (rolling - 0.06) * valley + 0.04 * valley * ridges(u, v, 12, 4, 31, table)


@pixel_kernel
def _spires(u: float, v: float, table: np.ndarray) -> float:
    base = 0.2 + 0.26 * eroded(u, v, 4, 6, 1, table)
    dome, kind = crowns(u, v, 12, table)
    spire = smoothstep(0.45, 0.95, dome) * smoothstep(0.25, 0.6, kind)
    return base + spire * (0.28 + 0.5 * kind) + 0.12 * ridges(u, v, 6, 5, 21, table)


@pixel_kernel
def _volcano(u: float, v: float, table: np.ndarray) -> float:
    crest = ridges(u, v, 5, 7, 1, table)
    flow = abs(fractal(u, v, 3, 4, 11, table))
    dome, kind = crowns(u, v, 4, table)
    # A cone with a crater: rises to 0.7 and falls inside.
    cone = 0.8 * smoothstep(0.3, 0.85, dome) - 0.5 * smoothstep(0.82, 0.98, dome)
    cone *= smoothstep(0.3, 0.5, kind)
    return 0.04 + 0.34 * smoothstep(0.02, 0.5, flow) + 0.24 * crest * smoothstep(0.03, 0.3, flow) + 0.55 * cone


@pixel_kernel
def _fill_surface(
    ground: np.ndarray,
    patches: np.ndarray,
    woods: np.ndarray,
    table: np.ndarray,
    ramp: np.ndarray,
    colours: np.ndarray,
    numbers: np.ndarray,
    colour: np.ndarray,
    height: np.ndarray,
    albedo: np.ndarray,
    water: np.ndarray,
    glow: np.ndarray,
) -> None:
    size = ground.shape[0]
    for row in range(size):
        for column in range(size):
            if ground[row, column] <= numbers[1]:
                shine = _paint_water(row, column, ground, table, colours, numbers, colour)
                height[row, column] = numbers[1]
                water[row, column] = int(255 * (1 - shine))
            else:
                rise, shine = _paint_ground(row, column, ground, patches, woods, table, ramp, colours, numbers, colour)
                height[row, column] = ground[row, column] + rise
            glow[row, column] = int(255 * shine)
            for c in range(3):
                albedo[row, column, c] = int(255 * min(max(colour[c], 0.0), 1.0))


@pixel_kernel
def _paint_water(
    row: int,
    column: int,
    ground: np.ndarray,
    table: np.ndarray,
    colours: np.ndarray,
    numbers: np.ndarray,
    colour: np.ndarray,
) -> float:
    """Colour by depth; returns how much it shines (lava also cools to a dark crust away from the hot middle)."""
    size = ground.shape[0]
    u, v = column / size, row / size
    depth = (numbers[1] - ground[row, column]) / 14
    mix = 1 - math.exp(-3 * depth)
    for c in range(3):
        colour[c] = colours[1, c] * (1 - mix) + colours[2, c] * mix
    if numbers[8] < 0.9:
        return numbers[8]
    crust = smoothstep(0.22, 0.5, ridges(u, v, 20, 4, 3, table))
    for c in range(3):
        hot = colours[2, c] * (1 - crust) + colours[1, c] * crust
        colour[c] = hot * (0.55 + 0.45 * crust)
    return 1.0


@pixel_kernel
def _paint_ground(
    row: int,
    column: int,
    ground: np.ndarray,
    patches: np.ndarray,
    woods: np.ndarray,
    table: np.ndarray,
    ramp: np.ndarray,
    colours: np.ndarray,
    numbers: np.ndarray,
    colour: np.ndarray,
) -> tuple[float, float]:
    """Colour of land; returns how far tree crowns rise above it and how much it shines."""
    size = ground.shape[0]
    u, v = column / size, row / size
    here = ground[row, column]
    dx = ground[row, (column + 1) & (size - 1)] - ground[row, column - 1]
    dy = ground[(row + 1) & (size - 1), column] - ground[row - 1, column]
    slope = 0.5 * math.sqrt(dx * dx + dy * dy)
    patch = patches[row, column]
    fraction = (here - numbers[1]) / (numbers[0] - numbers[1])
    entry = int(255 * min(max(fraction + 0.06 * patch * min(12 * fraction, 1.0), 0.0), 1.0))
    rock = smoothstep(numbers[2], numbers[3], slope + 0.25 * patch)
    bands = 1 + numbers[7] * math.sin(here * 1.05 + 2.5 * patch) * (0.35 + 0.65 * rock)
    snow = smoothstep(numbers[6] - 0.04, numbers[6] + 0.05, fraction + 0.12 * patch)
    snow *= 1 - smoothstep(numbers[3], numbers[3] + 0.9, slope)
    shade = 1 + 0.14 * patch
    for c in range(3):
        land = ramp[entry, c] * (1 - rock) + colours[0, c] * rock
        colour[c] = land * shade * bands * (1 - snow) + snow * (0.95 + 0.02 * c)
    rise, shine = 0.0, 0.0
    wooded = smoothstep(-0.04, 0.05, numbers[4] - 0.5 + 0.9 * woods[row, column])
    wooded *= (1 - rock) * (1 - snow) * smoothstep(0.02, 0.05, fraction)
    wooded *= 1 - smoothstep(numbers[5] - 0.05, numbers[5] + 0.05, fraction + 0.1 * patch)
    if wooded > 0.05 and numbers[4] > 0:
        dome, kind = crowns(u, v, CROWN_CELLS, table)
        cover = wooded * smoothstep(0.0, 0.3, dome)
        tree = 3 + min(int(kind * (colours.shape[0] - 3)), colours.shape[0] - 4)
        for c in range(3):
            colour[c] += cover * (colours[tree, c] * (0.8 + 0.3 * dome) - colour[c])
        rise = numbers[10] * dome * wooded
        shine = numbers[9] * cover * dome
    return rise, shine
