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
    HALO,
    HORIZON,
    MOON_LIGHT,
    MOON_TANGENT,
    RAIN,
    SNOW,
    STARS,
    SUN,
    SUN_TANGENT,
)
from playground.data.worlds.flyover.compiler import (
    pixel_kernel,
)
from playground.data.worlds.flyover.ground import (
    WET,
    add_fog,
    add_grain,
    add_water,
    colour_samples,
    fill_column,
    mix_samples,
    pick_visible,
    project_ray,
)
from playground.data.worlds.flyover.sky import (
    SKY_STEPS,
    draw_sky_column,
    draw_stars,
    fill_gradient,
    fill_sky,
    halo_at,
)
from playground.data.worlds.flyover.terrain import MAP
from playground.data.worlds.flyover.view import (
    ALTITUDE,
    BANK,
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
from playground.data.worlds.flyover.weather import (
    draw_weather,
)

FAR = 560.0
NEAR = 2.0
STEP, STEP_GROWTH = 1.0, 0.019
BLOCK = 16
FOCAL = 0.66
FOG_SCALE = 0.0046
# Depth, in pixels of focal length, from which the next coarser map is used.
LEVEL_DEPTHS = (1.0, 2.2)
FOG_END = 0.995
# Far enough from zero that cutting off the fraction of a coordinate always rounds down.
AWAY = 2048.0


@dataclass(frozen=True)
class Scene:
    """Everything of a world that a picture needs besides camera and air.

    Attributes:
        heights: float32 maps, each half as wide as the one before, flattened, one after the other.
        colours: lit uint32 maps before a change of light, laid out in the same way.
        next_colours: the same after it; the same object when nothing changes.
        clouds: thickness of the cloud layer, flattened.
        stars: list of stars.
        tiles: float32 (2, TILE * TILE), about -1..1: fine texture of the ground, waves of the water.
        halo: ``sky.halo_table()``.
        strata: float32 (2 * tallest height,) change of brightness of rock by half height; empty without layers.
        particles: ``weather.particle_list()``.
        sun_azimuth: direction of the sun.
    """

    heights: np.ndarray
    colours: np.ndarray
    next_colours: np.ndarray
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
        focal = FOCAL * size
        levels = np.searchsorted([f * focal for f in LEVEL_DEPTHS], depths, side="right")
        starts = np.cumsum([0] + [(MAP >> level) ** 2 for level in range(len(LEVEL_DEPTHS))])
        # Of each sample: base-two logarithm of the width of its map, and where that map begins.
        self._grid = np.stack([MAP.bit_length() - 1 - levels, starts[levels]]).astype(np.int32)
        # Of each sample: depth, the same in texels of its map, camera in those texels; last the camera itself.
        self._march = np.zeros((5, len(depths)), np.float32)
        self._march[0] = depths
        self._march[1] = depths / 2.0**levels
        self._fog = np.empty(len(depths), np.float32)
        self._gradient = np.empty((SKY_STEPS, 3), np.float32)
        self._rows = np.empty(len(depths), np.float32)
        self._picks, self._joined = np.empty(len(depths), np.int32), np.empty(len(depths), np.bool_)
        # Red, green, blue and water of the visible samples, under the light before and after a change.
        self._samples = np.empty((2, 4, len(depths)), np.float32)
        self._views = np.empty((size + 1, VIEW_NUMBERS), np.float32)
        self._tops = np.empty(size, np.float32)
        self._sky = np.empty((size // 2 + 1, 4, size // 2 + 2), np.float32)
        self._line = np.empty((4, size + 2), np.float32)
        self._picture = np.empty((size, 4, size), np.float32)

    def draw(self, scene: Scene, camera: np.ndarray, before: np.ndarray, air: np.ndarray, blend: float) -> np.ndarray:
        """Draw one picture.

        Args:
            scene: the world.
            camera: float64 (CAMERA_NUMBERS,).
            before: the camera one frame earlier; decides how rain streaks.
            air: vector of ``atmosphere``.
            blend: 0 for ``scene.colours``, 1 for ``scene.next_colours``.

        Returns:
            Float32 (size, 4, size): columns, channels, rows. Red, green and blue are display units 0..1, the fourth is
            how much of a star shines through. A buffer that the next call fills again.
        """
        _draw(
            scene.heights, scene.colours, scene.next_colours, blend, scene.clouds, scene.stars, scene.tiles,
            scene.halo, scene.strata, scene.sun_azimuth, camera, air, self._grid, self._march, self._fog,
            self._gradient, self._rows, self._picks, self._joined, self._samples, self._views, self._tops, self._sky,
            self._line, self._picture,
        )  # fmt: skip
        if air[RAIN] + air[SNOW] > 0:
            focal = FOCAL * self.size * camera[ZOOM]
            draw_weather(scene.particles, camera, before, focal, air, self._picture)
        return self._picture


@pixel_kernel
def to_bytes(picture_WCH: np.ndarray, packed_WH: np.ndarray, out_HWC: np.ndarray) -> None:
    """Average blocks of a float32 picture, 0..1, into a smaller or equally large uint8 picture; fills ``packed_WH``."""
    width, height = packed_WH.shape
    factor = width // out_HWC.shape[0]
    low, high, half = np.float32(0), np.float32(255), np.float32(0.5)
    if factor > 1:
        scale = high / np.float32(factor * factor)
        for row in range(out_HWC.shape[0]):
            for column in range(out_HWC.shape[1]):
                for c in range(3):
                    total = low
                    for i in range(factor):
                        for j in range(factor):
                            total += picture_WCH[column * factor + i, c, row * factor + j]
                    out_HWC[row, column, c] = np.uint8(min(max(total * scale + half, low), high))
        return
    for x in range(width):
        red, green, blue, packed = picture_WCH[x, 0], picture_WCH[x, 1], picture_WCH[x, 2], packed_WH[x]
        for y in range(height):
            r = np.int32(min(max(red[y] * high + half, low), high))
            g = np.int32(min(max(green[y] * high + half, low), high))
            b = np.int32(min(max(blue[y] * high + half, low), high))
            packed[y] = np.int32(r | (g << np.int32(8)) | (b << np.int32(16)))
    # In blocks of rows, so that what is read and what is written stays in the nearest cache.
    for start in range(0, height, BLOCK):
        for x in range(width):
            for y in range(start, start + BLOCK):
                value = packed_WH[x, y]
                out_HWC[y, x, 0] = np.uint8(value)
                out_HWC[y, x, 1] = np.uint8(value >> np.int32(8))
                out_HWC[y, x, 2] = np.uint8(value >> np.int32(16))


@pixel_kernel
def _draw(
    heights: np.ndarray, colours: np.ndarray, next_colours: np.ndarray, blend: float, clouds: np.ndarray,
    stars: np.ndarray, tiles: np.ndarray, halo: np.ndarray, strata: np.ndarray, sun_azimuth: float,
    camera: np.ndarray, air: np.ndarray, grid: np.ndarray, march: np.ndarray, fog: np.ndarray, gradient: np.ndarray,
    rows: np.ndarray, picks: np.ndarray, joined: np.ndarray, samples: np.ndarray, views: np.ndarray, tops: np.ndarray,
    sky: np.ndarray, line: np.ndarray, picture: np.ndarray,
) -> None:  # fmt: skip
    size = picture.shape[0]
    focal = FOCAL * size * camera[ZOOM]
    altitude = np.float32(camera[ALTITUDE])
    fill_gradient(air, gradient)
    last = _prepare(camera, air, march, fog)
    picture[:] = 0
    red, green, blue, wet = samples[0, 0], samples[0, 1], samples[0, 2], samples[0, 3]
    # One ray more than columns: the sky is computed at every second one and needs an end.
    for x in range(size + 1):
        view = views[x]
        _aim(x, size, focal, sun_azimuth, camera, air, halo, view)
        if x == size:
            break
        project_ray(last, heights, grid, march, view, altitude, rows)
        count, tops[x] = pick_visible(last, size, rows, picks, joined)
        colour_samples(count, picks, colours, grid, march, view, red, green, blue, wet)
        if blend > 0:
            later = samples[1]
            colour_samples(count, picks, next_colours, grid, march, view, later[0], later[1], later[2], later[3])
            mix_samples(count, blend, red, green, blue, later)
        add_grain(count, picks, march, view, tiles[0], red, green, blue, wet)
        most = np.float32(0)
        for k in range(count):
            most = max(most, wet[k])
        if most > WET:
            add_water(count, picks, rows, march, view, camera, air, gradient, halo, tiles[1], red, green, blue, wet)
        add_fog(count, picks, fog, view, red, green, blue)
        fill_column(count, size, picks, joined, rows, march[0], fog, view, altitude, strata, samples[0], picture[x])
    fill_sky(tops, views, camera, air, gradient, halo, clouds, sky)
    for x in range(size):
        if tops[x] > 0:
            draw_sky_column(x, tops[x], views[x], air, sky, line, picture[x])
    if air[STARS] > 0.01:
        draw_stars(stars, air[STARS], camera[YAW], camera[BANK], size * camera[PITCH], focal, picture)


@pixel_kernel
def _prepare(camera: np.ndarray, air: np.ndarray, march: np.ndarray, fog: np.ndarray) -> int:
    """Fill in what all rays of a picture share; returns how many samples are not lost in the fog."""
    last = 0
    for i in range(fog.shape[0]):
        depth, scale = march[0, i], march[1, i] / march[0, i]
        march[2, i], march[3, i] = (camera[X] + AWAY) * scale - 0.5, (camera[Y] + AWAY) * scale - 0.5
        fog[i] = 1 - math.exp(-((FOG_SCALE * air[FOG] * depth) ** 1.5))
        last += fog[i] < FOG_END
    march[4, 0], march[4, 1] = camera[X] + AWAY - 0.5, camera[Y] + AWAY - 0.5
    return last


@pixel_kernel
def _aim(
    x: int,
    size: int,
    focal: float,
    sun_azimuth: float,
    camera: np.ndarray,
    air: np.ndarray,
    halo: np.ndarray,
    view: np.ndarray,
) -> None:
    """Fill ``view`` with the ray of one column and what is the same for the whole column."""
    sun_x, sun_y = math.cos(sun_azimuth), math.sin(sun_azimuth)
    moon_x, moon_y = math.cos(sun_azimuth + MOON_LIGHT[0]), math.sin(sun_azimuth + MOON_LIGHT[0])
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
