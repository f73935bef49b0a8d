"""Measure how fast a world runs on this machine: frame times, key latency, start-up and memory."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.session.session import Session

_KEY_TEST_S = 6.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground bench``."""
    from apps.cli.play import add_engine_options

    parser.add_argument("world", metavar="WORLD", nargs="?", help="name of a world, or its folder (base, else coinrun)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers as JSON")
    parser.add_argument("--frames", type=int, default=200, metavar="N", help="frames to time at full speed (200)")
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, print and optionally write the numbers."""
    from apps.cli.checks import positive
    from apps.cli.play import engine_facts, open_session
    from playground.core.config import write_json
    from playground.session.stats import LoadMeter, process_age_s, rss_mb

    positive("--frames", args.frames)
    if args.threads is not None:
        positive("--threads", args.threads)
    session, load_s = open_session(args)
    session.step()
    first_frame_s = process_age_s()
    meter = LoadMeter()
    numbers: dict[str, Any] = time_frames(session, args.frames)
    numbers |= time_keys(session, float(session.world.fps), _KEY_TEST_S)
    backend, threads = engine_facts(session.engine)
    numbers |= {"first_frame_s": round(first_frame_s, 3), "load_s": round(load_s, 3), "rss_mb": rss_mb()}
    numbers |= {"threads": threads, "backend": backend, "other_load": meter.other_load()}
    for name, value in numbers.items():
        print(f"{name:<22} {value}")
    if args.json:
        write_json(args.json, numbers)
    return 0


def time_frames(session: Session, num_frames: int) -> dict[str, float]:
    """Frame rate and frame times at full speed with a sticky agent, after a short warm-up."""
    from tqdm import tqdm

    from playground.agents.policies import StickyPolicy
    from playground.session.stats import Stats

    session.warm_up(8)
    policy, stats = StickyPolicy(session.world.actions), Stats(window=num_frames)
    for _ in tqdm(range(num_frames), desc="frames", unit="frame", delay=2, leave=False):
        started = time.perf_counter()
        session.step(policy.act(session.frame))
        now = time.perf_counter()
        stats.add_frame(now - started, now)
    return stats.to_dict()


def time_keys(session: Session, target_fps: float, seconds: float) -> dict[str, float]:
    """Time from a key press at a random moment to the frame that it changed, at the world's own frame rate.

    The screen's own delay is not in it; a window adds up to one refresh.
    """
    import numpy as np

    from playground.session.controls import Controls
    from playground.session.loop import RealtimeLoop

    rng = np.random.default_rng(0)
    controls = Controls(session.world.actions)
    loop = RealtimeLoop(session, controls, target_fps)
    loop.start()
    shown = loop.wait_frame(timeout_s=120.0)
    end = time.perf_counter() + seconds
    press_at = time.perf_counter() + 0.1
    key = "right"
    while time.perf_counter() < end and shown is not None and loop.error is None:
        if time.perf_counter() >= press_at:
            controls.release_all()
            key = "left" if key == "right" else "right"
            controls.press(key)
            press_at += float(rng.uniform(0.1, 0.3))
        newer = loop.wait_frame(after=shown.index, timeout_s=max(press_at - time.perf_counter(), 0.001))
        if newer is not None:
            shown = newer
            loop.presented(shown)
    loop.stop()
    if loop.error is not None:
        raise loop.error
    numbers = loop.stats.to_dict()
    return {name: value for name, value in numbers.items() if name == "key_to_frame_ms_p95"}
