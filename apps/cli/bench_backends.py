"""All backends of a world side by side, measured in turns so that other load hits all alike."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from playground.session.session import Session
    from playground.world.bundle import World

AGREEMENT_FRAMES = 16
_FRAMES_A_TURN = 5


class TimedBackend:
    """A backend that notes how long its two parts take; everything else is the backend's own."""

    def __init__(self, backend: Any) -> None:
        """Wrap a backend."""
        self._backend = backend
        self._on_gpu = next(backend.world.dynamics.parameters()).device.type == "cuda"
        self.dynamics_s = self.decode_s = 0.0

    def __getattr__(self, name: str) -> Any:
        """Whatever the backend has."""
        return getattr(self._backend, name)

    def run(self, *inputs: Tensor | None) -> Any:
        """One pass of the dynamics."""
        started = time.perf_counter()
        result = self._backend.run(*inputs)
        self.dynamics_s += self._now() - started
        return result

    def decode(self, latents_BTNC: Tensor) -> Tensor:
        """Latents to frames."""
        started = time.perf_counter()
        frames = self._backend.decode(latents_BTNC)
        self.decode_s += self._now() - started
        return frames

    def _now(self) -> float:
        """The time when everything that was asked for is done: a GPU returns before it has computed."""
        if self._on_gpu:
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


@dataclass
class Row:
    """Numbers of one backend.

    Attributes:
        backend: its name.
        fps_median: frames per second, from the median frame time.
        frame_ms_p50: median time of a frame.
        frame_ms_p95: time that 95 % of the frames keep.
        speedup: median frame time of float32 in plain torch over this one's.
        agreement_db: mean PSNR (at most 60) against float32 over ``AGREEMENT_FRAMES`` frames; None for float32 itself.
        dynamics_ms: mean time of all passes of a frame.
        decode_ms: mean time of the decoder.
        rest_ms: mean time of sampling, memory, history and copying.
        ready_s: time to prepare the backend and draw a first frame.
        memory_mb: what that added to the memory of the process.
        other_load: cores that other programs kept busy meanwhile.
    """

    backend: str
    fps_median: float
    frame_ms_p50: float
    frame_ms_p95: float
    speedup: float
    agreement_db: float | None
    dynamics_ms: float
    decode_ms: float
    rest_ms: float
    ready_s: float
    memory_mb: float
    other_load: float


@dataclass
class _Lane:
    session: Session
    timed: TimedBackend
    ready_s: float
    memory_mb: float
    seconds: list[float] = field(default_factory=list)


def compare_backends(world: World, names: list[str], threads: int, num_frames: int) -> list[Row]:
    """Measure backends in turns; one that cannot run here is told and left out."""
    from tqdm import tqdm

    from playground.evaluation.metrics import psnr
    from playground.session.stats import LoadMeter

    lanes: dict[str, _Lane] = {}
    rollouts: dict[str, np.ndarray] = {}
    for name in names:
        try:
            lane = _open(world, name, threads)
            rollouts[name] = _rollout(lane.session)
            lanes[name] = lane
        except Exception as error:  # a failing engine must not take the numbers of the others with it
            print(f"{name}: {error}")
    for lane in lanes.values():
        lane.timed.dynamics_s = lane.timed.decode_s = 0.0
    meter = LoadMeter()
    turns = max(1, num_frames // _FRAMES_A_TURN)
    for turn in tqdm(range(turns), desc="backends in turns", unit="turn", delay=2, leave=False):
        for name, lane in list(lanes.items()):
            try:
                _take_turn(lane, world.actions.entries[turn % len(world.actions.entries)].code)
            except Exception as error:
                print(f"{name}: {error}")
                del lanes[name]
    other_load = meter.other_load()
    if not lanes:
        return []
    exact = next(iter(lanes))
    agreement = {name: float(psnr(rollouts[name], rollouts[exact]).mean()) for name in lanes if name != exact}
    return [_row(name, lane, lanes[exact], agreement.get(name), other_load) for name, lane in lanes.items()]


def _take_turn(lane: _Lane, code: int) -> None:
    for _ in range(_FRAMES_A_TURN):
        started = time.perf_counter()
        lane.session.step(code)
        lane.seconds.append(time.perf_counter() - started)


def print_table(rows: list[Row]) -> None:
    """Print one line a backend."""
    if not rows:
        return
    print(f"\n{'backend':<13}    fps  p50 ms  p95 ms  speed-up  dB of f32  dynamics  decode   rest  ready s      MB")
    for row in rows:
        agreement = "        -" if row.agreement_db is None else f"{row.agreement_db:9.1f}"
        print(
            f"{row.backend:<13} {row.fps_median:6.1f}  {row.frame_ms_p50:6.1f}  {row.frame_ms_p95:6.1f}"
            f"  {row.speedup:7.2f}x  {agreement}  {row.dynamics_ms:8.1f}  {row.decode_ms:6.1f}  {row.rest_ms:5.1f}"
            f"  {row.ready_s:7.2f}  {row.memory_mb:6.0f}"
        )
    print(f"other load: {rows[0].other_load:.2f} cores")


def flat_numbers(rows: list[Row]) -> dict[str, float]:
    """The numbers of all rows as ``<backend>_<number>``."""
    return {
        f"{row.backend.replace('-', '_')}_{name}": value
        for row in rows
        for name, value in asdict(row).items()
        if name not in ("backend", "other_load") and value is not None
    }


def _open(world: World, name: str, threads: int) -> _Lane:
    from playground.engine.engine import Engine
    from playground.session.session import Session
    from playground.session.stats import rss_mb

    world.backends.clear()  # so that preparing it is part of the measurement
    started, memory = time.perf_counter(), rss_mb()
    engine = Engine(world, backend=name, threads=threads)
    session = Session(world, engine, seed=0)
    session.step()
    ready_s = time.perf_counter() - started
    timed = TimedBackend(engine.backend)
    engine.backend = timed
    return _Lane(session, timed, ready_s, rss_mb() - memory)


def _rollout(session: Session) -> np.ndarray:
    """The same keys and noise for every backend."""
    session.reset(seed=0)
    codes = [entry.code for entry in session.world.actions.entries]
    return np.stack([session.step(codes[t // 4 % len(codes)]) for t in range(AGREEMENT_FRAMES)])


def _row(name: str, lane: _Lane, exact: _Lane, agreement_db: float | None, other_load: float) -> Row:
    from playground.session.stats import percentile

    median, frames = percentile(lane.seconds, 0.5), len(lane.seconds)
    dynamics, decode = lane.timed.dynamics_s / frames, lane.timed.decode_s / frames
    return Row(
        backend=name,
        fps_median=round(1 / median, 2),
        frame_ms_p50=round(1000 * median, 2),
        frame_ms_p95=round(1000 * percentile(lane.seconds, 0.95), 2),
        speedup=round(percentile(exact.seconds, 0.5) / median, 3),
        agreement_db=None if agreement_db is None else round(agreement_db, 2),
        dynamics_ms=round(1000 * dynamics, 2),
        decode_ms=round(1000 * decode, 2),
        rest_ms=round(1000 * (sum(lane.seconds) / frames - dynamics - decode), 2),
        ready_s=round(lane.ready_s, 2),
        memory_mb=round(lane.memory_mb, 1),
        other_load=other_load,
    )
