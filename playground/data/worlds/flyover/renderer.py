"""Draws flyover: one ray per column marches over the height map from near to far and fills the column upwards.

The idea is the "voxel space" of Comanche (NovaLogic, 1992). Here every sample covers its exact share of a pixel, and
heights and colours are interpolated and come from coarser maps farther away, so slopes are smooth and the far ground
does not flicker. Compiled with Numba, so this module is imported only when frames are drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from playground.data.worlds.flyover.atmosphere import (
    FOG,
    GLINT,
    HALO,
    HORIZON,
    MOON,
    MOON_LIGHT,
    MOON_TANGENT,
    RAIN,
    SNOW,
    STARS,
    SUN,
    SUN_TANGENT,
)
from playground.data.worlds.flyover.compiler import inlined, pixel_kernel
from playground.data.worlds.flyover.sky import (
    SKY_STEPS,
    SKY_TOP,
    draw_sky_column,
    draw_stars,
    fill_gradient,
    halo_at,
)
from playground.data.worlds.flyover.terrain import MAP
from playground.data.worlds.flyover.view import (
    ALTITUDE,
    BANK,
    CLOCK,
    FLAT,
    HORIZON_ROW,
    MIST,
    MOON_ALONG,
    MOON_RISE,
    PITCH,
    SUN_ALONG,
    SUN_RISE,
    SUN_X,
    SUN_Y,
    TOWARD_X,
    TOWARD_Y,
    VIEW_FOCAL,
    VIEW_NUMBERS,
    YAW,
    ZOOM,
    X,
    Y,
)
from playground.data.worlds.flyover.weather import draw_weather

FAR = 560.0
NEAR = 2.0
STEP, STEP_GROWTH = 1.0, 0.019
FOCAL = 0.66
FOG_SCALE = 0.0046
# Depth, in pixels of focal length, from which the next coarser map is used.
LEVEL_DEPTHS = (1.0, 2.2)
FOG_END = 0.995
# Share of a pixel below which samples are merged.
FINEST = np.float32(0.34)
# Near ground gets a fine texture up to this depth in pixels of focal length.
DETAIL_DEPTH = 1.0
GRAIN = 0.16
AWAY = 2048.0
TILE = 128
BYTE = np.float32(1 / 65280)
LANE = np.uint64(0xFFFF)


@dataclass(frozen=True)
class Scene:
    """Everything of a world that a picture needs besides camera and air.

    Attributes:
        heights: float32 maps, flattened, each half as wide as the one before.
        colours: lit uint64 (N, N) maps before a change of light.
        next_colours: the same after it; the same object when nothing changes.
        clouds: thickness of the cloud layer.
        stars: list of stars.
        tiles: float32 (2, TILE, TILE), about -1..1: fine texture of the ground, waves of the water.
        halo: ``sky.halo_table()``.
        strata: float32 (2 * tallest height,) change of brightness of rock by half height; empty without layers.
        particles: ``weather.particle_list()``.
        sun_azimuth: direction of the sun.
    """

    heights: tuple[np.ndarray, ...]
    colours: tuple[np.ndarray, ...]
    next_colours: tuple[np.ndarray, ...]
    clouds: np.ndarray
    stars: np.ndarray
    tiles: np.ndarray
    halo: np.ndarray
    strata: np.ndarray
    particles: np.ndarray
    sun_azimuth: float


class Renderer:
    """Draws square pictures of one size; holds the buffers for it."""

    def __init__(self, size: int) -> None:
        """Prepare the buffers and the depths to sample."""
        self.size = size
        depths = [NEAR]
        while depths[-1] < FAR:
            depths.append(depths[-1] + max(STEP, STEP_GROWTH * depths[-1]))
        self._depths = np.array(depths, np.float32)
        focal = FOCAL * size
        self._ends = np.array([*np.searchsorted(depths, [f * focal for f in LEVEL_DEPTHS]), len(depths)], np.int64)
        self._fog = np.empty(len(depths), np.float32)
        self._gradient = np.empty((SKY_STEPS, 3), np.float32)
        self._rows = np.empty(len(depths), np.float32)
        self._view = np.empty(VIEW_NUMBERS, np.float32)
        self._clear = np.empty((size, size), np.float32)
        self._picture = np.empty((size, size, 3), np.float32)

    def draw(self, scene: Scene, camera: np.ndarray, before: np.ndarray, air: np.ndarray, blend: float) -> np.ndarray:
        """Draw one picture.

        Args:
            scene: the world.
            camera: float64 (CAMERA_NUMBERS,).
            before: the camera one frame earlier; decides how rain streaks.
            air: vector of ``atmosphere``.
            blend: 0 for ``scene.colours``, 1 for ``scene.next_colours``.

        Returns:
            Float32 (size, size, 3), columns first, display units 0..1; a buffer that the next call fills again.
        """
        _draw(
            scene.heights, scene.colours, scene.next_colours, blend, scene.clouds, scene.stars, scene.tiles,
            scene.halo, scene.strata, scene.sun_azimuth, camera, air, self._depths, self._ends, self._fog,
            self._gradient, self._rows, self._view, self._clear, self._picture,
        )  # fmt: skip
        if air[RAIN] + air[SNOW] > 0:
            focal = FOCAL * self.size * camera[ZOOM]
            draw_weather(scene.particles, camera, before, focal, air, self._picture)
        return self._picture


@pixel_kernel
def to_bytes(picture_WHC: np.ndarray, out_HWC: np.ndarray) -> None:
    """Average blocks of a float32 picture, 0..1, into a smaller or equally large uint8 picture."""
    factor = picture_WHC.shape[0] // out_HWC.shape[0]
    scale = np.float32(255) / np.float32(factor * factor)
    low, high, half = np.float32(0), np.float32(255), np.float32(0.5)
    if factor == 1:
        for column in range(out_HWC.shape[1]):
            for row in range(out_HWC.shape[0]):
                for c in range(3):
                    value = picture_WHC[column, row, c] * scale + half
                    out_HWC[row, column, c] = np.uint8(min(max(value, low), high))
        return
    for row in range(out_HWC.shape[0]):
        for column in range(out_HWC.shape[1]):
            for c in range(3):
                total = low
                for i in range(factor):
                    for j in range(factor):
                        total += picture_WHC[column * factor + i, row * factor + j, c]
                out_HWC[row, column, c] = np.uint8(min(max(total * scale + half, low), high))


@pixel_kernel
def _draw(
    heights: tuple[np.ndarray, ...],
    colours: tuple[np.ndarray, ...],
    next_colours: tuple[np.ndarray, ...],
    blend: float,
    clouds: np.ndarray,
    stars: np.ndarray,
    tiles: np.ndarray,
    halo: np.ndarray,
    strata: np.ndarray,
    sun_azimuth: float,
    camera: np.ndarray,
    air: np.ndarray,
    depths: np.ndarray,
    ends: np.ndarray,
    fog: np.ndarray,
    gradient: np.ndarray,
    rows: np.ndarray,
    view: np.ndarray,
    clear: np.ndarray,
    picture: np.ndarray,
) -> None:
    size = picture.shape[0]
    focal = FOCAL * size * camera[ZOOM]
    fill_gradient(air, gradient)
    last = 0
    for i in range(depths.shape[0]):
        fog[i] = 1 - math.exp(-((FOG_SCALE * air[FOG] * depths[i]) ** 1.5))
        last += fog[i] < FOG_END
    sun_x, sun_y = math.cos(sun_azimuth), math.sin(sun_azimuth)
    moon_x, moon_y = math.cos(sun_azimuth + MOON_LIGHT[0]), math.sin(sun_azimuth + MOON_LIGHT[0])
    clear[:] = 0
    picture[:] = 0
    for x in range(size):
        offset = x + 0.5 - size / 2
        side = offset / focal
        toward_x = math.cos(camera[YAW]) - side * math.sin(camera[YAW])
        toward_y = math.sin(camera[YAW]) + side * math.cos(camera[YAW])
        view[TOWARD_X], view[TOWARD_Y], view[FLAT] = toward_x, toward_y, math.sqrt(1 + side * side)
        view[HORIZON_ROW] = size * camera[PITCH] + camera[BANK] * offset
        view[VIEW_FOCAL] = focal
        view[SUN_ALONG] = (toward_x * sun_x + toward_y * sun_y) / math.sqrt(1 + air[SUN_TANGENT] ** 2)
        view[MOON_ALONG] = (toward_x * moon_x + toward_y * moon_y) / math.sqrt(1 + air[MOON_TANGENT] ** 2)
        view[SUN_RISE] = air[SUN_TANGENT] / math.sqrt(1 + air[SUN_TANGENT] ** 2)
        view[MOON_RISE] = air[MOON_TANGENT] / math.sqrt(1 + air[MOON_TANGENT] ** 2)
        view[SUN_X], view[SUN_Y] = sun_x, sun_y
        bright = min(0.8 * air[HALO] * halo_at(view[SUN_ALONG] / view[FLAT], halo), 1.0)
        for c in range(3):
            view[MIST + c] = air[HORIZON + c] + bright * (air[SUN + c] - air[HORIZON + c])
        state = (np.float32(size), np.float32(0), np.float32(0), np.float32(0), -2)
        first = 0
        for level in range(3):
            end = min(ends[level], last)
            if state[0] > 0 and first < end:
                _project(first, end, level, heights[level], depths, view, camera, rows)
                state = _march(
                    first, end, level, colours[level], next_colours[level], blend, depths, rows, fog,
                    view, camera, air, gradient, halo, tiles, strata, picture[x], state,
                )  # fmt: skip
            first = ends[level]
        if state[0] > 0:
            draw_sky_column(state[0], view, camera, air, gradient, halo, clouds, picture[x], clear[x])
    if air[STARS] > 0.01:
        draw_stars(stars, air[STARS], camera[YAW], camera[BANK], size * camera[PITCH], focal, clear, picture)


@pixel_kernel
def _project(
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
def _march(
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
    mask = colour.shape[0] - 1
    scale = np.float32(1.0 / (1 << level))
    base_x = np.float32((camera[X] + AWAY) * scale - 0.5)
    base_y = np.float32((camera[Y] + AWAY) * scale - 0.5)
    step_x, step_y = view[TOWARD_X] * scale, view[TOWARD_Y] * scale
    horizon, focal, altitude = view[HORIZON_ROW], view[VIEW_FOCAL], np.float32(camera[ALTITUDE])
    near = np.float32(DETAIL_DEPTH * focal)
    for i in range(first, end):
        row = rows[i]
        if row >= top:
            continue
        if row > top - FINEST:
            # Too thin to matter: the next visible sample covers it.
            previous = i if previous == i - 1 else previous
            continue
        z = depths[i]
        tx, ty = base_x + step_x * z, base_y + step_y * z
        x0, y0 = int(tx), int(ty)
        kx, ky = int((tx - np.float32(x0)) * np.float32(16)), int((ty - np.float32(y0)) * np.float32(16))
        xi, yi = x0 & mask, y0 & mask
        xj, yj = (x0 + 1) & mask, (y0 + 1) & mask
        w11, w01, w10 = np.uint64(kx * ky), np.uint64(kx * (16 - ky)), np.uint64((16 - kx) * ky)
        w00 = np.uint64((16 - kx) * (16 - ky))
        mixed = colour[yi, xi] * w00 + colour[yi, xj] * w01 + colour[yj, xi] * w10 + colour[yj, xj] * w11
        r1 = np.float32(np.int64(mixed & LANE)) * BYTE
        g1 = np.float32(np.int64((mixed >> np.uint64(16)) & LANE)) * BYTE
        b1 = np.float32(np.int64((mixed >> np.uint64(32)) & LANE)) * BYTE
        wet = np.float32(np.int64((mixed >> np.uint64(48)) & LANE)) * BYTE
        if blend > 0:
            k = np.float32(blend)
            mixed = later[yi, xi] * w00 + later[yi, xj] * w01 + later[yj, xi] * w10 + later[yj, xj] * w11
            r1 += k * (np.float32(np.int64(mixed & LANE)) * BYTE - r1)
            g1 += k * (np.float32(np.int64((mixed >> np.uint64(16)) & LANE)) * BYTE - g1)
            b1 += k * (np.float32(np.int64((mixed >> np.uint64(32)) & LANE)) * BYTE - b1)
        if wet > np.float32(0.04):
            above = (row - horizon) * z / focal
            r1, g1, b1 = _water(
                tx / scale, ty / scale, z, wet, above, view, camera, air, gradient, halo, tiles, r1, g1, b1
            )
        elif z < near:
            grain = np.float32(1) + _grain(tx / scale, ty / scale, tiles) * (np.float32(1) - z / near)
            r1, g1, b1 = r1 * grain, g1 * grain, b1 * grain
        f = fog[i]
        r1, g1, b1 = r1 + f * (view[MIST] - r1), g1 + f * (view[MIST + 1] - g1), b1 + f * (view[MIST + 2] - b1)
        if previous != i - 1:
            r0, g0, b0 = r1, g1, b1
        previous = i
        if strata.shape[0] and top - row > 1.5:
            level_0, per_row = altitude + horizon * z / focal, z / focal
            _fill_wall(column, top, row, r0, g0, b0, r1, g1, b1, strata, level_0, per_row, np.float32(1) - f)
        else:
            _fill(column, top, row, r0, g0, b0, r1, g1, b1)
        r0, g0, b0 = r1, g1, b1
        top = row
        if top <= 0:
            break
    return top, r0, g0, b0, previous


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
    wave = np.float32(1.5) * _tile(x * np.float32(0.5) + drift, y * np.float32(0.4) + np.float32(0.4) * drift, tiles[1])
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
