"""Every world gives the same bytes in every process, whatever order Python's sets have there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# World: package that it needs.
WORLDS = {
    "flyover": "numba",
    "racing": "Box2D",
    "crafter": "crafter",
    "doom": "vizdoom",
    "procgen": "procgen",
    "coinrun": "procgen",
}
FRAMES = 80

PLAY = """
import hashlib, sys
import numpy as np
from playground.core.registry import COLLECTORS

frames, steps = hashlib.sha256(), hashlib.sha256()
for batch in COLLECTORS.get(sys.argv[1])(size=64, split="train", options={}).rollout(11, 0, 2, int(sys.argv[2])):
    frames.update(batch.frames_SHWC.tobytes())
    for values_S in (batch.actions_S, batch.captions_S, batch.terminated_S, batch.truncated_S):
        steps.update(np.asarray(values_S, np.int64).tobytes())
print("digests", frames.hexdigest(), steps.hexdigest())
"""


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_is_the_same_in_every_process(world: str) -> None:
    pytest.importorskip(WORLDS[world])
    digests = []
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", PLAY, world, str(FRAMES)]
        run = subprocess.run(command, env=env, capture_output=True, text=True)
        assert not run.returncode, run.stderr
        digests.append(run.stdout.splitlines()[-1].split())
    assert digests[0] == digests[1]
