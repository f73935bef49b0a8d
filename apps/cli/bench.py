"""Measure how fast a world runs on this machine: every backend, key latency with a window, start-up and memory."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.session.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground bench``."""
    from apps.cli.play import add_engine_options

    parser.add_argument("world", metavar="WORLD", nargs="?", help="name of a world, or its folder (base, else coinrun)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers as JSON")
    parser.add_argument("--frames", type=int, default=120, metavar="N", help="frames to time on each backend (120)")
    parser.add_argument("--busy", action="store_true", help="also time frames while another process keeps a core busy")
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, print and optionally write the numbers."""
    from apps.cli.bench_backends import compare_backends, flat_numbers, print_table
    from apps.cli.bench_window import measure_window
    from apps.cli.checks import positive
    from apps.cli.play import engine_facts, open_session
    from playground.core.config import write_json
    from playground.engine.backends import EXACT, installed_candidates
    from playground.session.stats import LoadMeter, process_age_s, rss_mb

    positive("--frames", args.frames)
    if args.threads is not None:
        positive("--threads", args.threads)
    session, load_s = open_session(args)
    session.step()
    backend, threads = engine_facts(session.engine)
    numbers: dict[str, Any] = {"first_frame_s": round(process_age_s(), 3), "load_s": round(load_s, 3)}
    meter = LoadMeter()
    numbers |= time_frames(session, args.frames)
    if args.busy:
        numbers |= time_beside_a_busy_process(session, args.frames, numbers["frame_ms_p50"])
    numbers |= measure_window(session)
    numbers |= {"rss_mb": rss_mb(), "threads": threads, "backend": backend, "other_load": meter.other_load()}
    for name, value in numbers.items():
        print(f"{name:<27} {value}")
    names = installed_candidates() if args.backend == "auto" else [EXACT, backend]
    rows = compare_backends(session.world, list(dict.fromkeys([*names, backend])), threads, args.frames)
    print_table(rows)
    if args.json:
        write_json(args.json, numbers | flat_numbers(rows))
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


def time_beside_a_busy_process(session: Session, num_frames: int, quiet_ms: float) -> dict[str, float]:
    """Frame times while a second process computes without pause; ``quiet_ms`` is the median without it."""
    code = "while True: pass"
    busy = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL)
    try:
        times = time_frames(session, num_frames)
    finally:
        busy.kill()
        busy.wait()
    return {
        "busy_frame_ms_p50": times["frame_ms_p50"],
        "busy_frame_ms_p95": times["frame_ms_p95"],
        "busy_p95_over_quiet_median": round(times["frame_ms_p95"] / quiet_ms, 3),
    }
