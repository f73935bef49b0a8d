"""One running Doom: opened without window, sound, display bars or traces in the person's folder, always in step."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.worlds.doom_walker import ACTIONS, BUTTONS, NAMES, ahead

TICS = 2
# Columns to the left and right of the square that is kept.
MARGIN = 32
# Mean depth of the middle of the view from which a line is free.
FREE = 16
# Tics before the first frame: the weapon is raised and the view has come to rest.
START_TIC, SETTLE_TICS = 14, 4
TURNS = 12
# Columns of the picture that a thing has to cover to be in view.
IN_VIEW = 6


class DoomGame:
    """Plays one game file of Freedoom, map after map; every picture is the middle square of what the game draws.

    Attributes:
        side: side of that square in pixels, 192 of 256 x 192 or 256 of 320 x 256.
    """

    def __init__(self, wad: str, scenario: str | None, seed: int, size: int) -> None:
        """Start the game.

        Args:
            wad: game file of the package, for example ``"freedoom2.wad"``.
            scenario: scenario file of the package whose map takes the place of the game's first one.
            seed: seed of the game's random numbers.
            size: side of the frames that are made of the pictures.

        Raises:
            PlaygroundError: ViZDoom is not installed or does not start.
        """
        try:
            import vizdoom
        except ImportError as error:
            raise PlaygroundError(
                f"collecting from doom needs the package vizdoom ({error}); install it with: pip install vizdoom"
            ) from error
        self._vizdoom, self._stack = vizdoom, contextlib.ExitStack()
        self.side = 192 if size <= 128 else 256
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="playground-doom-"))
        self._game = self._configure(wad, scenario, Path(folder))
        self._game.set_seed(seed)
        self._pressed = [[button in ACTIONS[name] for button in BUTTONS] for name in NAMES]
        self._idle = [False] * len(BUTTONS)
        try:
            # The game leaves a folder where it is started.
            with contextlib.chdir(folder):
                self._game.init()
        except Exception as error:
            self.close()
            raise PlaygroundError(f"ViZDoom does not start ({error}); try: python -m vizdoom") from error

    def close(self) -> None:
        """End the game's process and remove its temporary folder."""
        self._game.close()
        self._stack.close()

    def start(self, name: str, seed: int, rng: np.random.Generator, anywhere: bool) -> bool:
        """Begin an episode on a map, at its start or at the place of some item, looking along a free line.

        Args:
            name: the map.
            seed: seed of the game's random numbers.
            rng: draws the place.
            anywhere: begin at the place of an item, unhurt by enemies.

        Returns:
            Whether the episode is running: a place may end it at once, as an exit does.
        """
        game = self._game
        game.set_doom_map(name)
        game.set_seed(seed)
        game.new_episode()
        # There is no state to read once an episode has ended.
        if anywhere and not game.is_episode_finished():
            self._command("god")
            spots = [(o.position_x, o.position_y) for o in game.get_state().objects if o.category not in ("Monster",)]
            x, y = spots[int(rng.integers(len(spots)))]
            self._command(f"warp {x:.0f} {y:.0f}")
            game.make_action(self._idle, SETTLE_TICS)
            self._turn_to_the_open(rng)
        return not game.is_episode_finished()

    def view(self) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """Picture uint8 (side, side, 3), depth uint8 (side, side) and labels of what is in it.

        The x of a label counts from MARGIN columns left of the picture.
        """
        state = self._game.get_state()
        inside = slice(MARGIN, MARGIN + self.side)
        low, high = MARGIN + IN_VIEW, MARGIN + self.side - IN_VIEW
        labels = [label for label in state.labels if label.x + label.width > low and label.x < high]
        return state.screen_buffer[:, inside], state.depth_buffer[:, inside], labels

    def act(self, action: int) -> tuple[float, bool]:
        """Hold an action for two tics; returns the reward and whether the episode ended."""
        reward = self._game.make_action(self._pressed[action], TICS)
        return float(reward), bool(self._game.is_episode_finished())

    def position(self) -> tuple[float, float]:
        """Where the player stands, in map units."""
        variable = self._vizdoom.GameVariable
        return tuple(self._game.get_game_variable(name) for name in (variable.POSITION_X, variable.POSITION_Y))

    def _command(self, text: str) -> None:
        self._game.send_game_command(text)

    def _turn_to_the_open(self, rng: np.random.Generator) -> None:
        """Look around in steps of about 60 degrees from a random angle; stay at the first free line."""
        left = self._pressed[NAMES.index("left")]
        self._game.make_action(left, int(rng.integers(1, 90)))
        for _ in range(TURNS):
            if self._game.is_episode_finished():
                return
            if ahead(self._game.get_state().depth_buffer[:, MARGIN : MARGIN + self.side]) > FREE:
                return
            self._game.make_action(left, 14)

    def _configure(self, wad: str, scenario: str | None, folder: Path) -> Any:
        vizdoom = self._vizdoom
        home = Path(vizdoom.__file__).parent
        game = vizdoom.DoomGame()
        game.set_doom_game_path(str(home / wad))
        if scenario:
            game.set_doom_scenario_path(str(home / "scenarios" / scenario))
        game.set_doom_config_path(str(folder / "doom.ini"))
        game.set_mode(vizdoom.Mode.PLAYER)
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        # Messages in the middle of the screen, such as those of secrets, are not switched off with the others.
        game.add_game_args("-nosound +sv_infiniteammo 1 +con_midtime 0 +cl_showsecretmessage 0")
        resolution = vizdoom.ScreenResolution
        game.set_screen_resolution(resolution.RES_256X192 if self.side == 192 else resolution.RES_320X256)
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        for shown in ("hud", "crosshair", "messages", "screen_flashes"):
            getattr(game, f"set_render_{shown}")(False)
        game.set_depth_buffer_enabled(True)
        game.set_labels_buffer_enabled(True)
        game.set_objects_info_enabled(True)
        game.set_available_buttons([getattr(vizdoom.Button, name) for name in BUTTONS])
        # Easy: fewer enemies, so that they do not crowd the view.
        game.set_doom_skill(2)
        game.set_living_reward(0)
        game.set_kill_reward(1)
        game.set_item_reward(0.1)
        game.set_episode_start_time(START_TIC)
        game.set_episode_timeout(0)
        return game
