"""The Procgen games beside CoinRun that look good at 64 to 128 px, with a policy for each way of moving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError, suggest
from playground.core.registry import COLLECTORS
from playground.data.worlds.procgen_backdrops import FLOOR, PLATFORM, SCENERY, SPACE, WATER, WAVES, Backdrops
from playground.data.worlds.procgen_batch import BatchPolicy, ProcgenBatch
from playground.data.worlds.procgen_state import GameState, StateReader
from playground.data.worlds.procgen_tracking import CaptionTrack, LevelCaptions

DIRECTIONS = ["left-down", "left", "left-up", "down", "noop", "up", "right-down", "right", "right-up"]
# Order of the chances: as DIRECTIONS, then the action key where the game has one.
FLY = (0.09, 0.13, 0.09, 0.12, 0.10, 0.12, 0.09, 0.17, 0.09)
PLATFORM_MOVES = (0.01, 0.19, 0.16, 0.01, 0.08, 0.08, 0.01, 0.25, 0.21)
FORWARD = (0.02, 0.18, 0.05, 0.06, 0.10, 0.32, 0.02, 0.20, 0.05)
SIDEWAYS = (0.02, 0.33, 0.02, 0.02, 0.20, 0.03, 0.02, 0.34, 0.02)
WALK = (0.05, 0.18, 0.05, 0.17, 0.10, 0.17, 0.05, 0.18, 0.05)
THRUST = (0.02, 0.17, 0.10, 0.05, 0.05, 0.30, 0.02, 0.19, 0.10)
# An action is held for 3 to 9 frames; the action key for 1 or 2, because most games shoot once a press.
HOLD, KEY_HOLD = (3, 10), (1, 3)


@dataclass(frozen=True)
class Game:
    """How a game is played and described.

    Attributes:
        chances: how often each direction is drawn.
        backdrops: families of its backdrops.
        texts: what the picture shows, and three other wordings; ``{0}`` and ``{1}`` are names of the backdrop.
        key: name of the action key, or ``""``.
        key_chance: share of draws that press it.
        time_limit: frames after which the game cuts an episode.
    """

    chances: tuple[float, ...]
    backdrops: Backdrops
    texts: tuple[str, str, str, str]
    key: str = ""
    key_chance: float = 0.25
    time_limit: int = 1000

    def describe(self) -> list[list[str]]:
        """For each family of backdrops the caption and its other wordings."""
        return [[text.format(*names) for text in self.texts] for names in self.backdrops.names]


GAMES = {
    "starpilot": Game(
        FLY,
        SPACE,
        (
            "a small space ship shoots at enemies before {0}",
            "a side-scrolling space shooter with {0} behind",
            "piloting a tiny fighter past {1} under enemy fire",
            "spacecraft and bullets in front of {1}",
        ),
        key="fire",
    ),
    "bigfish": Game(
        FLY,
        WATER,
        (
            "a fish eats smaller fish and grows, before {0}",
            "a small green fish among other fish, {0} behind",
            "a game of big and little fish in front of {1}",
            "swimming past {1} and dodging larger fish",
        ),
        time_limit=6000,
    ),
    "bossfight": Game(
        SIDEWAYS,
        SPACE,
        (
            "a small space ship fights a large boss ship before {0}",
            "a duel with a huge spacecraft in front of {0}",
            "a space shooter with one big enemy and {1} behind",
            "dodging the bullets of a giant ship before {1}",
        ),
        key="fire",
        key_chance=0.35,
        time_limit=4000,
    ),
    "caveflyer": Game(
        THRUST,
        SPACE,
        (
            "a space ship flies through a cave with {0} behind",
            "steering a rocket through narrow tunnels before {0}",
            "flying between rock walls with {1} behind them",
            "a spacecraft in a winding cave in front of {1}",
        ),
        key="fire",
        key_chance=0.15,
    ),
    "climber": Game(
        PLATFORM_MOVES,
        PLATFORM,
        (
            "a platform game: climb from ledge to ledge before {0}",
            "jumping up a tall level of platforms, {0} behind",
            "a small hero climbs a tower of ledges against {1}",
            "a vertical jump and run game with stars and {1}",
        ),
    ),
    "dodgeball": Game(
        WALK,
        FLOOR,
        (
            "a dodgeball game seen from above on {0}",
            "throwing balls at opponents on {0}, seen from above",
            "a top-down ball fight between thin walls over {1}",
            "dodging balls on {1} with barriers",
        ),
        key="throw",
    ),
    "fruitbot": Game(
        SIDEWAYS,
        FLOOR,
        (
            "a robot collects fruit between gaps in walls over {0}",
            "a little robot on {0} gathers fruit and avoids other food",
            "scrolling up over {1} with walls, gates and fruit",
            "collecting fruit and slipping through walls above {1}",
        ),
        key="throw",
        key_chance=0.10,
    ),
    "jumper": Game(
        PLATFORM_MOVES,
        SCENERY,
        (
            "a platform game: a bunny in a cave before {0}",
            "a rabbit hops from ledge to ledge past spikes, {0} behind",
            "double jumps in a cavern with a compass and {1}",
            "a jump and run game with a bunny in front of {1}",
        ),
    ),
    "leaper": Game(
        FORWARD,
        FLOOR,
        (
            "a frog crosses a road and a river, {0} around",
            "a frog hops between cars and logs with {0} around",
            "lanes of traffic and a stream across {1}, seen from above",
            "a road crossing game with a little frog on {1}",
        ),
        time_limit=500,
    ),
    "ninja": Game(
        PLATFORM_MOVES,
        SCENERY,
        (
            "a platform game: a ninja avoids bombs before {0}",
            "a ninja leaps from platform to platform, {0} behind",
            "jumping along narrow ledges past bombs against {1}",
            "a jump and run game with a small ninja and {1}",
        ),
        key="throw",
        key_chance=0.08,
    ),
    "plunder": Game(
        SIDEWAYS,
        WAVES,
        (
            "a ship on {0} fires at the pirate ships that pass",
            "a naval battle with small ships on {0}",
            "shooting cannonballs at boats on {1}",
            "a cannon ship hunts pirates on {1}",
        ),
        key="fire",
        key_chance=0.30,
        time_limit=4000,
    ),
}


@COLLECTORS.register("procgen")
class ProcgenCollector(ProcgenBatch):
    """Plays one of ``GAMES`` (MIT code, CC0 / CC-BY / OGA-BY art) through the Procgen package.

    A caption names the game and the family of its backdrop.

    Options:
        game: name of the game (default ``"starpilot"``).
        difficulty: ``"hard"`` (all backdrops, default) or ``"easy"``.
        backgrounds: draw the backdrop (default true).
        restrict_themes: one theme only (default false).
        threads: threads that draw, 0 for none; does not change the frames.
    """

    version = 1
    fps = 15.0
    _source = "procgen"
    licence = (
        "Procgen games: code MIT (OpenAI); art CC0, CC-BY 3.0/4.0 and OGA-BY 3.0, "
        "authors listed in procgen's ASSET_LICENSES.md"
    )

    def __init__(self, size: int, split: str, options: dict[str, Any]) -> None:
        """Check size, split and options without starting the simulator.

        Raises:
            PlaygroundError: a size that is not drawn, an unknown split, game or option.
        """
        super().__init__(size, split, options, defaults={"game": "starpilot"})
        self._game = str(self.options["game"])
        if self._game == "coinrun":
            raise PlaygroundError("CoinRun is a source of its own: playground collect coinrun")
        if self._game not in GAMES:
            known = ", ".join(GAMES)
            raise PlaygroundError(f"procgen has no game {self._game!r}.{suggest(self._game, GAMES)} Known: {known}.")
        self._split_seeds = (self.seed_range[0],)
        game = GAMES[self._game]
        self.time_limit = game.time_limit
        self.action_names = [*DIRECTIONS, game.key] if game.key else list(DIRECTIONS)
        # One table for all games, so that one set of embeddings serves every option.
        texts = {name: entry.describe() for name, entry in GAMES.items()}
        self.captions = [caption for rows in texts.values() for caption, *_ in rows]
        self.paraphrases = [others for rows in texts.values() for _, *others in rows]
        self._first_caption = self.captions.index(texts[self._game][0][0])

    def _policy(self, seed: int, first_stream: int, streams: int, frames: int) -> BatchPolicy:
        generators = [np.random.default_rng([seed, 2, first_stream + k, *self._split_seeds]) for k in range(streams)]
        return _StickyPolicy(GAMES[self._game], generators, frames)

    def _track(self, reader: StateReader, skip: int, streams: int) -> CaptionTrack:
        return LevelCaptions(reader, skip, streams, self._describe)

    def _describe(self, state: GameState) -> int:
        return self._first_caption + GAMES[self._game].backdrops.family(state.backdrop)


class _StickyPolicy:
    """Draws a direction and holds it; stream k of a seed plays the same whatever is beside it."""

    def __init__(self, game: Game, generators: list[np.random.Generator], frames: int) -> None:
        self._actions_ST = np.stack([_play(game, rng, frames) for rng in generators])
        self._t = -1

    def act(self, frames_SHWC: np.ndarray) -> np.ndarray:
        """Return int (S,) actions."""
        self._t += 1
        return self._actions_ST[:, self._t]


def _play(game: Game, rng: np.random.Generator, frames: int) -> np.ndarray:
    """Actions (frames,) of one player."""
    actions: list[int] = []
    while len(actions) < frames:
        if game.key and rng.random() < game.key_chance:
            actions += [len(DIRECTIONS)] * int(rng.integers(*KEY_HOLD))
        actions += [int(rng.choice(len(DIRECTIONS), p=game.chances))] * int(rng.integers(*HOLD))
    return np.array(actions[:frames])
