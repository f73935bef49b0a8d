"""Rain and snow of flyover: drops and flakes that hang in the world, so that they move as the plane moves.

The particles fill a box that repeats around the camera. Compiled with Numba, so this module is imported only when
frames are drawn.
"""

from __future__ import annotations

import math

import numpy as np

from playground.data.worlds.flyover.atmosphere import CLOUD, RAIN, SNOW
from playground.data.worlds.flyover.compiler import pixel_kernel
from playground.data.worlds.flyover.view import ALTITUDE, BANK, CLOCK, PITCH, YAW, X, Y

DROPS = 260
FLAKES = 420
BOX = 32.0
RAIN_FALL, SNOW_FALL = 7.0, 0.55
# Share of a frame that the shutter is open: how long a drop's streak is.
SHUTTER = 0.13


def particle_list(rng: np.random.Generator) -> np.ndarray:
    """Places of the particles in the box, 0..1, float64 (FLAKES, 3)."""
    return rng.random((FLAKES, 3))


@pixel_kernel
def draw_weather(
    particles: np.ndarray,
    camera: np.ndarray,
    before: np.ndarray,
    focal: float,
    air: np.ndarray,
    picture: np.ndarray,
) -> None:
    """Add rain or snow to a picture, float32 (W, 4, H); ``before`` is the camera one frame earlier."""
    snowing = air[SNOW] > air[RAIN]
    amount = air[SNOW] if snowing else air[RAIN]
    count = int((FLAKES if snowing else DROPS) * amount)
    size = picture.shape[0]
    fall, clock = (SNOW_FALL if snowing else RAIN_FALL), camera[CLOCK]
    ahead_x, ahead_y = math.cos(camera[YAW]), math.sin(camera[YAW])
    # The map wraps around after a whole number of boxes, and so may one step of the plane.
    moved_x = (camera[X] - before[X] + BOX / 2) % BOX - BOX / 2
    moved_y = (camera[Y] - before[Y] + BOX / 2) % BOX - BOX / 2
    moved_z = camera[ALTITUDE] - before[ALTITUDE]
    for p in range(count):
        sway = 0.6 * math.sin(0.35 * clock + 40 * particles[p, 0]) if snowing else 0.0
        x = (particles[p, 0] * BOX + 0.12 * clock + sway - camera[X]) % BOX - BOX / 2
        y = (particles[p, 1] * BOX - camera[Y]) % BOX - BOX / 2
        z = (particles[p, 2] * BOX - fall * clock - camera[ALTITUDE]) % BOX - BOX / 2
        depth, side = x * ahead_x + y * ahead_y, y * ahead_x - x * ahead_y
        if depth < 1.5:
            continue
        column = size / 2 + side / depth * focal
        row = size * camera[PITCH] + camera[BANK] * (column - size / 2) - z / depth * focal
        # Near the faces of the box particles fade, so that none pops up.
        fade = min(1.0, (BOX / 2 - depth) / 4, (BOX / 2 - abs(z)) / 3)
        if fade <= 0 or column < -20 or row < -20 or column > size + 20 or row > size + 20:
            continue
        if snowing:
            _flake(picture, column, row, min(max(0.09 * focal / depth, 0.6), 2.4), 0.9 * fade, air)
            continue
        x, y, z = x + SHUTTER * moved_x, y + SHUTTER * moved_y, z + SHUTTER * (fall + moved_z)
        depth, side = max(x * ahead_x + y * ahead_y, 1.0), y * ahead_x - x * ahead_y
        end = size / 2 + side / depth * focal
        start_row = size * camera[PITCH] + camera[BANK] * (end - size / 2) - z / depth * focal
        _streak(picture, column, row, end, start_row, 0.34 * fade, air)


@pixel_kernel
def _streak(picture: np.ndarray, x0: float, y0: float, x1: float, y1: float, strength: float, air: np.ndarray) -> None:
    length = max(abs(x1 - x0), abs(y1 - y0))
    steps = int(min(length, 40.0)) + 1
    for s in range(steps):
        t = (s + 0.5) / steps
        _dot(picture, x0 + t * (x1 - x0) - 0.5, y0 + t * (y1 - y0) - 0.5, strength * (1 - t) * 1.3, air)


@pixel_kernel
def _dot(picture: np.ndarray, x: float, y: float, strength: float, air: np.ndarray) -> None:
    size = picture.shape[0]
    i, j = math.floor(x), math.floor(y)
    for corner in range(4):
        column, row = int(i) + corner % 2, int(j) + corner // 2
        if 0 <= column < size and 0 <= row < size:
            weight = min((1 - abs(x - column)) * (1 - abs(y - row)) * strength, 1.0)
            for c in range(3):
                picture[column, c, row] += weight * (min(air[CLOUD + c] * 1.1 + 0.12, 1.0) - picture[column, c, row])


@pixel_kernel
def _flake(picture: np.ndarray, x: float, y: float, radius: float, strength: float, air: np.ndarray) -> None:
    size, reach = picture.shape[0], int(radius) + 1
    for row in range(max(int(y) - reach, 0), min(int(y) + reach + 1, size)):
        for column in range(max(int(x) - reach, 0), min(int(x) + reach + 1, size)):
            gap = math.sqrt((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2)
            weight = strength * min(max(radius + 0.5 - gap, 0.0), 1.0)
            for c in range(3):
                picture[column, c, row] += weight * (min(air[CLOUD + c] * 1.15 + 0.14, 1.0) - picture[column, c, row])
