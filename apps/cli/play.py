"""Play a world in a window, or with --headless into a folder of frames, video and timings."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.session.session import Session

DEFAULT_WORLDS = ("base", "coinrun")
_DEFAULT_HEADLESS_FRAMES = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``playground play``."""
    parser.add_argument("world", metavar="WORLD", nargs="?", help="name of a world, or its folder (base, else coinrun)")
    parser.add_argument(
        "--prompt",
        metavar="TEXT_OR_IMAGE",
        help="a picture, a text, or a shipped prompt: its number, its name, or the name of its game",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="fixes the noise and the agent (0)")
    parser.add_argument(
        "--controller",
        metavar="human|random|sticky|PATH",
        help="who plays; PATH is a file with actions (human in the window, sticky without)",
    )
    parser.add_argument("--headless", action="store_true", help="no window; write to --out")
    parser.add_argument("--frames", type=int, metavar="N", help="stop after N frames (headless: 200)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for --headless: frames, play.mp4, stats.json")
    parser.add_argument("--no-video", action="store_true", help="do not write play.mp4")
    parser.add_argument("--fps", type=float, metavar="N", help="frames per second to aim for (what the world says)")
    parser.add_argument("--scale", type=int, default=0, metavar="N", help="window pixels per frame pixel (fits 640)")
    parser.add_argument("--stats", type=Path, metavar="FILE", help="write the window's timings as JSON at the end")
    add_engine_options(parser)


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose how the model runs."""
    names = "auto, eager, int8, openvino, openvino-f32, onnx or cudagraph"
    parser.add_argument("--backend", default="auto", metavar="NAME", help=f"what runs the model: {names} (auto)")
    parser.add_argument("--threads", type=int, metavar="N", help="compute threads (physical cores)")


def run(args: argparse.Namespace) -> int:
    """Play in a window or headless."""
    _check(args)
    if args.headless:
        return _run_headless(args)
    return _run_window(args)


def _check(args: argparse.Namespace) -> None:
    from apps.cli.checks import positive
    from playground.core.errors import PlaygroundError

    for option in ("frames", "fps", "threads"):
        if getattr(args, option) is not None:
            positive(f"--{option}", getattr(args, option))
    if args.scale < 0:
        raise PlaygroundError(f"--scale must be above 0, got {args.scale}")
    if not args.headless:
        if args.out is not None:
            raise PlaygroundError("--out goes with --headless; add --headless, or leave --out away")
        return
    if args.out is None:
        raise PlaygroundError("--headless needs a folder to write to; add --out DIR")
    if args.controller == "human":
        raise PlaygroundError("--headless has no keyboard; use --controller random, sticky or a file with actions")


def _run_headless(args: argparse.Namespace) -> int:
    from apps.desktop.headless import RolloutFacts, check_output, play_headless, require_av
    from playground.agents.policies import make_policy

    check_output(args.out)  # before the model is loaded: a bad folder should be reported at once
    if not args.no_video:
        require_av()
    session, load_s = open_session(args)
    controller = args.controller or "sticky"
    policy = make_policy(controller, session.actions, args.seed)
    fps = args.fps or session.fps
    facts = RolloutFacts(session.world.name, controller, fps, load_s, *engine_facts(session.engine))
    numbers = play_headless(
        session, policy, args.frames or _DEFAULT_HEADLESS_FRAMES, args.out, facts, video=not args.no_video
    )
    print(f"{numbers['frames']} frames of {facts.world} at {numbers['fps_median']:.1f} fps are in {args.out}")
    return 0


def _run_window(args: argparse.Namespace) -> int:
    from apps.desktop.display import require_display
    from apps.desktop.window import Window, WindowOptions
    from playground.agents.policies import make_policy
    from playground.core.config import write_json
    from playground.session.stats import LoadMeter, rss_mb

    require_display()
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame  # noqa: F401  a missing window library is reported before the model is loaded

    session, load_s = open_session(args)
    controller = args.controller or "human"
    policy_name = "sticky" if controller == "human" else controller
    policy = make_policy(policy_name, session.actions, args.seed)
    options = WindowOptions(args.fps or session.fps, args.scale, controller, args.frames)
    meter = LoadMeter()
    window = Window(
        session,
        policy,
        policy_name,
        options,
        prompts=[Path(path) for path in session.world.prompts],
        policy_for=lambda book: make_policy(policy_name, book, args.seed),
    )
    numbers: dict[str, Any] = dict(window.run())
    backend, threads = engine_facts(session.engine)
    numbers |= {"load_s": round(load_s, 3), "rss_mb": rss_mb(), "threads": threads, "backend": backend}
    numbers |= {"other_load": meter.other_load(), "first_frame_s": round(window.first_frame_s, 3)}
    if args.stats:
        write_json(args.stats, numbers)
    print(f"played {window.loop.stats.frames} frames at {numbers['fps_median']:.1f} fps")
    return 0


def open_session(args: argparse.Namespace, slots: int = 1) -> tuple[Session, float]:
    """Load the world of ``args`` and open a session on it.

    Args:
        args: parsed options with ``world``, ``backend``, ``threads`` and optionally ``prompt`` and ``seed``.
        slots: how many sessions the engine has room for.

    Returns:
        The session and the seconds that loading took.
    """
    started = time.perf_counter()
    from playground.core.errors import PlaygroundError
    from playground.engine.engine import Engine
    from playground.session.session import Session
    from playground.world.bundle import World

    name = args.world or default_world()
    print(f"loading {name} ...", file=sys.stderr)
    world = World.load(name)
    prompt: Any = getattr(args, "prompt", None)
    if isinstance(prompt, str) and prompt.isdigit() and not Path(prompt).exists():
        number, count = int(prompt), len(world.prompts)
        if not 1 <= number <= count:
            raise PlaygroundError(f"--prompt {number} does not exist; world {world.name!r} ships prompts 1 to {count}")
        prompt = number - 1
    print("preparing the engine ...", file=sys.stderr)
    engine = Engine(world, slots=slots, backend=args.backend, threads=args.threads)
    session = Session(world, engine, prompt, seed=getattr(args, "seed", 0))
    if session.warning:
        print(f"warning: {session.warning}", file=sys.stderr)
    return session, time.perf_counter() - started


def default_world() -> str:
    """The world to play when none is named: ``base`` if it is there, else ``coinrun``."""
    from apps.cli.worlds import known_worlds

    names = known_worlds()
    return next((name for name in DEFAULT_WORLDS if name in names), DEFAULT_WORLDS[-1])


def engine_facts(engine: Any) -> tuple[str, int]:
    """Name of the backend that an engine picked, and its number of compute threads."""
    import torch

    backend = getattr(engine, "backend", None)
    name = backend if isinstance(backend, str) else getattr(backend, "name", None)
    threads = getattr(engine, "threads", None)
    return str(name or getattr(engine, "backend_name", "eager")), int(threads or torch.get_num_threads())
