"""Runs the desktop window over the fake world; the window tests start this file as its own process."""

from __future__ import annotations

import json
import sys

from apps.desktop.window import Window, WindowOptions
from playground.agents.policies import make_policy
from tests.session.fake import make_session


def main() -> None:
    """Play until the window is closed, then print the timings and the last frame's facts as JSON."""
    session = make_session()
    session.engine.delay_s = 0.01
    policy = make_policy("sticky", session.world.actions)
    window = Window(session, policy, "sticky", WindowOptions(target_fps=float(sys.argv[1]), scale=40))
    numbers: dict[str, object] = dict(window.run())
    numbers |= {"t": session.t, "seed": session.seed, "actions": [int(a) for a in session.engine.taken]}
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
