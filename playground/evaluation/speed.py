"""How fast the world runs here, in the keys of ``playground bench``."""

from __future__ import annotations

import time
from typing import Any

from playground.evaluation.rollouts import Progress


def measure_speed(world: Any, prompt: Any = None, frames: int = 60, progress: Progress | None = None) -> dict[str, Any]:
    """Frame rate and frame times of one player at full speed, after a warm-up.

    Args:
        world: a loaded world.
        prompt: what to start from (see ``World.generate``); the first shipped prompt by default.
        frames: frames to time.
        progress: called after every frame.

    Returns:
        ``fps_median``, ``fps_p5``, ``frame_ms_p50``, ``frame_ms_p95``, ``threads`` and ``other_load``.
    """
    import torch

    from playground.session.stats import LoadMeter, Stats

    before = torch.get_num_threads()
    session = world.generate(prompt)
    session.warm_up(8)
    meter = LoadMeter()
    stats, codes = Stats(window=frames), [int(action.code) for action in world.actions] or [0]
    for index in range(frames):
        started = time.perf_counter()
        session.step(codes[index // 8 % len(codes)])
        now = time.perf_counter()
        stats.add_frame(now - started, now)
        if progress is not None:
            progress("speed", index + 1, frames)
    kept = ("fps_median", "fps_p5", "frame_ms_p50", "frame_ms_p95")
    numbers = {name: value for name, value in stats.to_dict().items() if name in kept}
    numbers |= {"threads": torch.get_num_threads(), "other_load": meter.other_load()}
    # The engine set its own number of threads; what follows in this process must not notice.
    torch.set_num_threads(before)
    session.close()
    return numbers
