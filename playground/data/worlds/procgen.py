"""The Procgen games beside CoinRun that look good at 64 to 128 px, with a policy for each way of moving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError, suggest
from playground.core.registry import COLLECTORS
from playground.data.worlds.procgen_batch import BatchPolicy, ProcgenBatch

DIRECTIONS = ["left-down", "left", "left-up", "down", "noop", "up", "right-down", "right", "right-up"]
# Order of the chances: as DIRECTIONS, then the action key where the game has one.
FLY = (0.09, 0.13, 0.09, 0.12, 0.10, 0.12, 0.09, 0.17, 0.09)
PLATFORM = (0.01, 0.19, 0.16, 0.01, 0.08, 0.08, 0.01, 0.25, 0.21)
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
        caption: what the picture shows; three other wordings follow in ``paraphrases``.
        key: name of the action key, or ``""``.
        key_chance: share of draws that press it.
        time_limit: frames after which the game cuts an episode.
    """

    chances: tuple[float, ...]
    caption: str
    paraphrases: tuple[str, ...]
    key: str = ""
    key_chance: float = 0.25
    time_limit: int = 1000


GAMES = {
    "starpilot": Game(
        FLY,
        "a small space ship flies past stars and shoots at enemies",
        (
            "a side-scrolling space shooter",
            "piloting a tiny fighter through space under enemy fire",
            "spacecraft and bullets in front of a starry sky",
        ),
        key="fire",
    ),
    "bigfish": Game(
        FLY,
        "a fish swims under water, eats smaller fish and grows",
        (
            "a small green fish in the sea among other fish",
            "an underwater game where big fish eat little fish",
            "swimming through blue water and dodging larger fish",
        ),
        time_limit=6000,
    ),
    "bossfight": Game(
        SIDEWAYS,
        "a small space ship fights a large boss ship in space",
        (
            "a duel with a huge spacecraft that fires in all directions",
            "a space shooter with one big enemy above",
            "dodging the bullets of a giant ship before the stars",
        ),
        key="fire",
        key_chance=0.35,
        time_limit=4000,
    ),
    "caveflyer": Game(
        THRUST,
        "a space ship flies through a cave with rock walls",
        (
            "steering a rocket through narrow tunnels",
            "flying inside a grey cavern with stars behind it",
            "a spacecraft in a winding cave, with targets to shoot",
        ),
        key="fire",
        key_chance=0.15,
    ),
    "climber": Game(
        PLATFORM,
        "a platform game: climb up from ledge to ledge and collect stars",
        (
            "jumping up a tall level with floating platforms",
            "a small hero climbs a tower of ledges",
            "a vertical jump and run game with stars to collect",
        ),
    ),
    "dodgeball": Game(
        WALK,
        "a dodgeball game seen from above, with players and balls among walls",
        (
            "throwing balls at opponents in an arena seen from above",
            "a top-down ball fight between thin walls",
            "dodging balls in a field with barriers",
        ),
        key="throw",
    ),
    "fruitbot": Game(
        SIDEWAYS,
        "a robot moves up between gaps in walls and collects fruit",
        (
            "a little robot gathers fruit and avoids other food",
            "scrolling up a field with walls, gates and fruit",
            "collecting fruit while slipping through openings in walls",
        ),
        key="throw",
        key_chance=0.10,
    ),
    "jumper": Game(
        PLATFORM,
        "a platform game: a bunny jumps through a cave to find a carrot",
        (
            "a rabbit hops from ledge to ledge past spikes",
            "double jumps through a cavern with a compass in the corner",
            "a jump and run game with a bunny in an open cave",
        ),
    ),
    "leaper": Game(
        FORWARD,
        "a frog crosses a busy road and a river with logs",
        (
            "a frog hops between cars and floating logs",
            "crossing lanes of traffic and a stream, seen from above",
            "a road crossing game with a little frog",
        ),
        time_limit=500,
    ),
    "ninja": Game(
        PLATFORM,
        "a platform game: a ninja jumps over ledges and avoids bombs",
        (
            "a ninja leaps from platform to platform",
            "jumping along narrow ledges and throwing stars at bombs",
            "a jump and run game with a small ninja and explosives",
        ),
        key="throw",
        key_chance=0.08,
    ),
    "plunder": Game(
        SIDEWAYS,
        "a ship at sea fires at the pirate ships that pass",
        (
            "a naval battle with small ships on blue waves",
            "shooting cannonballs at boats on the sea",
            "a cannon ship hunts pirates on the ocean",
        ),
        key="fire",
        key_chance=0.30,
        time_limit=4000,
    ),
}


@COLLECTORS.register("procgen")
class ProcgenCollector(ProcgenBatch):
    """Plays one of ``GAMES`` (MIT code, CC0 / CC-BY / OGA-BY art) through the Procgen package.

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
            PlaygroundError: a size that does not divide 512, an unknown split, game or option.
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
        self.captions = [entry.caption for entry in GAMES.values()]
        self.paraphrases = [list(entry.paraphrases) for entry in GAMES.values()]
        self._caption = list(GAMES).index(self._game)

    def _policy(self, seed: int, first_stream: int, streams: int, frames: int) -> BatchPolicy:
        generators = [np.random.default_rng([seed, 2, first_stream + k, *self._split_seeds]) for k in range(streams)]
        return _StickyPolicy(GAMES[self._game], generators, frames)


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
