"""Draws the racing world from above: large, then averaged down, so that edges are smooth at 64 pixels too.

Imports pygame, so it is imported only when frames are drawn. Nothing is shown and no display is opened.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pygame

OVERSIZE = 4
# Width of the picture in units of the simulator; a road is 13 wide.
SPAN = 44.0
# Share of the picture that lies behind the car.
BEHIND = 0.27
PATCH = 1000 / 60
REACH = 3


class RacingPicture:
    """One episode's road and grass."""

    def __init__(self, road_poly: list[tuple[Any, Any]], grass: np.ndarray) -> None:
        """Take over the polygons of the road, kerbs included, and the colour of the grass."""
        self._polygons_P42 = np.array([polygon for polygon, _ in road_poly], float)
        self._colours = [tuple(int(min(max(c, 0), 255)) for c in colour) for _, colour in road_poly]
        self._grass = tuple(int(c) for c in np.clip(grass, 0, 255))
        self._patch = tuple(int(min(c * 1.07 + 5, 255)) for c in self._grass)

    def draw(self, car: Any, out_HWC: np.ndarray) -> None:
        """Draw the surroundings of the car, its nose up, into uint8 ``out_HWC``."""
        size = len(out_HWC) * OVERSIZE
        surface = pygame.Surface((size, size), depth=32)
        surface.fill(self._grass)
        zoom, angle = size / SPAN, -car.hull.angle
        x, y = car.hull.position
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shift = np.array([size / 2, size * BEHIND]) - zoom * (turn @ np.array([x, y]))
        self._draw_polygons(surface, _patches(x, y), [self._patch], zoom * turn, shift)
        self._draw_polygons(surface, self._polygons_P42, self._colours, zoom * turn, shift)
        car.draw(surface, zoom, pygame.math.Vector2(*shift), angle, True)
        small = pygame.transform.smoothscale(surface, out_HWC.shape[:2])
        # Surfaces are stored by column, and the simulator's y axis points up.
        out_HWC[:] = pygame.surfarray.array3d(small).transpose(1, 0, 2)[::-1]

    @staticmethod
    def _draw_polygons(
        surface: pygame.Surface, polygons_P42: np.ndarray, colours: list[Any], matrix: np.ndarray, shift: np.ndarray
    ) -> None:
        size = surface.get_width()
        placed_P42 = polygons_P42 @ matrix.T + shift
        low_P2, high_P2 = placed_P42.min(1), placed_P42.max(1)
        seen_P = ((high_P2 >= 0) & (low_P2 <= size)).all(1)
        for index in np.flatnonzero(seen_P):
            pygame.draw.polygon(surface, colours[index % len(colours)], placed_P42[index].tolist())


def _patches(x: float, y: float) -> np.ndarray:
    """Corners (P, 4, 2) of the lighter squares of grass around a place: every second one in both directions."""
    column, row = math.floor(x / PATCH / 2), math.floor(y / PATCH / 2)
    reach = range(-REACH, REACH + 1)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)
    return np.stack([(corners + (2 * (column + i), 2 * (row + j))) * PATCH for i in reach for j in reach])
