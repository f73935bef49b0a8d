"""Bakes light into the maps of a flyover world: slope shading, cast shadows, ambient occlusion, fallen snow, glow.

Compiled with Numba, so this module is imported only when frames are drawn.
"""

from __future__ import annotations

import math

import numpy as np

from playground.data.worlds.flyover.atmosphere import (
    AMBIENT,
    DAY_SUN,
    DUSK_SUN,
    GLOW_GAIN,
    LIGHT,
    LIGHT_DAY,
    MOON_LIGHT,
    SNOW_COVER,
    WETNESS,
)
from playground.data.worlds.flyover.compiler import kernel, pixel_kernel
from playground.data.worlds.flyover.noise import smoothstep
from playground.data.worlds.flyover.terrain import Terrain

LEVELS = 3
SOFT_SHADOW = 3.0


def height_levels(height: np.ndarray) -> np.ndarray:
    """The height map and coarser ones, each half as wide, so that far ground does not flicker; flattened, in a row."""
    levels = [height]
    for _ in range(LEVELS - 1):
        levels.append(_halve_heights(levels[-1]))
    return np.concatenate([level.ravel() for level in levels])


def colour_levels(lit: np.ndarray) -> np.ndarray:
    """The lit map and coarser ones, each half as wide; flattened, in a row."""
    levels = [lit]
    for _ in range(LEVELS - 1):
        levels.append(_halve_colours(levels[-1]))
    return np.concatenate([level.ravel() for level in levels])


def light_maps(height: np.ndarray, sun_azimuth: float) -> np.ndarray:
    """Direct light on every texel as uint8 (4, N, N): high sun, low sun, moon, and open sky (ambient occlusion)."""
    size = len(height)
    maps = np.empty((4, size, size), np.uint8)
    for index, (turn, tangent) in enumerate((DAY_SUN, DUSK_SUN, MOON_LIGHT)):
        _fill_direct(height, sun_azimuth + turn, tangent, maps[index])
    _fill_openness(height, maps[3])
    return maps


def bake(terrain: Terrain, maps: np.ndarray, air: np.ndarray) -> np.ndarray:
    """Lit colours under the light of ``air``: uint32 levels, flattened, one after the other.

    A texel holds red, green, blue and water as four bytes, lowest first: so two channels of four weighted texels are
    added with one multiplication each.
    """
    lit = np.empty(terrain.height.shape, np.uint32)
    _fill_lit(terrain.height, terrain.albedo, terrain.water, terrain.glow, maps, air, lit)
    return colour_levels(lit)


@kernel
def _halve_heights(height: np.ndarray) -> np.ndarray:
    half = height.shape[0] // 2
    out = np.empty((half, half), np.float32)
    for row in range(half):
        for column in range(half):
            a, b = height[2 * row, 2 * column], height[2 * row, 2 * column + 1]
            c, d = height[2 * row + 1, 2 * column], height[2 * row + 1, 2 * column + 1]
            out[row, column] = 0.25 * (a + b + c + d)
    return out


@kernel
def _halve_colours(lit: np.ndarray) -> np.ndarray:
    half = lit.shape[0] // 2
    pair = np.uint32(0x00FF00FF)
    out = np.empty((half, half), np.uint32)
    for row in range(half):
        for column in range(half):
            a, b = lit[2 * row, 2 * column], lit[2 * row, 2 * column + 1]
            c, d = lit[2 * row + 1, 2 * column], lit[2 * row + 1, 2 * column + 1]
            even = (a & pair) + (b & pair) + (c & pair) + (d & pair)
            odd = ((a >> 8) & pair) + ((b >> 8) & pair) + ((c >> 8) & pair) + ((d >> 8) & pair)
            out[row, column] = np.uint32(((even >> 2) & pair) | (((odd >> 2) & pair) << 8))
    return out


@kernel
def _fill_direct(height: np.ndarray, azimuth: float, tangent: float, out: np.ndarray) -> None:
    """Light from one direction: cosine of the angle to the ground times a soft cast shadow.

    The shadow's upper edge is carried from line to line away from the light; a quarter round more
    settles the wrapped border.
    """
    size = height.shape[0]
    toward_x, toward_y = math.cos(azimuth), math.sin(azimuth)
    length = math.sqrt(1 + tangent * tangent)
    along_x = abs(toward_x) >= abs(toward_y)
    major = toward_x if along_x else toward_y
    shift = (toward_y if along_x else toward_x) / abs(major)
    drop = tangent / abs(major)
    step = 1 if major > 0 else -1
    line, shadow, fresh = 0, np.zeros(size), np.zeros(size)
    whole = math.floor(shift)
    part = shift - whole
    for _ in range(size + size // 4):
        line = (line - step) & (size - 1)
        for i in range(size):
            a, b = shadow[(i + int(whole)) & (size - 1)], shadow[(i + int(whole) + 1) & (size - 1)]
            row, column = (i, line) if along_x else (line, i)
            here = height[row, column]
            edge = a * (1 - part) + b * part - drop
            dx = 0.5 * (height[row, (column + 1) & (size - 1)] - height[row, column - 1])
            dy = 0.5 * (height[(row + 1) & (size - 1), column] - height[row - 1, column])
            facing = (tangent - dx * toward_x - dy * toward_y) / (length * math.sqrt(1 + dx * dx + dy * dy))
            open_share = 1 - smoothstep(0.0, SOFT_SHADOW, edge - here)
            out[row, column] = int(255 * max(facing, 0.0) * open_share)
            fresh[i] = max(edge, here)
        shadow, fresh = fresh, shadow


@kernel
def _fill_openness(height: np.ndarray, out: np.ndarray) -> None:
    """Ambient occlusion: ground lower than its surroundings gets less light from the sky."""
    size, quarter = height.shape[0], height.shape[0] // 4
    coarse = np.zeros((quarter, quarter))
    for row in range(size):
        for column in range(size):
            coarse[row // 4, column // 4] += height[row, column] / 16
    blurred = np.empty_like(coarse)
    for row in range(quarter):
        for column in range(quarter):
            total = 0.0
            for k in range(25):
                total += coarse[(row + k // 5 - 2) & (quarter - 1), (column + k % 5 - 2) & (quarter - 1)]
            blurred[row, column] = total / 25
    for row in range(size):
        for column in range(size):
            y, x = (row - 1.5) / 4, (column - 1.5) / 4
            j, i = math.floor(y), math.floor(x)
            fy, fx = y - j, x - i
            j0, i0 = int(j) & (quarter - 1), int(i) & (quarter - 1)
            j1, i1 = (j0 + 1) & (quarter - 1), (i0 + 1) & (quarter - 1)
            low = blurred[j0, i0] * (1 - fx) + blurred[j0, i1] * fx
            high = blurred[j1, i0] * (1 - fx) + blurred[j1, i1] * fx
            above = height[row, column] - (low * (1 - fy) + high * fy)
            out[row, column] = int(255 * min(max(0.78 + 0.055 * above, 0.35), 1.0))


@pixel_kernel
def _fill_lit(
    height: np.ndarray,
    albedo: np.ndarray,
    water: np.ndarray,
    glow: np.ndarray,
    maps: np.ndarray,
    air: np.ndarray,
    lit: np.ndarray,
) -> None:
    """Light adds up in linear light (display value squared), then a soft shoulder keeps bright slopes from clipping."""
    size = height.shape[0]
    inverse = np.float32(1 / 255)
    for row in range(size):
        for column in range(size):
            dx = height[row, (column + 1) & (size - 1)] - height[row, column - 1]
            dy = height[(row + 1) & (size - 1), column] - height[row - 1, column]
            flat = 1 / (1 + 0.6 * (dx * dx + dy * dy))
            open_sky = maps[3, row, column] * inverse
            direct = 0.0
            for k in range(3):
                direct += air[LIGHT_DAY + k] * maps[k, row, column] * inverse
            wet = water[row, column] * inverse
            # At 255 the whole colour shines; snow neither lies on water nor on what glows.
            shine = glow[row, column] * inverse
            snow = (
                air[SNOW_COVER] * smoothstep(0.12, 0.55, flat + 0.15 * open_sky) * (1 - wet) * (1 - min(2 * shine, 1.0))
            )
            dark = 1 - air[WETNESS] * (1 - wet) * (1 - shine)
            packed = np.uint32(water[row, column])
            for back in range(3):
                c = 2 - back
                base = albedo[row, column, c] * inverse
                base = base * base * dark
                base += snow * (0.86 + 0.03 * c - base)
                light = air[AMBIENT + c] * open_sky + air[LIGHT + c] * direct
                value = base * (light + shine * air[GLOW_GAIN])
                value = math.sqrt(value / (1 + 0.22 * value))
                packed = np.uint32((packed << np.uint32(8)) | np.uint32(255 * min(value, 1.0)))
            lit[row, column] = packed
