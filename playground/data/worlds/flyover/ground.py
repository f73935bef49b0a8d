"""The ground of flyover along one ray: where each sample appears, its colour, and the rows that it covers.

Compiled with Numba, so this module is imported only when frames are drawn.
"""

from __future__ import annotations

import math

import numpy as np

from playground.data.worlds.flyover.atmosphere import (
    GLINT,
    HALO,
    MOON,
    SUN,
)
from playground.data.worlds.flyover.compiler import (
    inlined,
    pixel_kernel,
)
from playground.data.worlds.flyover.sky import (
    SKY_STEPS,
    SKY_TOP,
    halo_at,
)
from playground.data.worlds.flyover.terrain import (
    MAP,
)
from playground.data.worlds.flyover.view import (
    ALTITUDE,
    CLOCK,
    FLAT,
    HORIZON_ROW,
    MIST,
    MOON_ALONG,
    MOON_RISE,
    SUN_ALONG,
    SUN_RISE,
    TOWARD_X,
    TOWARD_Y,
    VIEW_FOCAL,
    X,
    Y,
)

# Share of a pixel below which samples are merged.
FINEST = np.float32(0.34)
# Near ground gets a fine texture up to this depth in pixels of focal length.
DETAIL_DEPTH = 1.0
GRAIN = 0.16
AWAY = 2048.0
TILE = 128
BYTE = np.float32(1 / 65280)
LANE = np.uint64(0xFFFF)
# Share of water from which a sample is drawn as water.
WET = np.float32(0.04)
# Wave tiles a texel; over flight.MAPS_AROUND maps both are a whole number of tiles.
WAVE_X, WAVE_Y = np.float32(0.5), np.float32(0.375)


@pixel_kernel
def project_ray(
    first: int,
    end: int,
    level: int,
    height: np.ndarray,
    depths: np.ndarray,
    view: np.ndarray,
    camera: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Row of the picture at which each sample of one ray appears; a plain loop that compilers turn into SIMD code."""
    size = MAP >> level
    mask = size - 1
    scale = np.float32(1.0 / (1 << level))
    # Far enough from zero that cutting off the fraction always rounds down.
    base_x = np.float32((camera[X] + AWAY) * scale - 0.5)
    base_y = np.float32((camera[Y] + AWAY) * scale - 0.5)
    step_x, step_y = view[TOWARD_X] * scale, view[TOWARD_Y] * scale
    horizon, focal, altitude = view[HORIZON_ROW], view[VIEW_FOCAL], np.float32(camera[ALTITUDE])
    for i in range(first, end):
        z = depths[i]
        tx, ty = base_x + step_x * z, base_y + step_y * z
        x0, y0 = int(tx), int(ty)
        fx, fy = tx - np.float32(x0), ty - np.float32(y0)
        xi, yi = x0 & mask, (y0 & mask) * size
        xj, yj = (x0 + 1) & mask, ((y0 + 1) & mask) * size
        a, b = height[np.uint64(yi + xi)], height[np.uint64(yi + xj)]
        c, d = height[np.uint64(yj + xi)], height[np.uint64(yj + xj)]
        low, high = a + fx * (b - a), c + fx * (d - c)
        rows[i] = horizon - (low + fy * (high - low) - altitude) * focal / z


@pixel_kernel
def colour_ray(
    first: int,
    end: int,
    level: int,
    colour: np.ndarray,
    later: np.ndarray,
    blend: float,
    depths: np.ndarray,
    rows: np.ndarray,
    fog: np.ndarray,
    view: np.ndarray,
    camera: np.ndarray,
    air: np.ndarray,
    gradient: np.ndarray,
    halo: np.ndarray,
    tiles: np.ndarray,
    strata: np.ndarray,
    column: np.ndarray,
    state: tuple[float, float, float, float, int],
) -> tuple[float, float, float, float, int]:
    """Colour what one ray sees of one map; ``state`` is the lowest free row, the last colour and the last sample."""
    top, r0, g0, b0, previous = state
    mask, scale, k = colour.shape[0] - 1, np.float32(1.0 / (1 << level)), np.float32(blend)
    base_x, base_y = np.float32((camera[X] + AWAY) * scale - 0.5), np.float32((camera[Y] + AWAY) * scale - 0.5)
    horizon, focal, altitude = view[HORIZON_ROW], view[VIEW_FOCAL], np.float32(camera[ALTITUDE])
    near = np.float32(DETAIL_DEPTH * focal)
    for i in range(first, end):
        row = rows[i]
        if row > top - FINEST:
            # Hidden, or too thin to matter: the next visible sample covers it.
            previous = i if row < top and previous == i - 1 else previous
            continue
        z = depths[i]
        tx, ty = base_x + view[TOWARD_X] * scale * z, base_y + view[TOWARD_Y] * scale * z
        x0, y0 = int(tx), int(ty)
        fx, fy = tx - np.float32(x0), ty - np.float32(y0)
        r1, g1, b1, wet = _texel(x0, y0, fx, fy, mask, colour)
        if blend > 0:
            r2, g2, b2, _ = _texel(x0, y0, fx, fy, mask, later)
            r1, g1, b1 = r1 + k * (r2 - r1), g1 + k * (g2 - g1), b1 + k * (b2 - b1)
        if wet > WET:
            above, x, y = (row - horizon) * z / focal, tx / scale, ty / scale
            r1, g1, b1 = _water(x, y, z, wet, above, view, camera, air, gradient, halo, tiles, r1, g1, b1)
        elif z < near:
            grain = np.float32(1) + _grain(tx / scale, ty / scale, tiles) * (np.float32(1) - z / near)
            r1, g1, b1 = r1 * grain, g1 * grain, b1 * grain
        f = fog[i]
        r1, g1, b1 = r1 + f * (view[MIST] - r1), g1 + f * (view[MIST + 1] - g1), b1 + f * (view[MIST + 2] - b1)
        if previous != i - 1:
            r0, g0, b0 = r1, g1, b1
        if strata.shape[0] and top - row > 1.5:
            level_0, per_row = altitude + horizon * z / focal, z / focal
            _fill_wall(column, top, row, r0, g0, b0, r1, g1, b1, strata, level_0, per_row, np.float32(1) - f)
        else:
            _fill(column, top, row, r0, g0, b0, r1, g1, b1)
        r0, g0, b0 = r1, g1, b1
        top, previous = row, i
        if top <= 0:
            break
    return top, r0, g0, b0, previous


@inlined
def _texel(x0: int, y0: int, fx: float, fy: float, mask: int, colour: np.ndarray) -> tuple[float, float, float, float]:
    """Red, green, blue and water between four texels of a lit map; all four channels of a texel at once."""
    kx, ky = int(fx * np.float32(16)), int(fy * np.float32(16))
    xi, yi = x0 & mask, y0 & mask
    xj, yj = (x0 + 1) & mask, (y0 + 1) & mask
    mixed = colour[yi, xi] * np.uint64((16 - kx) * (16 - ky)) + colour[yi, xj] * np.uint64(kx * (16 - ky))
    mixed += colour[yj, xi] * np.uint64((16 - kx) * ky) + colour[yj, xj] * np.uint64(kx * ky)
    r, g = np.int64(mixed & LANE), np.int64((mixed >> np.uint64(16)) & LANE)
    b, wet = np.int64((mixed >> np.uint64(32)) & LANE), np.int64((mixed >> np.uint64(48)) & LANE)
    return np.float32(r) * BYTE, np.float32(g) * BYTE, np.float32(b) * BYTE, np.float32(wet) * BYTE


@inlined
def _tile(x: float, y: float, tile: np.ndarray) -> float:
    """Smooth look-up in a repeating float32 (TILE, TILE) map; both coordinates are positive."""
    x0, y0 = int(x), int(y)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    i, j = x0 & (TILE - 1), y0 & (TILE - 1)
    i1, j1 = (x0 + 1) & (TILE - 1), (y0 + 1) & (TILE - 1)
    low = tile[j, i] + fx * (tile[j, i1] - tile[j, i])
    high = tile[j1, i] + fx * (tile[j1, i1] - tile[j1, i])
    return low + fy * (high - low)


@inlined
def _grain(x: float, y: float, tiles: np.ndarray) -> float:
    """Fine texture of near ground, about -0.2..0.2."""
    return np.float32(GRAIN) * _tile(x * np.float32(2), y * np.float32(2), tiles[0])


@inlined
def _water(
    x: float,
    y: float,
    z: float,
    wet: float,
    above: float,
    view: np.ndarray,
    camera: np.ndarray,
    air: np.ndarray,
    gradient: np.ndarray,
    halo: np.ndarray,
    tiles: np.ndarray,
    r: float,
    g: float,
    b: float,
) -> tuple[float, float, float]:
    """Mix the reflected sky into the colour of water: Schlick's Fresnel term, waves that calm with distance, glint."""
    one, up_close = np.float32(1), np.float32(1) / (np.float32(1) + np.float32(0.012) * z)
    drift = np.float32(0.22 * camera[CLOCK])
    wave = np.float32(1.5) * _tile(x * WAVE_X + drift, y * WAVE_Y + np.float32(0.4) * drift, tiles[1])
    tangent = max(above / (z * view[FLAT]), np.float32(0.01))
    rest = one - tangent / math.sqrt(one + tangent * tangent)
    mirror = wet * (np.float32(0.04) + np.float32(0.72) * rest * rest * rest * rest)
    up = max(tangent * (one + np.float32(1.1) * wave * up_close), np.float32(0))
    up += np.float32(0.08) * wave * wave * up_close
    k = int(min(up * np.float32((SKY_STEPS - 1) / SKY_TOP), np.float32(SKY_STEPS - 1)))
    shade = one + np.float32(0.1) * wave * up_close
    r, g, b = r * shade, g * shade, b * shade
    r, g, b = r + mirror * (gradient[k, 0] - r), g + mirror * (gradient[k, 1] - g), b + mirror * (gradient[k, 2] - b)
    moon = air[MOON] > air[HALO]
    along, rise = (view[MOON_ALONG], view[MOON_RISE]) if moon else (view[SUN_ALONG], view[SUN_RISE])
    if along < np.float32(0.4) * view[FLAT]:
        return r, g, b
    power = np.float32(0.6) * air[MOON] if moon else air[HALO]
    glint = halo_at((along / view[FLAT] + up * rise) / math.sqrt(one + up * up), halo)
    glint *= power * air[GLINT] * wet * (np.float32(0.75) + np.float32(0.6) * wave)
    glint = min(max(glint, np.float32(0)), np.float32(0.9))
    return r + glint * (air[SUN] - r), g + glint * (air[SUN + 1] - g), b + glint * (air[SUN + 2] - b)


@inlined
def _fill(
    column: np.ndarray, top: float, row: float, r0: float, g0: float, b0: float, r1: float, g1: float, b1: float
) -> None:
    """Cover rows ``row`` to ``top`` with colours from 1 (far, upper end) to 0 (near, lower end)."""
    low = max(row, np.float32(0))
    span = np.float32(1) / (top - row)
    for y in range(int(low), int(math.ceil(top))):
        upper, lower = max(np.float32(y), low), min(np.float32(y + 1), top)
        share = lower - upper
        t = (top - np.float32(0.5) * (upper + lower)) * span
        column[y, 0] += share * (r0 + t * (r1 - r0))
        column[y, 1] += share * (g0 + t * (g1 - g0))
        column[y, 2] += share * (b0 + t * (b1 - b0))


@inlined
def _fill_wall(
    column: np.ndarray, top: float, row: float, r0: float, g0: float, b0: float, r1: float, g1: float, b1: float,
    strata: np.ndarray, level: float, per_row: float, clear: float,
) -> None:  # fmt: skip
    """The same for a steep piece of layered rock: each row gets the brightness of the layer at its height."""
    low = max(row, np.float32(0))
    span = np.float32(1) / (top - row)
    steep = min((top - row) * per_row * np.float32(0.5), np.float32(1)) * clear
    for y in range(int(low), int(math.ceil(top))):
        upper, lower = max(np.float32(y), low), min(np.float32(y + 1), top)
        middle = np.float32(0.5) * (upper + lower)
        t = (top - middle) * span
        at = min(max((level - middle * per_row) * np.float32(2), np.float32(0)), np.float32(strata.shape[0] - 1))
        share = (lower - upper) * (1 + steep * strata[int(at)])
        column[y, 0] += share * (r0 + t * (r1 - r0))
        column[y, 1] += share * (g0 + t * (g1 - g0))
        column[y, 2] += share * (b0 + t * (b1 - b0))
