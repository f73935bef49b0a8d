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
from playground.data.worlds.flyover.ground import colour_ray, project_ray
from playground.data.worlds.flyover.sky import (
    SKY_STEPS,
    draw_sky_column,
    draw_stars,
    fill_gradient,
    fill_sky,
    halo_at,
)
from playground.data.worlds.flyover.view import (
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
)
from playground.data.worlds.flyover.weather import (
    draw_weather,
)

FAR = 560.0
NEAR = 2.0
STEP, STEP_GROWTH = 1.0, 0.019
FOCAL = 0.66
FOG_SCALE = 0.0046
# Depth, in pixels of focal length, from which the next coarser map is used.
LEVEL_DEPTHS = (1.0, 2.2)
FOG_END = 0.995


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
        self._views = np.empty((size + 1, VIEW_NUMBERS), np.float32)
        self._tops = np.empty(size, np.float32)
        self._sky = np.empty((size // 2 + 1, size // 2 + 1, 4), np.float32)
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
            self._gradient, self._rows, self._views, self._tops, self._sky, self._clear, self._picture,
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
    views: np.ndarray,
    tops: np.ndarray,
    sky: np.ndarray,
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
    clear[:] = 0
    picture[:] = 0
    # One ray more than columns: the sky is computed at every second one and needs an end.
    for x in range(size + 1):
        _aim(x, size, focal, sun_azimuth, camera, air, halo, views[x])
        if x == size:
            break
        state = (np.float32(size), np.float32(0), np.float32(0), np.float32(0), -2)
        first = 0
        for level in range(3):
            end = min(ends[level], last)
            if state[0] > 0 and first < end:
                project_ray(first, end, level, heights[level], depths, views[x], camera, rows)
                state = colour_ray(
                    first, end, level, colours[level], next_colours[level], blend, depths, rows, fog,
                    views[x], camera, air, gradient, halo, tiles, strata, picture[x], state,
                )  # fmt: skip
            first = ends[level]
        tops[x] = state[0]
    fill_sky(tops, views, camera, air, gradient, halo, clouds, sky)
    for x in range(size):
        if tops[x] > 0:
            draw_sky_column(x, tops[x], views[x], air, sky, picture[x], clear[x])
    if air[STARS] > 0.01:
        draw_stars(stars, air[STARS], camera[YAW], camera[BANK], size * camera[PITCH], focal, clear, picture)


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
