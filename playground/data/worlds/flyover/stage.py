"""Puts flyover's parts together: worlds from seeds, the light on them, and pictures of them.

Imports the compiled modules, so it is imported only when frames are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from playground.data.worlds.flyover.biomes import BIOMES
from playground.data.worlds.flyover.ground import TILE
from playground.data.worlds.flyover.lighting import bake, height_levels, light_maps
from playground.data.worlds.flyover.noise import fractal_map, noise_table
from playground.data.worlds.flyover.renderer import Renderer, Scene, to_bytes
from playground.data.worlds.flyover.sky import cloud_map, halo_table, star_list
from playground.data.worlds.flyover.terrain import Terrain, build_terrain
from playground.data.worlds.flyover.weather import particle_list

CLOUD_MAPS = 4
_NOTHING = np.empty(0, np.uint32)


@dataclass(frozen=True)
class World:
    """One landscape and its sky, before any light falls on it."""

    terrain: Terrain
    lights: np.ndarray
    scene: Scene


class Place:
    """A world under one light, or on the way from one to another."""

    def __init__(self, world: World, air: np.ndarray) -> None:
        """Light the world."""
        self._world, self.air, self.next_air = world, air, air
        colours = bake(world.terrain, world.lights, air)
        self.scene = replace(world.scene, colours=colours, next_colours=colours)

    @property
    def height(self) -> np.ndarray:
        """Height map, float32 (N, N)."""
        return self._world.terrain.height

    def change(self, air: np.ndarray) -> None:
        """Begin a change to another light; one that is under way is completed first."""
        self.settle()
        self.next_air = air
        self.scene = replace(self.scene, next_colours=bake(self._world.terrain, self._world.lights, air))

    def settle(self) -> None:
        """Complete a change."""
        self.air = self.next_air
        self.scene = replace(self.scene, colours=self.scene.next_colours)


class Stage:
    """Makes worlds and draws them at one size."""

    def __init__(self, size: int) -> None:
        """Prepare what all worlds share; ``size`` is the width in pixels of what is drawn."""
        rng = np.random.default_rng(20)
        table = noise_table(rng)
        self._tiles = np.stack([fractal_map(TILE, 16, 3, 1, table).ravel(), fractal_map(TILE, 8, 3, 9, table).ravel()])
        self._clouds = [cloud_map(rng).ravel() for _ in range(CLOUD_MAPS)]
        self._particles = particle_list(rng)
        self._halo = halo_table()
        self._renderer = Renderer(size)
        self._packed = np.empty((size, size), np.int32)

    def world(self, biome: int, seed: int) -> World:
        """Make the landscape of a biome and a seed."""
        rng = np.random.default_rng([seed, biome, 12])
        terrain = build_terrain(biome, seed)
        azimuth = float(rng.random() * 2 * np.pi)
        scene = Scene(
            heights=height_levels(terrain.height),
            colours=_NOTHING,
            next_colours=_NOTHING,
            clouds=self._clouds[int(rng.integers(CLOUD_MAPS))],
            stars=star_list(rng),
            tiles=self._tiles,
            halo=self._halo,
            strata=BIOMES[biome].strata_table(),
            particles=self._particles,
            sun_azimuth=azimuth,
        )
        return World(terrain, light_maps(terrain.height, azimuth), scene)

    def place(self, world: World, air: np.ndarray) -> Place:
        """Put a world under the light of ``air``."""
        return Place(world, air)

    def draw(self, place: Place, camera: np.ndarray, before: np.ndarray, blend: float, out_HWC: np.ndarray) -> None:
        """Draw into uint8 ``out_HWC``, which may be smaller than what is drawn by a whole factor.

        Args:
            place: what to draw.
            camera: where from.
            before: the camera one frame earlier.
            blend: how far a change under way has come, 0..1.
            out_HWC: receives the picture.
        """
        air = place.air + np.float32(blend) * (place.next_air - place.air)
        to_bytes(self._renderer.draw(place.scene, camera, before, air, blend), self._packed, out_HWC)
