"""Draws a Crafter world from above: whole tiles scaled by area, the player in the middle, nights that stay readable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

VIEW = 9
HALF = VIEW // 2
NIGHT_TINT = np.array((12, 20, 72), np.float32)
NIGHT_DARKNESS, NIGHT_GREYNESS = 0.55, 0.5


class CrafterView:
    """Square pictures of 8 x 8 tiles around the player: nine tiles a side, half a tile cut at every edge.

    The light is softer than in the original and has no noise: night is at most 55 % darker and bluish.
    """

    def __init__(self, size: int, materials: list[str], assets: Path) -> None:
        """Load the sprites.

        Args:
            size: pixels of a frame's side, a multiple of 16.
            materials: names in the order of the world's material ids, from id 1.
            assets: folder of the package's sprites.
        """
        self._unit, self._size = size // 8, size
        self._assets = assets
        # Beyond the edge of the world is the sea.
        ground = [self._load(name)[..., :3] for name in ("water", *materials)]
        self._ground_MUUC = np.stack(ground).astype(np.float32)
        self._sprites: dict[str, np.ndarray] = {}

    def draw(self, world: Any, player: Any, out_HWC: np.ndarray) -> None:
        """Draw the surroundings of the player into uint8 (size, size, 3)."""
        unit, (px, py) = self._unit, player.pos
        tiles_YXUUC = self._ground_MUUC[visible_materials(world, player)]
        canvas = tiles_YXUUC.transpose(0, 2, 1, 3, 4).reshape(VIEW * unit, VIEW * unit, 3)
        for thing in visible_objects(world, player):
            x, y = (thing.pos[0] - px + HALF) * unit, (thing.pos[1] - py + HALF) * unit
            sprite = self._sprite(thing.texture)
            alpha = sprite[..., 3:] / 255
            place = canvas[y : y + unit, x : x + unit]
            place[:] = alpha * sprite[..., :3] + (1 - alpha) * place
        edge = unit // 2
        out_HWC[:] = _light(canvas[edge : edge + self._size, edge : edge + self._size], float(world.daylight))

    def _sprite(self, name: str) -> np.ndarray:
        if name not in self._sprites:
            self._sprites[name] = self._load(name).astype(np.float32)
        return self._sprites[name]

    def _load(self, name: str) -> np.ndarray:
        with Image.open(self._assets / f"{name}.png") as image:
            rgba = image.convert("RGBA")
        way = Image.Resampling.BOX if self._unit <= rgba.width else Image.Resampling.NEAREST
        return np.asarray(rgba.resize((self._unit, self._unit), way))


def visible_materials(world: Any, player: Any) -> np.ndarray:
    """Material ids (9, 9), rows from north to south, of the tiles around the player; 0 outside the world."""
    x, y = player.pos
    padded = np.zeros((VIEW, VIEW), np.uint8)
    width, height = world.area
    left, right = max(0, x - HALF), min(width, x + HALF + 1)
    top, bottom = max(0, y - HALF), min(height, y + HALF + 1)
    view = world._mat_map[left:right, top:bottom]
    padded[left - x + HALF : right - x + HALF, top - y + HALF : bottom - y + HALF] = view
    return padded.T


def visible_objects(world: Any, player: Any) -> list[Any]:
    """Creatures and things within the picture, the player among them, in the order of their creation."""
    x, y = player.pos
    return [thing for thing in world.objects if abs(thing.pos[0] - x) <= HALF and abs(thing.pos[1] - y) <= HALF]


def _light(canvas_HWC: np.ndarray, daylight: float) -> np.ndarray:
    dark = 1 - min(1.0, max(0.0, daylight))
    grey_HW1 = canvas_HWC.mean(2, keepdims=True)
    night = canvas_HWC + NIGHT_GREYNESS * (grey_HW1 - canvas_HWC)
    night = (1 - NIGHT_DARKNESS) * night + NIGHT_DARKNESS * NIGHT_TINT
    return np.clip((1 - dark) * canvas_HWC + dark * night + 0.5, 0, 255).astype(np.uint8)
