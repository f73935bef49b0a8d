"""How flyover's plane obeys its keys, and the pilot that presses them for a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from playground.data.worlds.flyover.view import ALTITUDE, BANK, CAMERA_NUMBERS, CLOCK, PITCH, YAW, ZOOM, X, Y

ACTIONS = (
    "noop", "left", "right", "climb", "dive", "faster", "slower",
    "climb-left", "climb-right", "dive-left", "dive-right",
)  # fmt: skip
SHARES = (0.14, 0.11, 0.11, 0.09, 0.09, 0.08, 0.08, 0.075, 0.075, 0.075, 0.075)
HOLD = (4, 15)
MAX_TURN, MAX_CLIMB = 0.05, 1.5
MIN_SPEED, MAX_SPEED, THROTTLE = 0.7, 3.1, 0.2
# Share of the way to the asked rate that one frame covers: two frames bring three quarters of it.
RESPONSE = 0.5
CLEARANCE, CEILING = 9.0, 74.0
LOOK_AHEAD = (0.0, 5.0, 10.0, 16.0, 23.0)
LEVEL_HORIZON = 0.38
# The plane's place repeats after this many maps: after so many, clouds and waves repeat too, so nothing jumps there.
MAPS_AROUND = 4


@dataclass
class Flight:
    """Place and motion of the plane; lengths are map texels, times are frames, angles radians."""

    x: float
    y: float
    altitude: float
    yaw: float
    speed: float
    turn: float = 0.0
    climb: float = 0.0
    clock: int = 0

    def step(self, action: str, height: np.ndarray) -> None:
        """Fly one frame with a key held; the ground (``height`` map) gently lifts a plane that would touch it."""
        asked_turn = MAX_TURN * (action.endswith("right") - action.endswith("left"))
        asked_climb = MAX_CLIMB * (action.startswith("climb") - action.startswith("dive"))
        self.turn += RESPONSE * (asked_turn - self.turn)
        self.climb += RESPONSE * (asked_climb - self.climb)
        change = THROTTLE * ((action == "faster") - (action == "slower"))
        self.speed = min(max(self.speed + change, MIN_SPEED), MAX_SPEED)
        self.yaw = (self.yaw + self.turn) % (2 * math.pi)
        size = len(height)
        around = MAPS_AROUND * size
        self.x = (self.x + self.speed * math.cos(self.yaw)) % around
        self.y = (self.y + self.speed * math.sin(self.yaw)) % around
        self.altitude += self.climb
        floor = self.ground(height) + CLEARANCE
        here = height.item(int(self.y) % size, int(self.x) % size)
        if self.altitude < floor:
            self.altitude += 0.3 * (floor - self.altitude)
            self.climb = max(self.climb, 0.0)
        if self.altitude > floor + CEILING:
            self.altitude += 0.2 * (floor + CEILING - self.altitude)
            self.climb = min(self.climb, 0.0)
        self.altitude = max(self.altitude, here + 4.0)
        self.clock += 1

    def ground(self, height: np.ndarray) -> float:
        """Highest ground from here to a few frames ahead."""
        size, ahead_x, ahead_y = len(height), math.cos(self.yaw), math.sin(self.yaw)
        return max(
            height.item(int(self.y + distance * ahead_y) % size, int(self.x + distance * ahead_x) % size)
            for distance in LOOK_AHEAD
        )

    def camera(self) -> np.ndarray:
        """The view from the plane, float64 (CAMERA_NUMBERS,)."""
        camera = np.empty(CAMERA_NUMBERS)
        camera[[X, Y, ALTITUDE, YAW, CLOCK]] = self.x, self.y, self.altitude, self.yaw, self.clock
        camera[BANK] = -5.0 * self.turn
        camera[PITCH] = LEVEL_HORIZON + 0.075 * self.climb / MAX_CLIMB
        # A wider view at speed, as in racing games.
        camera[ZOOM] = 1.06 - 0.16 * (self.speed - MIN_SPEED) / (MAX_SPEED - MIN_SPEED)
        return camera


class Pilot:
    """Holds each key for a few frames; every key is used often, and none where it could do nothing."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw all choices from ``rng``."""
        self._rng = rng
        self._action, self._left = "noop", 0

    def act(self, flight: Flight, clearance: float) -> str:
        """Choose the key for this frame, given the height above the ground ahead."""
        if self._left <= 0 or not self._useful(self._action, flight, clearance):
            self._left = int(self._rng.integers(*HOLD))
            self._action = self._draw(flight, clearance)
        self._left -= 1
        return self._action

    def _draw(self, flight: Flight, clearance: float) -> str:
        action = ACTIONS[int(self._rng.choice(len(ACTIONS), p=SHARES))]
        if not self._useful(action, flight, clearance):
            swap = {"climb": "dive", "dive": "climb", "faster": "slower", "slower": "faster"}
            head, dash, side = action.partition("-")
            action = swap.get(head, head) + dash + side
        return action

    @staticmethod
    def _useful(action: str, flight: Flight, clearance: float) -> bool:
        head = action.partition("-")[0]
        return {
            "dive": clearance > CLEARANCE + 2,
            "climb": clearance < CLEARANCE + CEILING - 2,
            "faster": flight.speed < MAX_SPEED - 0.05,
            "slower": flight.speed > MIN_SPEED + 0.05,
        }.get(head, True)
