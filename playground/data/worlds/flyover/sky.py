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
    half = np.float32(0.5)
    share = min(max(half - half * cosine, np.float32(0)), np.float32(1))
    return halo[np.int32(np.float32(HALO_STEPS - 1) * math.sqrt(share))]


@inlined
def _cloud(x: float, y: float, clouds: np.ndarray) -> float:
    """Smooth look-up in the flat repeating cloud map; both coordinates are positive."""
    x0, y0 = np.int32(x), np.int32(y)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    one, edge = np.int32(1), np.int32(CLOUD_MAP - 1)
    i, j = np.int32(x0 & edge), np.int32((y0 & edge) * np.int32(CLOUD_MAP))
    i1, j1 = np.int32((x0 + one) & edge), np.int32(((y0 + one) & edge) * np.int32(CLOUD_MAP))
    a, b = clouds[np.uint32(j + i)], clouds[np.uint32(j + i1)]
    c, d = clouds[np.uint32(j1 + i)], clouds[np.uint32(j1 + i1)]
    low, high = a + fx * (b - a), c + fx * (d - c)
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
        clouds: ``cloud_map()``, flattened.
        sky: float32 (W / 2 + 1, 4, H / 2 + 1), receives colour and how much of a star shines through, where needed.
    """
    last = tops_W.shape[0] - 1
    for i in range(sky.shape[0]):
        x = 2 * i
        bottom = max(tops_W[min(x, last)], tops_W[max(x - 1, 0)], tops_W[min(x + 1, last)])
        if bottom > 0:
            count = min(int(bottom) // 2 + 2, sky.shape[2])
            _clear_sky(count, views[x], air, gradient, halo, sky[i])
            _add_clouds(count, views[x], camera, air, clouds, sky[i])


@pixel_kernel
def _clear_sky(
    count: int, view: np.ndarray, air: np.ndarray, gradient: np.ndarray, halo: np.ndarray, sky: np.ndarray
) -> None:
    """Gradient and glow around sun and moon at every second of ``2 * count`` rows; the last channel is the glow."""
    flat, horizon, focal = view[FLAT], view[HORIZON_ROW], view[VIEW_FOCAL]
    sun_along, sun_rise, moon_along, moon_rise = view[SUN_ALONG], view[SUN_RISE], view[MOON_ALONG], view[MOON_RISE]
    sunlight, moonlight = air[HALO], air[MOON] * np.float32(0.28)
    sun_r, sun_g, sun_b = air[SUN], air[SUN + 1], air[SUN + 2]
    one, two, zero = np.float32(1), np.float32(2), np.float32(0)
    for j in range(count):
        rise = max((horizon - two * np.float32(j) - np.float32(0.5)) / focal, zero)
        at = min(rise / flat * np.float32((SKY_STEPS - 1) / SKY_TOP), np.float32(SKY_STEPS - 1.01))
        k = np.int32(at)
        part, k1 = at - np.float32(k), np.int32(k + 1)
        r = gradient[k, 0] + part * (gradient[k1, 0] - gradient[k, 0])
        g = gradient[k, 1] + part * (gradient[k1, 1] - gradient[k, 1])
        b = gradient[k, 2] + part * (gradient[k1, 2] - gradient[k, 2])
        length = one / math.sqrt(flat * flat + rise * rise)
        bright = sunlight * halo_at((sun_along + rise * sun_rise) * length, halo)
        bright += moonlight * halo_at((moon_along + rise * moon_rise) * length, halo)
        bright = min(bright, one)
        sky[0, j] = r + bright * (sun_r - r)
        sky[1, j] = g + bright * (sun_g - g)
        sky[2, j] = b + bright * (sun_b - b)
        sky[3, j] = bright


@pixel_kernel
def _add_clouds(
    count: int, view: np.ndarray, camera: np.ndarray, air: np.ndarray, clouds: np.ndarray, sky: np.ndarray
) -> None:
    """Cover the sky with the flat cloud layer; turns the glow into how much of a star shines through."""
    flat, horizon, focal = view[FLAT], view[HORIZON_ROW], view[VIEW_FOCAL]
    toward_x, toward_y, sun_x, sun_y = view[TOWARD_X], view[TOWARD_Y], view[SUN_X], view[SUN_Y]
    here_x = np.float32(camera[X] * CLOUD_PACE + 0.02 * camera[CLOCK] + CLOUD_AWAY)
    here_y = np.float32(camera[Y] * CLOUD_PACE + CLOUD_AWAY)
    ahead_x, ahead_y = here_x + np.float32(5) * sun_x, here_y + np.float32(5) * sun_y
    shade_r, shade_g, shade_b = air[CLOUD_SHADE], air[CLOUD_SHADE + 1], air[CLOUD_SHADE + 2]
    lit_r, lit_g, lit_b = air[CLOUD] - shade_r, air[CLOUD + 1] - shade_g, air[CLOUD + 2] - shade_b
    share = air[COVER]
    one, two, zero = np.float32(1), np.float32(2), np.float32(0)
    for j in range(count):
        tangent = max((horizon - two * np.float32(j) - np.float32(0.5)) / focal, zero) / flat
        away = np.float32(26) / ((tangent + np.float32(0.055)) * flat)
        thick = _cloud(here_x + toward_x * away, here_y + toward_y * away, clouds)
        ahead = _cloud(ahead_x + toward_x * away, ahead_y + toward_y * away, clouds)
        dense = thick - one + share
        cover = min(max(dense * np.float32(2.4), zero), one)
        fade = min(max((tangent - np.float32(CLOUD_START)) * np.float32(7), zero), one)
        cover *= (two - cover) * np.float32(0.92) * fade
        sunny = np.float32(0.72) + np.float32(2.2) * (thick - ahead) - np.float32(0.35) * dense
        sunny = min(max(sunny, zero), one)
        bright = sky[3, j]
        lift = np.float32(0.35) * bright
        sky[0, j] += cover * (shade_r + sunny * lit_r + lift - sky[0, j])
        sky[1, j] += cover * (shade_g + sunny * lit_g + lift - sky[1, j])
        sky[2, j] += cover * (shade_b + sunny * lit_b + lift - sky[2, j])
        sky[3, j] = (one - bright) * (one - cover)


@pixel_kernel
def draw_sky_column(
    x: int,
    bottom: float,
    view: np.ndarray,
    air: np.ndarray,
    sky: np.ndarray,
    line: np.ndarray,
    column: np.ndarray,
) -> None:
    """Put the sky above ``bottom`` into column ``x`` of the picture.

    Args:
        x: number of the column.
        bottom: where the land begins; the pixel that it crosses gets its share of sky.
        view: float32 (VIEW_NUMBERS,), the ray of the column.
        air: the vector of ``atmosphere``.
        sky: what ``fill_sky`` filled.
        line: float32 (4, H + 2), room for the whole pixels.
        column: float32 (4, H), 0..1: colour, which must hold what the land covers, and how much of a star shines
            through.
    """
    quarter, half = np.float32(0.25), np.float32(0.5)
    whole = min(int(bottom), column.shape[1])
    for c in range(4):
        left, right, out, pixels = sky[x // 2, c], sky[(x + 1) // 2, c], line[c], column[c]
        for j in range(whole // 2 + 1):
            here = left[j] + right[j]
            out[2 * j], out[2 * j + 1] = half * here, quarter * (here + left[j + 1] + right[j + 1])
    if view[SUN_ALONG] > view[FLAT] * NEAR_DISC or view[MOON_ALONG] > view[FLAT] * NEAR_DISC:
        _add_discs(whole + 1, view, air, line)
    for c in range(4):
        out, pixels = line[c], column[c]
        for y in range(whole):
            pixels[y] = out[y]
        if whole < pixels.shape[0]:
            pixels[whole] += (bottom - np.float32(whole)) * out[whole]


@pixel_kernel
def _add_discs(count: int, view: np.ndarray, air: np.ndarray, line: np.ndarray) -> None:
    """Put sun and moon in front of the sky of ``line``, float32 (4, H + 2)."""
    one, flat, horizon, focal = np.float32(1), view[FLAT], view[HORIZON_ROW], view[VIEW_FOCAL]
    for y in range(count):
        rise = (horizon - np.float32(y) - np.float32(0.5)) / focal
        length = one / math.sqrt(flat * flat + rise * rise)
        sun = smoothstep(SUN_COSINE - 0.0005, SUN_COSINE + 0.0005, (view[SUN_ALONG] + rise * view[SUN_RISE]) * length)
        moon = (view[MOON_ALONG] + rise * view[MOON_RISE]) * length
        moon = smoothstep(MOON_COSINE - 0.0004, MOON_COSINE + 0.0004, moon)
        disc = np.float32(air[DISC] * sun + air[MOON] * moon) * min(np.float32(2) * line[3, y], one)
        for c in range(3):
            line[c, y] += disc * (air[SUN + c] - line[c, y])
        line[3, y] *= one - disc


@pixel_kernel
def draw_stars(
    stars: np.ndarray,
    strength: float,
    yaw: float,
    bank: float,
    horizon: float,
    focal: float,
    picture_WCH: np.ndarray,
) -> None:
    """Add the stars in view, each spread over the four nearest pixels so that it glides when the camera turns."""
    width, _, height = picture_WCH.shape
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
            weight = (1 - abs(x - i)) * (1 - abs(y - j)) * power * picture_WCH[i, 3, j]
            warm = stars[s, STAR_WARMTH]
            picture_WCH[i, 0, j] += weight * (0.75 + 0.25 * warm)
            picture_WCH[i, 1, j] += weight * 0.9
            picture_WCH[i, 2, j] += weight * (1.0 - 0.2 * warm)
