"""The ground of flyover along one ray: where each sample appears, its colour, and the rows that it covers.

A ray is worked on in plain loops, one step after the other over all its samples, that compilers turn into SIMD code:
``project_ray``, ``pick_visible``, ``colour_samples``, ``add_grain``, ``add_water``, ``add_fog``, ``fill_column``.
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
from playground.data.worlds.flyover.view import (
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
)

# Share of a pixel below which samples are merged.
FINEST = np.float32(0.34)
# Near ground gets a fine texture up to this depth in pixels of focal length.
DETAIL_DEPTH = 1.0
GRAIN = np.float32(0.16)
TILE = 128
BYTE = np.float32(1 / 65280)
# Red and blue, or green and water, of a texel: two numbers 16 bits apart.
PAIR, HALF = np.uint32(0x00FF00FF), np.uint32(0xFFFF)
ONE = np.int32(1)
# Share of water from which a sample is drawn as water.
WET = np.float32(0.04)
# Wave tiles a texel; over flight.MAPS_AROUND maps both are a whole number of tiles.
WAVE_X, WAVE_Y = np.float32(0.5), np.float32(0.375)


@pixel_kernel
def project_ray(
    last: int, heights: np.ndarray, grid: np.ndarray, march: np.ndarray, view: np.ndarray, altitude: float,
    rows: np.ndarray,
) -> None:  # fmt: skip
    """Row of the picture at which each of the first ``last`` samples of one ray appears."""
    depths, steps, bases_x, bases_y = march[0], march[1], march[2], march[3]
    shifts, starts = grid[0], grid[1]
    toward_x, toward_y = view[TOWARD_X], view[TOWARD_Y]
    horizon, focal = view[HORIZON_ROW], view[VIEW_FOCAL]
    for i in range(last):
        tx, ty = bases_x[i] + toward_x * steps[i], bases_y[i] + toward_y * steps[i]
        x0, y0 = np.int32(tx), np.int32(ty)
        fx, fy = tx - np.float32(x0), ty - np.float32(y0)
        shift, start = shifts[i], starts[i]
        mask = np.int32((ONE << shift) - ONE)
        xi, yi = np.int32(x0 & mask), np.int32(start + ((y0 & mask) << shift))
        xj, yj = np.int32((x0 + ONE) & mask), np.int32(start + (((y0 + ONE) & mask) << shift))
        a, b = heights[np.uint32(yi + xi)], heights[np.uint32(yi + xj)]
        c, d = heights[np.uint32(yj + xi)], heights[np.uint32(yj + xj)]
        low, high = a + fx * (b - a), c + fx * (d - c)
        rows[i] = horizon - (low + fy * (high - low) - altitude) * focal / depths[i]


@pixel_kernel
def pick_visible(
    last: int, bottom: int, rows: np.ndarray, picks: np.ndarray, joined: np.ndarray
) -> tuple[int, np.float32]:
    """List the samples that can be seen from near to far; returns how many and the row of the highest.

    Args:
        last: how many samples there are.
        bottom: the first row below the picture.
        rows: where each sample appears.
        picks: receives the numbers of the visible samples.
        joined: receives whether nothing is hidden between a visible sample and the one before.
    """
    top, previous, count = np.float32(bottom), -2, 0
    for i in range(last):
        row = rows[i]
        if row > top - FINEST:
            # Hidden, or too thin to matter: the next visible sample covers it.
            previous = i if row < top and previous == i - 1 else previous
            continue
        picks[count], joined[count] = i, previous == i - 1
        count += 1
        top, previous = row, i
        if top <= 0:
            break
    return count, top


@pixel_kernel
def colour_samples(
    count: int, picks: np.ndarray, colours: np.ndarray, grid: np.ndarray, march: np.ndarray, view: np.ndarray,
    red: np.ndarray, green: np.ndarray, blue: np.ndarray, wet: np.ndarray,
) -> None:  # fmt: skip
    """Red, green, blue and water, 0..1, of the picked samples between four texels of a lit map."""
    steps, bases_x, bases_y = march[1], march[2], march[3]
    shifts, starts = grid[0], grid[1]
    toward_x, toward_y = view[TOWARD_X], view[TOWARD_Y]
    for k in range(count):
        i = picks[k]
        tx, ty = bases_x[i] + toward_x * steps[i], bases_y[i] + toward_y * steps[i]
        x0, y0 = np.int32(tx), np.int32(ty)
        kx = np.uint32((tx - np.float32(x0)) * np.float32(16))
        ky = np.uint32((ty - np.float32(y0)) * np.float32(16))
        shift, start = shifts[i], starts[i]
        mask = np.int32((ONE << shift) - ONE)
        xi, yi = np.int32(x0 & mask), np.int32(start + ((y0 & mask) << shift))
        xj, yj = np.int32((x0 + ONE) & mask), np.int32(start + (((y0 + ONE) & mask) << shift))
        a, b = colours[np.uint32(yi + xi)], colours[np.uint32(yi + xj)]
        c, d = colours[np.uint32(yj + xi)], colours[np.uint32(yj + xj)]
        wd = np.uint32(kx * ky)
        wb, wc = np.uint32(np.uint32(16) * kx - wd), np.uint32(np.uint32(16) * ky - wd)
        wa = np.uint32(np.uint32(256) - wb - wc - wd)
        even = np.uint32((a & PAIR) * wa + (b & PAIR) * wb + (c & PAIR) * wc + (d & PAIR) * wd)
        a, b, c, d = a >> np.uint32(8), b >> np.uint32(8), c >> np.uint32(8), d >> np.uint32(8)
        odd = np.uint32((a & PAIR) * wa + (b & PAIR) * wb + (c & PAIR) * wc + (d & PAIR) * wd)
        red[k] = np.float32(np.int32(even & HALF)) * BYTE
        green[k] = np.float32(np.int32(odd & HALF)) * BYTE
        blue[k] = np.float32(np.int32(even >> np.uint32(16))) * BYTE
        wet[k] = np.float32(np.int32(odd >> np.uint32(16))) * BYTE


@pixel_kernel
def mix_samples(
    count: int, blend: float, red: np.ndarray, green: np.ndarray, blue: np.ndarray, later: np.ndarray
) -> None:
    """Blend the samples' colours towards those of another light, ``later`` (3 or more, samples)."""
    share = np.float32(blend)
    for k in range(count):
        red[k] += share * (later[0, k] - red[k])
        green[k] += share * (later[1, k] - green[k])
        blue[k] += share * (later[2, k] - blue[k])


@inlined
def _tile(x: float, y: float, tile: np.ndarray) -> float:
    """Smooth look-up in a repeating flat float32 (TILE * TILE,) map; both coordinates are positive."""
    x0, y0 = np.int32(x), np.int32(y)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    edge = np.int32(TILE - 1)
    i, j = np.int32(x0 & edge), np.int32((y0 & edge) * np.int32(TILE))
    i1, j1 = np.int32((x0 + ONE) & edge), np.int32(((y0 + ONE) & edge) * np.int32(TILE))
    a, b, c, d = tile[np.uint32(j + i)], tile[np.uint32(j + i1)], tile[np.uint32(j1 + i)], tile[np.uint32(j1 + i1)]
    low, high = a + fx * (b - a), c + fx * (d - c)
    return low + fy * (high - low)


@pixel_kernel
def add_grain(
    count: int, picks: np.ndarray, march: np.ndarray, view: np.ndarray, tile: np.ndarray,
    red: np.ndarray, green: np.ndarray, blue: np.ndarray, wet: np.ndarray,
) -> None:  # fmt: skip
    """Give the near ones of the samples a fine texture, except where there is water."""
    depths, x0, y0 = march[0], march[4, 0], march[4, 1]
    toward_x, toward_y = view[TOWARD_X], view[TOWARD_Y]
    near = np.float32(DETAIL_DEPTH) * view[VIEW_FOCAL]
    while count and depths[picks[count - 1]] >= near:
        count -= 1
    double, one, zero = np.float32(2), np.float32(1), np.float32(0)
    for k in range(count):
        z = depths[picks[k]]
        grain = GRAIN * _tile((x0 + toward_x * z) * double, (y0 + toward_y * z) * double, tile)
        grain = one + (grain * (one - z / near) if wet[k] <= WET else zero)
        red[k] *= grain
        green[k] *= grain
        blue[k] *= grain


@pixel_kernel
def add_water(
    count: int, picks: np.ndarray, rows: np.ndarray, march: np.ndarray, view: np.ndarray, camera: np.ndarray,
    air: np.ndarray, gradient: np.ndarray, halo: np.ndarray, tile: np.ndarray,
    red: np.ndarray, green: np.ndarray, blue: np.ndarray, wet: np.ndarray,
) -> None:  # fmt: skip
    """Mix the reflected sky into the colour of water: Schlick's Fresnel term, waves that calm with distance, glint."""
    depths, x0, y0 = march[0], march[4, 0], march[4, 1]
    toward_x, toward_y, flat = view[TOWARD_X], view[TOWARD_Y], view[FLAT]
    horizon, focal = view[HORIZON_ROW], view[VIEW_FOCAL]
    one, zero = np.float32(1), np.float32(0)
    drift = np.float32(0.22 * camera[CLOCK])
    moon = air[MOON] > air[HALO]
    along, rise = (view[MOON_ALONG], view[MOON_RISE]) if moon else (view[SUN_ALONG], view[SUN_RISE])
    power = (np.float32(0.6) * air[MOON] if moon else air[HALO]) * air[GLINT]
    power = zero if along < np.float32(0.4) * flat else power
    along /= flat
    sun_r, sun_g, sun_b = air[SUN], air[SUN + 1], air[SUN + 2]
    for k in range(count):
        i = picks[k]
        z, share = depths[i], (wet[k] if wet[k] > WET else zero)
        up_close = one / (one + np.float32(0.012) * z)
        wave_x, wave_y = (x0 + toward_x * z) * WAVE_X + drift, (y0 + toward_y * z) * WAVE_Y + np.float32(0.4) * drift
        wave = np.float32(1.5) * _tile(wave_x, wave_y, tile)
        tangent = max((rows[i] - horizon) / (focal * flat), np.float32(0.01))
        rest = one - tangent / math.sqrt(one + tangent * tangent)
        mirror = share * (np.float32(0.04) + np.float32(0.72) * rest * rest * rest * rest)
        up = max(tangent * (one + np.float32(1.1) * wave * up_close), zero)
        up += np.float32(0.08) * wave * wave * up_close
        step = np.int32(min(up * np.float32((SKY_STEPS - 1) / SKY_TOP), np.float32(SKY_STEPS - 1)))
        shade = one + (np.float32(0.1) * wave * up_close if share > zero else zero)
        r, g, b = red[k] * shade, green[k] * shade, blue[k] * shade
        r += mirror * (gradient[step, 0] - r)
        g += mirror * (gradient[step, 1] - g)
        b += mirror * (gradient[step, 2] - b)
        glint = halo_at((along + up * rise) / math.sqrt(one + up * up), halo)
        glint *= power * share * (np.float32(0.75) + np.float32(0.6) * wave)
        glint = min(max(glint, zero), np.float32(0.9))
        red[k], green[k], blue[k] = r + glint * (sun_r - r), g + glint * (sun_g - g), b + glint * (sun_b - b)


@pixel_kernel
def add_fog(
    count: int, picks: np.ndarray, fog: np.ndarray, view: np.ndarray,
    red: np.ndarray, green: np.ndarray, blue: np.ndarray,
) -> None:  # fmt: skip
    """Let far samples fade into the haze at the horizon."""
    mist_r, mist_g, mist_b = view[MIST], view[MIST + 1], view[MIST + 2]
    for k in range(count):
        f = fog[picks[k]]
        red[k] += f * (mist_r - red[k])
        green[k] += f * (mist_g - green[k])
        blue[k] += f * (mist_b - blue[k])


@pixel_kernel
def fill_column(
    count: int, bottom: int, picks: np.ndarray, joined: np.ndarray, rows: np.ndarray, depths: np.ndarray,
    fog: np.ndarray, view: np.ndarray, altitude: float, strata: np.ndarray, samples: np.ndarray, column: np.ndarray,
) -> None:  # fmt: skip
    """Cover a column of the picture, float32 (3, H), with what lies between one picked sample and the next."""
    top, r0, g0, b0 = np.float32(bottom), np.float32(0), np.float32(0), np.float32(0)
    half, zero, one = np.float32(0.5), np.float32(0), np.float32(1)
    red, green, blue = column[0], column[1], column[2]
    for k in range(count):
        row, r1, g1, b1 = rows[picks[k]], samples[0, k], samples[1, k], samples[2, k]
        if not joined[k]:
            r0, g0, b0 = r1, g1, b1
        low = max(row, zero)
        first, end = np.int32(low), np.int32(math.ceil(top))
        if strata.shape[0] and top - row > 1.5:
            i = picks[k]
            z = depths[i]
            level, per_row = altitude + view[HORIZON_ROW] * z / view[VIEW_FOCAL], z / view[VIEW_FOCAL]
            _fill_wall(column, top, row, r0, g0, b0, r1, g1, b1, strata, level, per_row, one - fog[i])
        else:
            # A share of the lowest pixel, whole pixels, a share of the highest.
            span = one / (top - row)
            dr, dg, db = r1 - r0, g1 - g0, b1 - b0
            share = top - max(np.float32(end - 1), low)
            t = half * share * span
            red[end - 1] += share * (r0 + t * dr)
            green[end - 1] += share * (g0 + t * dg)
            blue[end - 1] += share * (b0 + t * db)
            for y in range(first + 1, end - 1):
                t = (top - np.float32(y) - half) * span
                red[y], green[y], blue[y] = r0 + t * dr, g0 + t * dg, b0 + t * db
            if first < end - 1:
                upper = np.float32(first + 1)
                share = upper - low
                t = (top - half * (upper + low)) * span
                red[first] = share * (r0 + t * dr)
                green[first] = share * (g0 + t * dg)
                blue[first] = share * (b0 + t * db)
        top, r0, g0, b0 = row, r1, g1, b1


@inlined
def _fill_wall(
    column: np.ndarray, top: np.float32, row: np.float32, r0: float, g0: float, b0: float, r1: float, g1: float,
    b1: float, strata: np.ndarray, level: float, per_row: float, clear: float,
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
        share = (lower - upper) * (np.float32(1) + steep * strata[int(at)])
        column[0, y] += share * (r0 + t * (r1 - r0))
        column[1, y] += share * (g0 + t * (g1 - g0))
        column[2, y] += share * (b0 + t * (b1 - b0))
