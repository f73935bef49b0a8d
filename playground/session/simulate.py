"""Rollouts without a window or a clock: let a policy play a world for a number of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.session.history import SessionSnapshot

if TYPE_CHECKING:
    from playground.core.interfaces import Policy
    from playground.world.bundle import World


@dataclass(frozen=True)
class Rollout:
    """What a policy did and saw.

    Attributes:
        frames_THWC: uint8; frame 0 is where it started, frame t + 1 follows action t.
        actions_T: int64 codes, one fewer than frames.
        end: snapshot after the last frame, from which another rollout can go on.
        rewards_T: float32, entry t came with frame t + 1; None for a world that did not learn rewards.
        ends_T: float32 probability that frame t + 1 is the last of its episode; None likewise. Nothing stops there:
            cut the rollout where it suits, say at the first entry above 0.5.
    """

    frames_THWC: np.ndarray
    actions_T: np.ndarray
    end: SessionSnapshot
    rewards_T: np.ndarray | None = None
    ends_T: np.ndarray | None = None


def simulate(world: World, state: SessionSnapshot | None, policy: Policy, horizon: int, seed: int = 0) -> Rollout:
    """Play ``horizon`` frames.

    Args:
        world: the world to play.
        state: a session's snapshot to start from; None starts at the first shipped prompt.
        policy: anything with ``act(frame) -> action code``.
        horizon: frames to generate, at least 1.
        seed: of the noise when ``state`` is None; a snapshot brings its own.

    Raises:
        PlaygroundError: a horizon below 1, or a snapshot of another world.
    """
    if horizon < 1:
        raise PlaygroundError(f"the horizon is {horizon} frames; give at least 1")
    with world.generate(seed=seed) as session:
        if state is not None:
            session.restore(state)
        first: Any = session.frame
        frames, actions, outcomes = [first], [], []
        for _ in range(horizon):
            code = int(policy.act(frames[-1]))
            frames.append(session.step(code))
            actions.append(code)
            outcomes.append((session.reward, session.end))
        known = outcomes[0][0] is not None
        rewards_T, ends_T = np.array(outcomes, np.float32).T if known else (None, None)
        return Rollout(np.stack(frames), np.array(actions, np.int64), session.snapshot(), rewards_T, ends_T)
