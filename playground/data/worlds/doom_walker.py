"""Who plays Doom: a walker that looks at the depth of the view and turns away from walls."""

from __future__ import annotations

import numpy as np

ACTIONS = {
    "noop": (),
    "forward": ("MOVE_FORWARD",),
    "back": ("MOVE_BACKWARD",),
    "left": ("TURN_LEFT",),
    "right": ("TURN_RIGHT",),
    "forward-left": ("MOVE_FORWARD", "TURN_LEFT"),
    "forward-right": ("MOVE_FORWARD", "TURN_RIGHT"),
    "strafe-left": ("MOVE_LEFT",),
    "strafe-right": ("MOVE_RIGHT",),
    "attack": ("ATTACK",),
    "use": ("USE",),
}
NAMES = list(ACTIONS)
BUTTONS = (
    "MOVE_FORWARD", "MOVE_BACKWARD", "TURN_LEFT", "TURN_RIGHT", "MOVE_LEFT", "MOVE_RIGHT", "ATTACK", "USE",
)  # fmt: skip
CRUISE = {
    "forward": 0.44, "forward-left": 0.12, "forward-right": 0.12, "left": 0.05, "right": 0.05, "strafe-left": 0.06,
    "strafe-right": 0.06, "back": 0.04, "noop": 0.04, "attack": 0.02,
}  # fmt: skip
COVER = {"strafe-left": 0.42, "strafe-right": 0.42, "noop": 0.16}
# Mean depth (the buffer's units) of the middle of the view: below NEAR there is a wall, above CLEAR the way is free.
NEAR, CLEAR = 9.0, 13.0
HOLD, SHOTS = (4, 13), (2, 6)
MAX_TURN = 30


class Walker:
    """Chooses the actions of one stream."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.reset()

    def reset(self) -> None:
        """Forget the last place."""
        self._action, self._hold, self._turn, self._turned = "forward", 0, "", 0

    def explore(self, depth_HW: np.ndarray, enemy_x: float | None) -> str:
        """Name of the next action.

        Args:
            depth_HW: depth of the square view, uint8, small is near.
            enemy_x: where an enemy is, -1 (left edge) to 1, or nothing.
        """
        rng = self._rng
        middle = ahead(depth_HW)
        if self._turn:
            self._turned += 1
            if middle < CLEAR and self._turned < MAX_TURN:
                return self._turn
            self._turn, self._hold = "", 0
        if middle < NEAR and self._action not in ("back", "use"):
            if rng.random() < 0.12:
                return self._begin("use", 1)
            third = depth_HW.shape[1] // 3
            left, right = depth_HW[:, :third].mean(), depth_HW[:, -third:].mean()
            self._turn, self._turned = "left" if left > right else "right", 0
            return self._turn
        self._hold -= 1
        if self._hold > 0:
            return self._action
        if enemy_x is not None and rng.random() < 0.35:
            aim = "attack" if abs(enemy_x) < 0.2 else "left" if enemy_x < 0 else "right"
            return self._begin(aim, int(rng.integers(*SHOTS)) if aim == "attack" else 2)
        return self._begin(str(rng.choice(list(CRUISE), p=list(CRUISE.values()))), int(rng.integers(*HOLD)))

    def dodge(self) -> str:
        """Name of the next action in Take Cover: steps to either side, as in the World Models study."""
        self._hold -= 1
        if self._hold <= 0:
            self._begin(str(self._rng.choice(list(COVER), p=list(COVER.values()))), int(self._rng.integers(*HOLD)))
        return self._action

    def _begin(self, action: str, hold: int) -> str:
        self._action, self._hold = action, hold
        return action


def ahead(depth_HW: np.ndarray) -> float:
    """Mean depth of the middle quarter of the view's width and height."""
    height, width = depth_HW.shape
    middle = depth_HW[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8]
    return float(middle.mean())
