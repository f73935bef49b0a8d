"""The words of CoinRun: ground, backdrop and what is in view."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from playground.data.worlds.procgen_backdrops import PLATFORM
from playground.data.worlds.procgen_state import GameState

# In the order of the game's numbers: the block's top shows dirt, grass, a purple rim, sand, snow or stone.
GROUNDS = ("dirt", "grassy", "purple", "sandy", "snowy", "stone")
# What is in view, the first that fits: ending of the caption and of its three other wordings.
EVENTS = {
    "coin": (" with a gold coin", ", a coin near", " and the coin", "a small alien and a coin"),
    "lava": (" with lava", ", lava near", " and hot lava", "a small alien and glowing lava"),
    "monster": (" with a monster", ", a monster near", " and an enemy", "a small alien and a creature"),
    "saw": (" with a saw blade", ", a saw near", " and a sharp saw", "a small alien and a spinning saw"),
    "": ("", "", "", "a small alien"),
}
NO_EVENT = len(EVENTS) - 1
# The game's numbers of blocks and of entities, with their places in ``EVENTS``.
BLOCK_EVENTS, ENTITY_EVENTS = ((1, "coin"), (17, "lava"), (18, "lava")), ((5, "monster"), (2, "saw"))
WALL_THEME = 1


def coinrun_captions() -> list[str]:
    """One caption for every ground, backdrop and event, in the order of ``caption_id``."""
    return [
        f"a platform game on {ground} ground before {backdrop[0]}{event[0]}" for ground, backdrop, event in _table()
    ]


def coinrun_paraphrases() -> list[list[str]]:
    """Three other wordings of each caption."""
    return [
        [
            f"jumping over {ground} blocks, {backdrop[0]} behind{event[1]}",
            f"a {ground} jump and run level{event[2]} in front of {backdrop[1]}",
            f"{event[3]} on {ground} ledges against {backdrop[1]}",
        ]
        for ground, backdrop, event in _table()
    ]


def caption_ids(before: GameState, after: GameState | None, frames: int) -> np.ndarray:
    """Caption ids, int32 (frames,), of the frames from one state up to the next.

    Args:
        before: state at the first of them.
        after: state one frame behind the last; None when the level ended there.
        frames: how many.
    """
    theme = 0 if before.restrict_themes else int(before.own[WALL_THEME])
    level = (theme * len(PLATFORM.names) + PLATFORM.family(before.backdrop)) * len(EVENTS)
    return np.asarray(level + _events_in_view(before, after, frames), np.int32)


def _table() -> itertools.product[tuple[str, tuple[str, str], tuple[str, str, str, str]]]:
    return itertools.product(GROUNDS, PLATFORM.names, EVENTS.values())


def _events_in_view(before: GameState, after: GameState | None, frames: int) -> np.ndarray:
    """Number in ``EVENTS`` of what is in view at each frame; a thing is in view when its middle is."""
    player_F2 = _player_path(before, after, frames)
    half = before.span / 2
    # Only blocks that come near the view.
    left, bottom = (max(int(low - half - 1), 0) for low in player_F2.min(0).tolist())
    right, top = (int(high + half + 1) for high in player_F2.max(0).tolist())
    block_events_YX = _numbers(BLOCK_EVENTS)[before.grid_YX[bottom:top, left:right]]
    rows, columns = np.nonzero(block_events_YX < NO_EVENT)
    entity_events_E = _numbers(ENTITY_EVENTS)[before.types_E]
    told = np.flatnonzero(entity_events_E < NO_EVENT)
    events_E = np.concatenate([block_events_YX[rows, columns], entity_events_E[told]])
    if not len(events_E):
        return np.full(frames, NO_EVENT)
    # Middles of the things, which move on as they do now, in two columns: to the right and up.
    places_E2 = np.empty((len(events_E), 2))
    places_E2[: len(rows), 0], places_E2[: len(rows), 1] = columns + (left + 0.5), rows + (bottom + 0.5)
    places_E2[len(rows) :] = before.positions_E2[told]
    speeds_E2 = np.zeros_like(places_E2)
    speeds_E2[len(rows) :] = before.velocities_E2[told]
    away_FE2 = places_E2 - player_F2[:, None] + np.arange(frames)[:, None, None] * speeds_E2
    seen_FE = np.abs(away_FE2).max(2) < half
    return np.where(seen_FE, events_E, NO_EVENT).min(1)


@functools.cache
def _numbers(events: tuple[tuple[int, str], ...]) -> np.ndarray:
    """Number in ``EVENTS`` of each of the game's own numbers."""
    numbers = np.full(256, NO_EVENT)
    for own, event in events:
        numbers[own] = list(EVENTS).index(event)
    return numbers


def _player_path(before: GameState, after: GameState | None, frames: int) -> np.ndarray:
    """Where the player is at each frame: a cubic curve through both places with both velocities (Hermite)."""
    row = before.player
    if after is None or frames == 1:
        return np.repeat(before.positions_E2[row : row + 1], frames, 0)
    ends = [(state.positions_E2[at], state.velocities_E2[at]) for state, at in ((before, row), (after, after.player))]
    return _hermite(frames) @ np.array([values for end in ends for values in end])


@functools.cache
def _hermite(frames: int) -> np.ndarray:
    """Weights (frames, 4) of place and velocity at the start and at the end of a cubic curve."""
    u = np.arange(frames) / frames
    weights = (2 * u**3 - 3 * u**2 + 1, frames * (u**3 - 2 * u**2 + u), 3 * u**2 - 2 * u**3, frames * (u**3 - u**2))
    return np.stack(weights, 1)
