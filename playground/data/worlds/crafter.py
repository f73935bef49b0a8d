"""Crafter as a source of data: a tile world with meadows, forests, lakes, caves, creatures, day and night.

Only the simulation is the package's; ``crafter_view`` draws it. The player walks with a purpose, digs, and is kept
fed and healthy, so that long episodes show the land and not the hunger; only lava kills.
"""

from __future__ import annotations

import collections
import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.worlds import EPISODE_OPTION, StepBatch, check_world, episode_lengths
from playground.data.worlds.crafter_captions import caption_id, crafter_captions, crafter_paraphrases
from playground.data.worlds.crafter_view import VIEW, CrafterView, visible_materials, visible_objects

SIZES = (64, 128, 256)
SPLIT_WORLDS = {"train": (0, 1_000_000), "val": (1_000_000, 1_100_000), "test": (1_100_000, 1_200_000)}
# Name here: name in the package.
ACTIONS = {
    "noop": "noop",
    "left": "move_left",
    "right": "move_right",
    "up": "move_up",
    "down": "move_down",
    "do": "do",
    "place-stone": "place_stone",
    "place-plant": "place_plant",
}
MOVES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
# A day lasts 300 steps; every episode sees a night and a morning, from a random hour on. It is darkest at this share.
DAY = 300
EPISODE_FRAMES = (500, 801)
VITALS = ("health", "food", "drink", "energy")
SUPPLIES = {"stone": 5, "sapling": 5, "wood_pickaxe": 1, "stone_pickaxe": 1, "iron_pickaxe": 1, "stone_sword": 1}
HOLD, TRIP = (1, 9), (20, 70)
OBSTACLES = ("tree", "stone", "coal", "iron", "diamond", "Zombie", "Skeleton")
# Closer to the edge of the world than this, a traveller turns back.
EDGE = 7


@COLLECTORS.register("crafter")
class CrafterCollector:
    """Walks through Crafter (MIT, sprites in the package); a new world every episode.

    Rewards are the simulator's: one for each first achievement, less for wounds. An episode ends (terminated) in lava
    and is cut (truncated) after 500 to 800 frames, or ``episode_frames``, the only option.
    """

    version = 2
    fps = 8.0
    streams_per_rollout = 1
    licence = "Crafter: MIT (Danijar Hafner), sprites in the package; drawn by this project's own code"

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check size, split and options without starting the simulator.

        Raises:
            PlaygroundError: a size that is not drawn, an unknown split or option.
        """
        check_world("crafter", size, split, options, sizes=SIZES, splits=SPLIT_WORLDS, known_options=(EPISODE_OPTION,))
        self._lengths, self.options = episode_lengths(options, EPISODE_FRAMES)
        self._size = size
        self._seeds = SPLIT_WORLDS[split]
        self.seed_range = list(self._seeds)
        self.action_names = list(ACTIONS)
        self.captions = crafter_captions()
        self.paraphrases = crafter_paraphrases()

    def rollout(self, seed: int, first_stream: int, streams: int, frames: int) -> Iterator[StepBatch]:
        """Play ``streams`` worlds side by side; yields ``frames`` batches of uint8 (S, size, size, 3) and steps.

        Raises:
            PlaygroundError: the simulator is not installed.
        """
        try:
            # The package imports an old library that prints a notice on stderr; it is of no use to the person.
            with contextlib.redirect_stderr(io.StringIO()):
                import crafter
        except ImportError as error:
            raise PlaygroundError(
                f"collecting from crafter needs the package crafter ({error}); install it with: pip install crafter"
            ) from error
        view = CrafterView(self._size, crafter.constants.materials, crafter.constants.root / "assets")
        players = [
            _Player(crafter, view, self._seeds, self._lengths, seed, first_stream + index) for index in range(streams)
        ]
        frames_SHWC = np.empty((streams, self._size, self._size, 3), np.uint8)
        actions_S, rewards_S = np.zeros(streams, np.int64), np.zeros(streams, np.float32)
        captions_S = np.zeros(streams, np.int32)
        for _ in range(frames):
            terminated_S, truncated_S = np.zeros(streams, bool), np.zeros(streams, bool)
            for row, player in enumerate(players):
                captions_S[row] = player.draw(frames_SHWC[row])
                actions_S[row], rewards_S[row], terminated_S[row], truncated_S[row] = player.step()
            yield StepBatch(
                frames_SHWC, actions_S.copy(), rewards_S.copy(), terminated_S, truncated_S, captions_S.copy()
            )


class _InOrder(dict[Any, None]):
    """A set that keeps the order of its members: the package's own sets order objects by their address in memory."""

    def add(self, member: Any) -> None:
        self[member] = None

    def remove(self, member: Any) -> None:
        del self[member]


class _Player:
    """One stream: a simulator of its own, its play and its episodes, all from (seed, stream)."""

    def __init__(
        self,
        package: Any,
        view: CrafterView,
        seed_range: tuple[int, int],
        lengths: tuple[int, int],
        seed: int,
        stream: int,
    ) -> None:
        self._rng = np.random.default_rng([seed, 11, stream, seed_range[0]])
        self._package, self._view = package, view
        self._seed_range, self._lengths = seed_range, lengths
        self._codes = [package.constants.actions.index(name) for name in ACTIONS.values()]
        self._names = list(ACTIONS)
        self._env = package.Env(area=(64, 64), view=(VIEW, VIEW), size=(VIEW, VIEW), length=0, seed=0)
        # Drawing and the map of ids are not the package's here.
        self._env._obs = lambda: None
        self._env._sem_view = lambda: None
        self._ended = False
        self._start()

    def draw(self, out_HWC: np.ndarray) -> int:
        """Draw the frame; returns the id of its caption. A new world is made only when its first frame is needed."""
        if self._ended:
            self._start()
        world, player = self._env._world, self._env._player
        self._view.draw(world, player, out_HWC)
        counts = np.bincount(visible_materials(world, player).ravel(), minlength=len(world._mat_names))
        tiles = {world._mat_names[i]: int(count) for i, count in enumerate(counts) if count}
        creatures = {type(thing).__name__ for thing in visible_objects(world, player)}
        return caption_id(float(world.daylight), tiles, creatures)

    def step(self) -> tuple[int, float, bool, bool]:
        """Choose an action and take it; returns it with reward, terminated and truncated."""
        name = self._choose()
        action = self._names.index(name)
        _, reward, _, _ = self._env.step(self._codes[action])
        terminated = self._env._player.health <= 0
        self._refill()
        self._frame += 1
        truncated = not terminated and self._frame >= self._length
        self._ended = terminated or truncated
        return action, float(reward), terminated, truncated

    def _start(self) -> None:
        """What the package's ``reset`` does, with worlds of the split only and sets that keep their order."""
        env, world, rng = self._env, self._env._world, self._rng
        world.reset(seed=int(rng.integers(*self._seed_range)))
        world._chunks = collections.defaultdict(_InOrder)
        env._step = int(rng.integers(DAY))
        env._update_time()
        env._player = self._package.objects.Player(world, (world.area[0] // 2, world.area[1] // 2))
        env._unlocked = set()
        self._refill()
        world.add(env._player)
        self._package.worldgen.generate_world(world, env._player)
        self._frame, self._length, self._ended = 0, int(rng.integers(*self._lengths)), False
        self._hold, self._trip, self._action, self._way = 0, 0, "noop", "right"

    def _refill(self) -> None:
        inventory = self._env._player.inventory
        inventory.update(SUPPLIES)
        inventory.update({name: 9 for name in VITALS})
        self._env._last_health = 9

    def _choose(self) -> str:
        """Travel mostly one way for a while; dig through what is in the way, walk around water, keep out of lava."""
        rng = self._rng
        ahead = self._ahead(self._action)
        blocked = self._action in MOVES and ahead not in ("grass", "sand", "path")
        self._trip -= 1
        if self._trip <= 0:
            self._way, self._trip = str(rng.choice(list(MOVES))), int(rng.integers(*TRIP))
        self._way = self._inwards() or self._way
        if blocked and ahead in OBSTACLES and rng.random() < 0.7:
            facing = self._env._player.facing == MOVES[self._action]
            return "do" if facing else self._action
        if self._hold <= 0 or blocked:
            self._action = self._draw()
            self._hold = int(rng.integers(*HOLD)) if self._action in MOVES else 1
            if self._ahead(self._action) == "lava" and rng.random() < 0.98:
                self._action = "noop"
        self._hold -= 1
        return self._action

    def _inwards(self) -> str | None:
        """The way back from the edge of the world, or nothing when it is far."""
        (x, y), (width, height) = self._env._player.pos, self._env._world.area
        checks = {"right": x < EDGE, "left": x >= width - EDGE, "down": y < EDGE, "up": y >= height - EDGE}
        return next((way for way, near in checks.items() if near), None)

    def _draw(self) -> str:
        if self._rng.random() < 0.45:
            return self._way
        return str(self._rng.choice(self._names, p=(0.10, 0.17, 0.17, 0.17, 0.17, 0.10, 0.07, 0.05)))

    def _ahead(self, action: str) -> str | None:
        """Material of the tile that a move would lead to; the name of whoever stands there."""
        if action not in MOVES:
            return None
        x, y = self._env._player.pos
        material, thing = self._env._world[(x + MOVES[action][0], y + MOVES[action][1])]
        return type(thing).__name__ if thing else material
