"""Sky of flyover: gradient, sun, moon, stars and a layer of drifting clouds.

Compiled with Numba, so this module is imported only when frames are drawn. Heights above the horizon are tangents, so
that a column of the picture is a straight line in them.
"""

from __future__ import annotations

import math

import numpy as np

from playground.data.worlds.flyover.atmosphere import (
    CLOUD,
    CLOUD_SHADE,
    COVER,
    DISC,
    HALO,
    HORIZON,
    MIDDLE,
    MOON,
    SUN,
    ZENITH,
)
from playground.data.worlds.flyover.compiler import inlined, pixel_kernel
from playground.data.worlds.flyover.noise import fractal, noise_table, smoothstep
from playground.data.worlds.flyover.view import (
    CLOCK,
    FLAT,
    HORIZON_ROW,
    MOON_ALONG,
    MOON_RISE,
    SUN_ALONG,
    SUN_RISE,
    SUN_X,
    SUN_Y,
    TOWARD_X,
    TOWARD_Y,
    VIEW_FOCAL,
    X,
    Y,
)

CLOUD_MAP = 256
NUM_STARS = 420
STAR_AZIMUTH, STAR_TANGENT, STAR_POWER, STAR_WARMTH = range(4)
SKY_STEPS = 128
SKY_TOP = 1.28
HALO_STEPS = 256
SUN_COSINE, MOON_COSINE = 0.9988, 0.9993
# Columns farther than this (cosine) from sun and moon show no disc.
NEAR_DISC = 0.75
CLOUD_START = 0.015
CLOUD_AWAY = 4096.0
# How far the clouds pass by with each texel of flight; over flight.MAPS_AROUND maps that is exactly one CLOUD_MAP.
CLOUD_PACE = 0.125


def halo_table() -> np.ndarray:
    """Brightness around the sun by the square root of half of one minus the cosine of the angle; float32."""
    x = np.linspace(0, 1, HALO_STEPS) ** 2 * 2
    return (0.5 * np.exp(-10 * x) + 0.3 * np.exp(-70 * x) + 0.35 * np.exp(-600 * x)).astype(np.float32)


def cloud_map(rng: np.random.Generator) -> np.ndarray:
    """Thickness of the cloud layer as float32 (CLOUD_MAP, CLOUD_MAP) with even shares of all values 0..1."""
    out = np.empty((CLOUD_MAP, CLOUD_MAP), np.float32)
    _fill_clouds(noise_table(rng), out)
    # Linear in the value and not by rank, but scaled so that cover means about a share of the sky.
    low, high = np.quantile(out, (0.02, 0.98))
    return np.clip((out - low) / (high - low), 0, 1).astype(np.float32)


def star_list(rng: np.random.Generator) -> np.ndarray:
    """Float32 (NUM_STARS, 4): azimuth, tangent of the height, power 0..1, warmth 0..1."""
    azimuth = rng.random(NUM_STARS) * 2 * np.pi
    tangent = 0.05 + 1.1 * rng.random(NUM_STARS)
    return np.stack([azimuth, tangent, rng.random(NUM_STARS) ** 3, rng.random(NUM_STARS)], 1).astype(np.float32)


@pixel_kernel
def _fill_clouds(table: np.ndarray, out: np.ndarray) -> None:
    size = out.shape[0]
    for row in range(size):
        for column in range(size):
            u, v = column / size, row / size
            bend = 0.04 * fractal(u, v, 6, 2, 70, table)
            out[row, column] = fractal(u + bend, v - bend, 5, 6, 80, table)


@pixel_kernel
def fill_gradient(air: np.ndarray, gradient: np.ndarray) -> None:
    """Sky colour by height above the horizon, display units 0..1, into float32 (SKY_STEPS, 3)."""
    for k in range(SKY_STEPS):
        tangent = k * SKY_TOP / (SKY_STEPS - 1)
        low = smoothstep(0.0, 0.34, tangent)
        high = smoothstep(0.16, 1.1, tangent)
        for c in range(3):
            colour = air[HORIZON + c] + low * (air[MIDDLE + c] - air[HORIZON + c])
            gradient[k, c] = colour + high * (air[ZENITH + c] - colour)


@inlined
def halo_at(cosine: float, halo: np.ndarray) -> float:
    """Look up the brightness around the sun."""
    return halo[int((HALO_STEPS - 1) * math.sqrt(min(max(0.5 - 0.5 * cosine, 0.0), 1.0)))]


@inlined
def _cloud(x: float, y: float, clouds: np.ndarray) -> float:
    x0, y0 = int(x), int(y)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    i, j = x0 & (CLOUD_MAP - 1), y0 & (CLOUD_MAP - 1)
    i1, j1 = (i + 1) & (CLOUD_MAP - 1), (j + 1) & (CLOUD_MAP - 1)
    low = clouds[j, i] + fx * (clouds[j, i1] - clouds[j, i])
    high = clouds[j1, i] + fx * (clouds[j1, i1] - clouds[j1, i])
    return low + fy * (high - low)


@pixel_kernel
def fill_sky(
    tops_W: np.ndarray,
    views: np.ndarray,
    camera: np.ndarray,
    air: np.ndarray,
    gradient: np.ndarray,
    halo: np.ndarray,
    clouds: np.ndarray,
    sky: np.ndarray,
) -> None:
    """Compute the sky without discs at every second column and row; all of it is soft.

    Args:
        tops_W: row at which the land begins in each column.
        views: float32 (W + 1, VIEW_NUMBERS), the rays of the columns and of one more.
        camera: float64 (CAMERA_NUMBERS,).
        air: the vector of ``atmosphere``.
        gradient: what ``fill_gradient`` filled.
        halo: ``halo_table()``.
        clouds: ``cloud_map()``.
        sky: float32 (W / 2 + 1, H / 2 + 1, 4), receives colour and how much of a star shines through, where needed.
    """
    last = tops_W.shape[0] - 1
    for i in range(sky.shape[0]):
        x = 2 * i
        bottom = max(tops_W[min(x, last)], tops_W[max(x - 1, 0)], tops_W[min(x + 1, last)])
        if bottom <= 0:
            continue
        view = views[x]
        for j in range(min(int(bottom) // 2 + 2, sky.shape[1])):
            r, g, b, clear = _soft_sky(2 * j, view, camera, air, gradient, halo, clouds)
            sky[i, j, 0], sky[i, j, 1], sky[i, j, 2], sky[i, j, 3] = r, g, b, clear


@pixel_kernel
def draw_sky_column(
    x: int,
    bottom: float,
    view: np.ndarray,
    air: np.ndarray,
    sky: np.ndarray,
    column_HC: np.ndarray,
    clear_H: np.ndarray,
) -> None:
    """Add the sky above ``bottom`` to column ``x`` of the picture.

    Args:
        x: number of the column.
        bottom: where the land begins; the pixel that it crosses gets its share of sky.
        view: float32 (VIEW_NUMBERS,), the ray of the column.
        air: the vector of ``atmosphere``.
        sky: what ``fill_sky`` filled.
        column_HC: float32 (H, 3), 0..1, is added to.
        clear_H: float32 (H,), receives how much of a star shines through.
    """
    one, quarter = np.float32(1), np.float32(0.25)
    discs = view[SUN_ALONG] > view[FLAT] * NEAR_DISC or view[MOON_ALONG] > view[FLAT] * NEAR_DISC
    i0, i1 = x // 2, (x + 1) // 2
    for y in range(min(int(math.ceil(bottom)), clear_H.shape[0])):
        share, j0, j1 = min(bottom - np.float32(y), one), y // 2, (y + 1) // 2
        r = quarter * (sky[i0, j0, 0] + sky[i1, j0, 0] + sky[i0, j1, 0] + sky[i1, j1, 0])
        g = quarter * (sky[i0, j0, 1] + sky[i1, j0, 1] + sky[i0, j1, 1] + sky[i1, j1, 1])
        b = quarter * (sky[i0, j0, 2] + sky[i1, j0, 2] + sky[i0, j1, 2] + sky[i1, j1, 2])
        clear = quarter * (sky[i0, j0, 3] + sky[i1, j0, 3] + sky[i0, j1, 3] + sky[i1, j1, 3])
        if discs:
            rise = (view[HORIZON_ROW] - np.float32(y) - np.float32(0.5)) / view[VIEW_FOCAL]
            disc = _disc(rise, one / math.sqrt(view[FLAT] * view[FLAT] + rise * rise), view, air) * min(2 * clear, one)
            r, g, b = r + disc * (air[SUN] - r), g + disc * (air[SUN + 1] - g), b + disc * (air[SUN + 2] - b)
            clear *= one - disc
        column_HC[y, 0] += share * r
        column_HC[y, 1] += share * g
        column_HC[y, 2] += share * b
        clear_H[y] = clear * share


@inlined
def _soft_sky(
    y: int,
    view: np.ndarray,
    camera: np.ndarray,
    air: np.ndarray,
    gradient: np.ndarray,
    halo: np.ndarray,
    clouds: np.ndarray,
) -> tuple[float, float, float, float]:
    """Colour of one pixel of the sky without discs, and how much of a star shines through."""
    flat, one = view[FLAT], np.float32(1)
    rise = max((view[HORIZON_ROW] - np.float32(y) - np.float32(0.5)) / view[VIEW_FOCAL], np.float32(0))
    tangent = rise / flat
    k = min(tangent * np.float32((SKY_STEPS - 1) / SKY_TOP), np.float32(SKY_STEPS - 1.01))
    k0 = int(k)
    k -= np.float32(k0)
    r = gradient[k0, 0] + k * (gradient[k0 + 1, 0] - gradient[k0, 0])
    g = gradient[k0, 1] + k * (gradient[k0 + 1, 1] - gradient[k0, 1])
    b = gradient[k0, 2] + k * (gradient[k0 + 1, 2] - gradient[k0, 2])
    length = one / math.sqrt(flat * flat + rise * rise)
    bright = np.float32(0)
    if air[HALO] > 0:
        bright += air[HALO] * halo_at((view[SUN_ALONG] + rise * view[SUN_RISE]) * length, halo)
    if air[MOON] > 0:
        bright += air[MOON] * np.float32(0.28) * halo_at((view[MOON_ALONG] + rise * view[MOON_RISE]) * length, halo)
    bright = min(bright, one)
    r, g, b = r + bright * (air[SUN] - r), g + bright * (air[SUN + 1] - g), b + bright * (air[SUN + 2] - b)
    cover, sunny = _clouds(tangent, view, camera, air, clouds)
    lift = np.float32(0.35) * bright
    r += cover * (air[CLOUD_SHADE] + sunny * (air[CLOUD] - air[CLOUD_SHADE]) + lift - r)
    g += cover * (air[CLOUD_SHADE + 1] + sunny * (air[CLOUD + 1] - air[CLOUD_SHADE + 1]) + lift - g)
    b += cover * (air[CLOUD_SHADE + 2] + sunny * (air[CLOUD + 2] - air[CLOUD_SHADE + 2]) + lift - b)
    return r, g, b, (one - bright) * (one - cover)


@inlined
def _disc(rise: float, length: float, view: np.ndarray, air: np.ndarray) -> float:
    """Share of one pixel that the sun or the moon covers."""
    sun = smoothstep(SUN_COSINE - 0.0005, SUN_COSINE + 0.0005, (view[SUN_ALONG] + rise * view[SUN_RISE]) * length)
    moon = smoothstep(MOON_COSINE - 0.0004, MOON_COSINE + 0.0004, (view[MOON_ALONG] + rise * view[MOON_RISE]) * length)
    return np.float32(air[DISC] * sun + air[MOON] * moon)


@inlined
def _clouds(
    tangent: float, view: np.ndarray, camera: np.ndarray, air: np.ndarray, clouds: np.ndarray
) -> tuple[float, float]:
    """Cover and brightness (shade 0, sunlit 1) of the flat cloud layer in one direction."""
    if tangent < CLOUD_START:
        return np.float32(0), np.float32(0)
    away = np.float32(26) / ((tangent + np.float32(0.055)) * view[FLAT])
    x = np.float32(camera[X] * CLOUD_PACE + 0.02 * camera[CLOCK] + CLOUD_AWAY) + view[TOWARD_X] * away
    y = np.float32(camera[Y] * CLOUD_PACE + CLOUD_AWAY) + view[TOWARD_Y] * away
    thick = _cloud(x, y, clouds)
    cover = min(max((thick - 1 + air[COVER]) * np.float32(2.4), np.float32(0)), np.float32(1))
    if cover <= 0:
        return np.float32(0), np.float32(0)
    ahead = _cloud(x + 5 * view[SUN_X], y + 5 * view[SUN_Y], clouds)
    sunny = np.float32(0.72) + np.float32(2.2) * (thick - ahead) - np.float32(0.35) * (thick - 1 + air[COVER])
    cover *= (2 - cover) * np.float32(0.92) * min((tangent - np.float32(CLOUD_START)) * np.float32(7), np.float32(1))
    return cover, min(max(sunny, np.float32(0)), np.float32(1))


@pixel_kernel
def draw_stars(
    stars: np.ndarray,
    strength: float,
    yaw: float,
    bank: float,
    horizon: float,
    focal: float,
    clear_WH: np.ndarray,
    picture_WHC: np.ndarray,
) -> None:
    """Add the stars in view, each spread over the four nearest pixels so that it glides when the camera turns."""
    width, height = clear_WH.shape
    for s in range(stars.shape[0]):
        angle = stars[s, STAR_AZIMUTH] - yaw
        ahead = math.cos(angle)
        if ahead < 0.4:
            continue
        side = math.sin(angle) / ahead
        x = width / 2 + side * focal - 0.5
        y = horizon + bank * (x + 0.5 - width / 2) - stars[s, STAR_TANGENT] / ahead * focal - 0.5
        x0, y0 = int(math.floor(x)), int(math.floor(y))
        if x0 < 0 or y0 < 0 or x0 >= width - 1 or y0 >= height - 1:
            continue
        power = strength * (0.25 + 0.75 * stars[s, STAR_POWER]) * 1.3
        for corner in range(4):
            i, j = x0 + corner % 2, y0 + corner // 2
            weight = (1 - abs(x - i)) * (1 - abs(y - j)) * power * clear_WH[i, j]
            warm = stars[s, STAR_WARMTH]
            picture_WHC[i, j, 0] += weight * (0.75 + 0.25 * warm)
            picture_WHC[i, j, 1] += weight * 0.9
            picture_WHC[i, j, 2] += weight * (1.0 - 0.2 * warm)
