"""One running Doom: opened without window, sound, display bars or traces in the person's folder, always in step."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from playground.core.errors import PlaygroundError
from playground.data.worlds.doom_captions import MAZE
from playground.data.worlds.doom_wad import palette, places
from playground.data.worlds.doom_walker import ACTIONS, BUTTONS, NAMES, ahead

TICS = 2
# Mean depth of the middle of the view from which a line is free.
FREE = 16
# Tics before the first frame: the weapon is raised and the view has come to rest.
START_TIC, SETTLE_TICS = 14, 4
TURNS, TURN_DEGREES = 6, 60
# Share of the picture's width that a thing has to cover at its edge to be in view.
IN_VIEW = 1 / 32


@dataclass(frozen=True)
class View:
    """What the game draws for frames of one size; the middle square of it is kept.

    Most of the time goes into what is drawn, so it is the smallest resolution of the game that is not below the frame.

    Attributes:
        columns: width of the screen.
        side: height of the screen and side of the square.
    """

    columns: int
    side: int

    @property
    def margin(self) -> int:
        """Columns to the left and right of the square."""
        return (self.columns - self.side) // 2


class Thing(NamedTuple):
    """Something in view.

    Attributes:
        name: its class in the game, such as ``"Zombieman"``.
        kind: its category, such as ``"Monster"``.
        height: height of its box, in pixels of a view that is 256 pixels high.
        place: where the middle of its box is, -1 (left edge) to 1.
    """

    name: str
    kind: str
    height: int
    place: float


VIEWS = {64: View(160, 120), 128: View(200, 150), 256: View(320, 256)}


class DoomGame:
    """Plays one game file of Freedoom, map after map; every picture is the middle square of what the game draws."""

    def __init__(self, wad: str, scenario: str | None, seed: int, view: View) -> None:
        """Start the game.

        Args:
            wad: game file of the package, for example ``"freedoom2.wad"``.
            scenario: scenario file of the package whose map takes the place of the game's first one.
            seed: seed of the game's random numbers.
            view: what is drawn.

        Raises:
            PlaygroundError: ViZDoom is not installed or does not start.
        """
        try:
            import vizdoom
        except ImportError as error:
            raise PlaygroundError(
                f"collecting from doom needs the package vizdoom ({error}); install it with: pip install vizdoom"
            ) from error
        self._vizdoom, self._stack, self._view, self._scenario = vizdoom, contextlib.ExitStack(), view, scenario
        self._wad = Path(vizdoom.__file__).parent / wad
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="playground-doom-"))
        self._game = self._configure(Path(folder))
        self._game.set_seed(seed)
        # The last button takes degrees.
        self._pressed = [[*(float(button in ACTIONS[name]) for button in BUTTONS), 0.0] for name in NAMES]
        self._idle = [0.0] * (len(BUTTONS) + 1)
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

    @property
    def palette(self) -> np.ndarray:
        """Colours of the pictures, uint8 (256, 3)."""
        return palette(self._wad)

    def start(self, name: str, seed: int, rng: np.random.Generator, anywhere: bool) -> bool:
        """Begin an episode on a map, at its start or at the place of some item, looking along a free line.

        Args:
            name: the map.
            seed: seed of the game's random numbers.
            rng: draws the place and the direction.
            anywhere: begin unhurt by enemies, at the place of an item.

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
            # The maze itself draws the room in which to begin.
            if not (self._scenario and name == MAZE):
                spots = places(self._wad, name)
                x, y = spots[int(rng.integers(len(spots)))]
                self._command(f"warp {x:.0f} {y:.0f}")
            game.make_action(self._idle, SETTLE_TICS)
            self._turn_to_the_open(rng)
        return not game.is_episode_finished()

    def view(self) -> tuple[np.ndarray, np.ndarray, list[Thing]]:
        """Screen of palette numbers (side, columns), depth of its square, both uint8, and what is in the square."""
        state, margin, side = self._game.get_state(), self._view.margin, self._view.side
        low, high = margin + side * IN_VIEW, margin + side * (1 - IN_VIEW)
        things = []
        for label in state.labels:
            left, width = label.x, label.width
            if left + width > low and left < high:
                place = (left + width / 2 - margin) / (side / 2) - 1
                height = label.height * 256 // side
                things.append(Thing(label.object_name, label.object_category, height, place))
        return state.screen_buffer, self._square(state.depth_buffer), things

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

    def _square(self, screen_HW: np.ndarray) -> np.ndarray:
        margin = self._view.margin
        return screen_HW[:, margin : margin + self._view.side]

    def _turn_to_the_open(self, rng: np.random.Generator) -> None:
        """Look around in steps from a random direction; stay at the first free line."""
        degrees = float(rng.integers(360))
        for _ in range(TURNS):
            self._game.make_action([*self._idle[:-1], degrees], 1)
            if self._game.is_episode_finished() or ahead(self._square(self._game.get_state().depth_buffer)) > FREE:
                return
            degrees = TURN_DEGREES

    def _configure(self, folder: Path) -> Any:
        vizdoom = self._vizdoom
        game = vizdoom.DoomGame()
        game.set_doom_game_path(str(self._wad))
        if self._scenario:
            game.set_doom_scenario_path(str(self._wad.parent / "scenarios" / self._scenario))
        game.set_doom_config_path(str(folder / "doom.ini"))
        game.set_mode(vizdoom.Mode.PLAYER)
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        # Messages in the middle of the screen, such as those of secrets, are not switched off with the others.
        game.add_game_args("-nosound +sv_infiniteammo 1 +con_midtime 0 +cl_showsecretmessage 0")
        # The same picture, drawn a column at a time: cheaper than four at once where depth and labels are wanted too.
        game.add_game_args("+r_columnmethod 0")
        game.set_screen_resolution(getattr(vizdoom.ScreenResolution, f"RES_{self._view.columns}X{self._view.side}"))
        # A third of the bytes of RGB. The palette never changes, as there are no flashes.
        game.set_screen_format(vizdoom.ScreenFormat.DOOM_256_COLORS8)
        for shown in ("hud", "crosshair", "messages", "screen_flashes"):
            getattr(game, f"set_render_{shown}")(False)
        # For a textured map overlay, which nobody sees, the game would divide every map anew: five times as long.
        game.set_automap_render_textures(False)
        game.set_depth_buffer_enabled(True)
        game.set_labels_buffer_enabled(True)
        buttons = (*BUTTONS, "TURN_LEFT_RIGHT_DELTA")
        game.set_available_buttons([getattr(vizdoom.Button, name) for name in buttons])
        # Easy: fewer enemies, so that they do not crowd the view.
        game.set_doom_skill(2)
        game.set_living_reward(0)
        game.set_kill_reward(1)
        game.set_item_reward(0.1)
        game.set_episode_start_time(START_TIC)
        game.set_episode_timeout(0)
        return game
