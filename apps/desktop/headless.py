"""Let a policy play without a window: frames, a video, a contact sheet and timings in one folder.

The folder is written under a temporary name and moved into place at the end, so it is complete or not there
at all.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.config import read_json, write_json
from playground.core.errors import PlaygroundError
from playground.session.stats import LoadMeter, Stats, process_age_s, rss_mb

MARK = "playground-rollout"
SCHEMA_VERSION = 1
_SHEET_FRAMES = 24


@dataclass(frozen=True)
class RolloutFacts:
    """What is written next to the frames.

    Attributes:
        world: name of the world.
        controller: who acted.
        fps: frames per second of the video.
        load_s: seconds it took to load the world and open the session.
        backend: what ran the model.
        threads: compute threads.
    """

    world: str
    controller: str
    fps: float
    load_s: float
    backend: str
    threads: int


def check_output(out: Path) -> None:
    """Refuse an output folder that holds something else.

    Raises:
        PlaygroundError: ``out`` is a file, or a folder with content that an earlier run did not write.
    """
    if out.exists() and not out.is_dir():
        raise PlaygroundError(f"--out {out} is a file; give a folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    try:
        ours = read_json(out / "actions.json", max_bytes=64 << 20).get("kind") == MARK
    except PlaygroundError:
        ours = False
    if not ours:
        raise PlaygroundError(f"--out {out} is not empty and not an earlier rollout; give a new or empty folder")


def play_headless(
    session: Any, policy: Any, num_frames: int, out: Path, facts: RolloutFacts, video: bool = True
) -> dict[str, Any]:
    """Play ``num_frames`` frames and write them to ``out``.

    Args:
        session: an open session.
        policy: who acts; see :mod:`playground.agents.policies`.
        num_frames: frames to generate.
        out: folder to write (see :func:`check_output`).
        facts: what to write next to the frames.
        video: whether to write ``play.mp4`` (needs the package ``av``).

    Returns:
        What was written to ``stats.json``.
    """
    check_output(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        (temporary / "frames").mkdir()
        frames, actions, numbers = _generate(session, policy, num_frames, temporary / "frames")
        if video:
            write_video(temporary / "play.mp4", frames, facts.fps)
        _write_sheet(temporary / "sheet.png", frames)
        write_json(temporary / "actions.json", _action_list(session, facts, actions))
        numbers |= {"load_s": round(facts.load_s, 3), "threads": facts.threads, "backend": facts.backend}
        numbers |= {
            "world": facts.world,
            "controller": facts.controller,
            "seed": session.seed,
            "frames": num_frames,
        }
        write_json(temporary / "stats.json", numbers)
        temporary.chmod(0o755)
        _move_into_place(temporary, out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return numbers


def _generate(
    session: Any, policy: Any, num_frames: int, folder: Path
) -> tuple[list[np.ndarray], list[int], dict[str, Any]]:
    from PIL import Image
    from tqdm import tqdm

    meter, stats = LoadMeter(), Stats(window=num_frames)
    frames: list[np.ndarray] = []
    actions: list[int] = []
    first_frame_s = 0.0
    elapsed = 0.0
    for index in tqdm(range(num_frames), desc="playing", unit="frame", delay=2, leave=False):
        action = int(policy.act(session.frame))
        started = time.perf_counter()
        frame = session.step(action)
        seconds = time.perf_counter() - started
        elapsed += seconds
        if index == 0:
            first_frame_s = process_age_s()
        else:  # the first frame pays for warming up; it is reported on its own
            stats.add_frame(seconds, elapsed)
        frames.append(frame)
        actions.append(action)
        Image.fromarray(frame).save(folder / f"{index:05d}.png", compress_level=1)
    numbers: dict[str, Any] = dict(stats.to_dict())
    numbers |= {
        "first_frame_s": round(first_frame_s, 3),
        "rss_mb": rss_mb(),
        "other_load": meter.other_load(),
    }
    return frames, actions, numbers


def write_video(path: Path, frames: Sequence[np.ndarray], fps: float, min_side: int = 256) -> None:
    """Write frames as an H.264 MP4, enlarged by a whole factor to at least ``min_side`` pixels.

    Raises:
        PlaygroundError: the package ``av`` is missing.
    """
    from fractions import Fraction

    av = require_av()
    height, width = frames[0].shape[:2]
    factor = max(1, -(-min_side // max(height, 1)))
    if width * factor % 2 or height * factor % 2:
        factor += 1  # yuv420p needs even sides
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width * factor, height * factor, "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast"}
        for frame in frames:
            large = np.repeat(np.repeat(frame, factor, axis=0), factor, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(large, format="rgb24")))
        container.mux(stream.encode())


def require_av() -> Any:
    """Return the module ``av``.

    Raises:
        PlaygroundError: it is not installed; the message says how to get it.
    """
    try:
        import av
    except ImportError as error:
        raise PlaygroundError(
            "play.mp4 needs the package av (extra 'video'): pip install av, or add --no-video"
        ) from error
    return av


def _write_sheet(path: Path, frames: Sequence[np.ndarray]) -> None:
    from apps.desktop.sheet import contact_sheet

    picks = np.linspace(0, len(frames) - 1, min(_SHEET_FRAMES, len(frames))).round().astype(int)
    contact_sheet([frames[index] for index in picks]).save(path)


def _action_list(session: Any, facts: RolloutFacts, actions: Sequence[int]) -> dict[str, Any]:
    names = {entry.code: entry.name for entry in session.actions.entries}
    return {
        "kind": MARK,
        "schema_version": SCHEMA_VERSION,
        "world": facts.world,
        "controller": facts.controller,
        "seed": session.seed,
        "fps": facts.fps,
        "actions": [{"t": t + 1, "code": code, "name": names.get(code, str(code))} for t, code in enumerate(actions)],
    }


def _move_into_place(temporary: Path, out: Path) -> None:
    """Rename ``temporary`` to ``out``; an earlier rollout goes only once the new one is complete."""
    if not out.exists():
        temporary.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
    out.rename(old / out.name)
    try:
        temporary.rename(out)
    except BaseException:
        (old / out.name).rename(out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
