"""The driver of the racing world: aims at the road ahead with a wandering hand, and at times plays with the keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ACTIONS = ("noop", "left", "right", "gas", "brake", "gas-left", "gas-right")
# Steering, gas and brake of each action.
CONTROLS = (
    (0.0, 0.0, 0.0),
    (-0.45, 0.0, 0.0),
    (0.45, 0.0, 0.0),
    (0.0, 0.5, 0.0),
    (0.0, 0.0, 0.5),
    (-0.45, 0.35, 0.0),
    (0.45, 0.35, 0.0),
)
NOOP, LEFT, RIGHT, GAS, BRAKE, GAS_LEFT, GAS_RIGHT = range(len(ACTIONS))
# Starts of random play per frame and its length: about a fifth of all frames.
PLAY_CHANCE, PLAY_FRAMES, PLAY_HOLD = 0.06, (3, 9), (1, 4)
# Farther than this from the middle of the road (it is 6.7 to either side) the game is over.
PLAY_REACH = 6.0
# Random play also ends when the nose points farther from the road than this, in radians.
PLAY_HEADING = 1.2
AIM_AHEAD, RECOVERY_AHEAD = 6, 5
# Points of the road ahead whose directions limit the speed, the lowest such limit, and how far above one it brakes.
LOOK_AHEAD, SLOWEST, SPEED_SLACK = (8, 13, 18), 14.0, 4.0
# An Ornstein-Uhlenbeck process makes the hand wander: how fast it comes back, how hard it is pushed.
WANDER_BACK, WANDER_PUSH = 0.12, 0.06
DEAD_ZONE = 0.09
SPEEDS = (18.0, 44.0)


class Driver:
    """Chooses an action for each frame of one episode."""

    def __init__(self, rng: np.random.Generator, track_P2: np.ndarray) -> None:
        """Drive along ``track_P2``, points in driving order; all chance comes from ``rng``."""
        self._rng, self._track_P2 = rng, track_P2
        self._wander, self._play, self._hold, self._held = 0.0, 0, 0, NOOP
        self._speed = float(rng.uniform(*SPEEDS))

    def act(self, car: Any, on_road: bool) -> int:
        """The action for the car as it stands now."""
        rng = self._rng
        self._wander += -WANDER_BACK * self._wander + WANDER_PUSH * float(rng.standard_normal())
        if rng.random() < 0.02:
            self._speed = float(rng.uniform(*SPEEDS))
        if self._play <= 0 and on_road and rng.random() < PLAY_CHANCE:
            self._play, self._hold = int(rng.integers(*PLAY_FRAMES)), 0
        position = np.array(car.hull.position)
        distance_P = np.sqrt(((self._track_P2 - position) ** 2).sum(1))
        nearest = int(distance_P.argmin())
        heading = abs(_turn_to(car, self._ahead(nearest, AIM_AHEAD)))
        if self._play > 0 and distance_P[nearest] < PLAY_REACH and heading < PLAY_HEADING:
            return self._play_with_keys()
        self._play = 0
        return self._follow(car, on_road, nearest)

    def _play_with_keys(self) -> int:
        self._play -= 1
        if self._hold <= 0:
            self._held, self._hold = int(self._rng.integers(len(ACTIONS))), int(self._rng.integers(*PLAY_HOLD))
        self._hold -= 1
        return self._held

    def _follow(self, car: Any, on_road: bool, nearest: int) -> int:
        aim = self._ahead(nearest, AIM_AHEAD if on_road else RECOVERY_AHEAD)
        error = _turn_to(car, aim) + (self._wander if on_road else 0.0)
        speed = math.hypot(*car.hull.linearVelocity)
        # Bends ahead, being far off course, and grass ask for less speed.
        bend = max(abs(_turn_to(car, self._ahead(nearest, points))) for points in LOOK_AHEAD)
        limit = max(SLOWEST, min(self._speed, 44 - 36 * min(bend, 0.9))) if on_road else 16.0
        if speed > limit + SPEED_SLACK:
            return BRAKE
        if abs(error) < DEAD_ZONE:
            return GAS if speed < limit else NOOP
        if speed < limit:
            return GAS_LEFT if error > 0 else GAS_RIGHT
        return LEFT if error > 0 else RIGHT

    def _ahead(self, nearest: int, points: int) -> np.ndarray:
        """The point of the road that lies so many points ahead."""
        return np.asarray(self._track_P2[(nearest + points) % len(self._track_P2)])


def _turn_to(car: Any, point: np.ndarray) -> float:
    """Angle from the car's nose to a point, positive to the left, -pi..pi."""
    x, y = point - np.array(car.hull.position)
    # The nose of an unturned car points along +y.
    angle = math.atan2(-x, y) - car.hull.angle
    return (angle + math.pi) % (2 * math.pi) - math.pi
