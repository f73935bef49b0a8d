"""Tileable gradient noise and what flyover's landscapes are made of: fractal sums, ridges, eroded slopes, tree crowns.

Compiled with Numba, so this module is imported only when frames are drawn. Coordinates are in tiles: 0..1 is the whole
map and everything repeats after it. ``table`` is what ``noise_table`` returns; it holds the randomness of one world.
"""

from __future__ import annotations

import math

import numpy as np

from playground.data.worlds.flyover.compiler import inlined, kernel, pixel_kernel

TABLE = 256


def noise_table(rng: np.random.Generator) -> np.ndarray:
    """Random lattice of one world: float32 (256, 4) of gradient x, gradient y, a permutation and a uniform number."""
    angle = rng.random(TABLE) * 2 * np.pi
    columns = [np.cos(angle), np.sin(angle), rng.permutation(TABLE), rng.random(TABLE)]
    return np.stack(columns, 1).astype(np.float32)


@inlined
def lattice(x: int, y: int, table: np.ndarray) -> int:
    """Row of the table for a lattice point."""
    return int(table[(int(table[x & 255, 2]) + y) & 255, 2])


@inlined
def wrapped(cell: int, period: int) -> int:
    """``cell % period`` for cells at most one period outside; a division takes several times as long."""
    if cell < 0:
        return cell + period
    return cell - period if cell >= period else cell


@inlined
def gradient_noise(x: float, y: float, period: int, salt: int, table: np.ndarray) -> tuple[float, float, float]:
    """Perlin's gradient noise with quintic blending, about -0.7..0.7, and its two derivatives.

    Args:
        x: tile coordinate, -1..2, times ``period``.
        y: the same for the other axis.
        period: lattice cells per tile.
        salt: chooses one of many independent fields.
        table: randomness of the world.
    """
    x0, y0 = math.floor(x), math.floor(y)
    fx, fy = x - x0, y - y0
    left, low = wrapped(int(x0), period), wrapped(int(y0), period)
    right, high = wrapped(left + 1, period), wrapped(low + 1, period)
    shift = salt * 37
    a = table[lattice(left + shift, low + salt, table)]
    b = table[lattice(right + shift, low + salt, table)]
    c = table[lattice(left + shift, high + salt, table)]
    d = table[lattice(right + shift, high + salt, table)]
    va, vb = a[0] * fx + a[1] * fy, b[0] * (fx - 1) + b[1] * fy
    vc, vd = c[0] * fx + c[1] * (fy - 1), d[0] * (fx - 1) + d[1] * (fy - 1)
    ux, uy = fx * fx * fx * (fx * (fx * 6 - 15) + 10), fy * fy * fy * (fy * (fy * 6 - 15) + 10)
    dux, duy = 30 * fx * fx * (fx * (fx - 2) + 1), 30 * fy * fy * (fy * (fy - 2) + 1)
    k = va - vb - vc + vd
    value = va + ux * (vb - va) + uy * (vc - va) + ux * uy * k
    slope_x = a[0] + ux * (b[0] - a[0]) + uy * (c[0] - a[0]) + ux * uy * (a[0] - b[0] - c[0] + d[0])
    slope_y = a[1] + ux * (b[1] - a[1]) + uy * (c[1] - a[1]) + ux * uy * (a[1] - b[1] - c[1] + d[1])
    return value, slope_x + dux * (uy * k + vb - va), slope_y + duy * (ux * k + vc - va)


@pixel_kernel
def fractal(u: float, v: float, period: int, octaves: int, salt: int, table: np.ndarray) -> float:
    """Sum of ``octaves`` noises, each twice as fine and half as strong; about -1..1."""
    total, strength = 0.0, 1.0
    for octave in range(octaves):
        total += strength * gradient_noise(u * period, v * period, period, salt + octave, table)[0]
        strength *= 0.5
        period *= 2
    return total


@pixel_kernel
def ridges(u: float, v: float, period: int, octaves: int, salt: int, table: np.ndarray) -> float:
    """Ridged multifractal after Musgrave (Texturing and Modeling, 1994): sharp crests, smooth valleys; about 0..1."""
    total, strength, weight = 0.0, 0.5, 1.0
    for octave in range(octaves):
        crest = 1 - abs(gradient_noise(u * period, v * period, period, salt + octave, table)[0]) * 1.6
        crest = max(crest, 0.0) ** 2 * weight
        total += crest * strength
        weight = min(crest * 1.6, 1.0)
        strength *= 0.5
        period *= 2
    return total


@pixel_kernel
def eroded(u: float, v: float, period: int, octaves: int, salt: int, table: np.ndarray) -> float:
    """Fractal sum whose detail fades on slopes (I. Quilez, "Value noise derivatives", 2008), so it looks weathered."""
    total, strength, slope_x, slope_y = 0.0, 1.0, 0.0, 0.0
    for octave in range(octaves):
        value, dx, dy = gradient_noise(u * period, v * period, period, salt + octave, table)
        slope_x += dx
        slope_y += dy
        total += strength * value / (1 + 1.2 * (slope_x * slope_x + slope_y * slope_y))
        strength *= 0.5
        period *= 2
    return total


@pixel_kernel
def crowns(u: float, v: float, cells: int, table: np.ndarray) -> tuple[float, float]:
    """Round bumps, one in each cell: height 0..1 of the tallest here and a number 0..1 that belongs to that bump."""
    x, y = u * cells, v * cells
    cell_x, cell_y = math.floor(x), math.floor(y)
    best, kind = 0.0, 0.0
    for offset in range(9):
        i, j = int(cell_x) + offset % 3 - 1, int(cell_y) + offset // 3 - 1
        row = lattice(wrapped(i, cells) + 91, wrapped(j, cells) + 17, table)
        cx = i + 0.5 + 0.3 * table[row, 0]
        cy = j + 0.5 + 0.3 * table[row, 1]
        size = 0.75 + 0.5 * table[row, 3]
        dome = size * (1 - ((x - cx) ** 2 + (y - cy) ** 2) * 1.7)
        if dome > best:
            best, kind = dome, table[(row + 77) & 255, 3]
    return min(best, 1.0), kind


@inlined
def smoothstep(low: float, high: float, x: float) -> float:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@kernel
def fractal_map(size: int, period: int, octaves: int, salt: int, table: np.ndarray) -> np.ndarray:
    """``fractal`` over a whole tile, float32 (size, size)."""
    out = np.empty((size, size), np.float32)
    for row in range(size):
        for column in range(size):
            out[row, column] = fractal(column / size, row / size, period, octaves, salt, table)
    return out
