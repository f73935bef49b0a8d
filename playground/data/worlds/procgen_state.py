"""Reads the state that a Procgen game serialises: which backdrop it draws and where everything is.

The layout was worked out from the package's source (openai/procgen 0.10.7, ``serialize`` of ``game.cpp``,
``basic-abstract-game.cpp``, ``entity.cpp`` and ``grid.h``). All values are 4 bytes, little-endian:

    version, name, options, three random generators (as text), the game's counters, the entities, the view,
    the grid of blocks, values of the single game, end mark

Reading costs about 0.1 ms a game, nearly all of it for the text of the generators, and changes nothing in the game.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError

MAX_BYTES = 1 << 20
LAYOUT_VERSION, END_MARK = 0, 0xCAFECAFE
PLAYER = 0
# Values in each block of the layout.
OPTIONS, COUNTERS, ENTITY, VIEW, PLACE = 17, 15, 31, 19, 9
RESTRICT_THEMES, USE_BACKGROUNDS = 3, 4
BACKDROP, VIEW_SPAN = 1, 4
INT, FLOAT = "<i4", "<f4"


@dataclass(frozen=True)
class GameState:
    """What captions need of one game's state. Positions are in blocks, y points up.

    Attributes:
        game: name of the game.
        backdrop: number of the backdrop in the game's list; None when backdrops are switched off.
        restrict_themes: every theme number is drawn as theme 0.
        positions_E2: middle of each of E entities.
        velocities_E2: blocks per frame.
        types_E: the game's number for each kind of entity; the player is 0.
        span: width and height of the view in blocks.
        grid_YX: the game's number for the block at each place, row 0 at the bottom.
        own: the values of the single game, 4 bytes each.
        backdrop_at: byte offset of the backdrop's number in the state.
        own_at: byte offset of ``own`` in the state.
    """

    game: str
    backdrop: int | None
    restrict_themes: bool
    positions_E2: np.ndarray
    velocities_E2: np.ndarray
    types_E: np.ndarray
    span: float
    grid_YX: np.ndarray
    own: np.ndarray
    backdrop_at: int
    own_at: int

    @property
    def player(self) -> int:
        """Row of the player among the entities; the view is centred on it in the games that scroll both ways."""
        return int((self.types_E == PLAYER).argmax())


class StateReader:
    """Reads the states of the games of one simulator."""

    def __init__(self, env: Any) -> None:
        """Read from ``env``, a ``ProcgenGym3Env``; only between ``observe`` and the next ``act``."""
        from cffi import FFI

        self._env, self._buffer = env, np.zeros(MAX_BYTES, np.uint8)
        self._pointer = FFI().from_buffer("char[]", self._buffer)

    def read(self, index: int) -> GameState:
        """The state of game ``index``.

        Raises:
            PlaygroundError: see ``parse_state``.
        """
        length = self._env.call_c_func("get_state", index, self._pointer, MAX_BYTES)
        return parse_state(self._buffer[:length].tobytes())


def parse_state(state: bytes) -> GameState:
    """Take apart a serialised state.

    Raises:
        PlaygroundError: the bytes have another layout than the one that is known.
    """
    try:
        return _parse(state)
    except (struct.error, ValueError, IndexError) as error:
        raise PlaygroundError(
            f"the installed Procgen describes its games in an unknown way ({error}); "
            "install the known one with: pip install procgen-mirror==0.10.7"
        ) from error


def _parse(state: bytes) -> GameState:
    version, end = _ints(state, 0, 1)[0], struct.unpack_from("<I", state, len(state) - 4)[0]
    if (version, end) != (LAYOUT_VERSION, END_MARK):
        raise ValueError(f"layout {version}, end mark {end:#x}")
    options_at = _after_text(state, 4)
    game = state[8:options_at].decode()
    options = _ints(state, options_at, OPTIONS)
    at = _after_generator(state, _after_generator(state, options_at + 4 * OPTIONS)) + 4 * COUNTERS
    count = int(_ints(state, at + 4, 1)[0])
    entities = np.frombuffer(state, FLOAT, count * ENTITY, at + 8).reshape(count, ENTITY)
    view_at = at + 8 + 4 * count * ENTITY
    place_at = _after_generator(state, view_at + 4 * VIEW)
    span = float(np.frombuffer(state, FLOAT, PLACE, place_at)[VIEW_SPAN])
    width, height, cells = _ints(state, place_at + 4 * PLACE, 3).tolist()
    grid_at = place_at + 4 * (PLACE + 3)
    own_at = grid_at + 4 * cells
    return GameState(
        game=game,
        backdrop=int(_ints(state, view_at, VIEW)[BACKDROP]) if options[USE_BACKGROUNDS] else None,
        restrict_themes=bool(options[RESTRICT_THEMES]),
        positions_E2=entities[:, 0:2],
        velocities_E2=entities[:, 2:4],
        types_E=entities.view(INT)[:, 6],
        span=span,
        grid_YX=_ints(state, grid_at, cells).reshape(height, width),
        own=_ints(state, own_at, (len(state) - 4 - own_at) // 4),
        backdrop_at=view_at + 4 * BACKDROP,
        own_at=own_at,
    )


def _ints(state: bytes, at: int, count: int) -> np.ndarray:
    return np.frombuffer(state, INT, count, at)


def _after_text(state: bytes, at: int) -> int:
    """Where a text ends; its length stands before it."""
    length = struct.unpack_from("<i", state, at)[0]
    if not 0 <= length < len(state):
        raise ValueError(f"a text of {length} bytes")
    return at + 4 + int(length)


def _after_generator(state: bytes, at: int) -> int:
    """Where a random generator ends: a flag, then its numbers as text."""
    return _after_text(state, at + 4)
