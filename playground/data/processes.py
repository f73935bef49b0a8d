"""Plays rollouts in several processes: the parent hands them out and shows progress, it never runs a simulator."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from playground.core.errors import PlaygroundError
from playground.data.rollouts import Advance, Job, Rollout, play_rollout

REPORT_SECONDS = 0.2
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    connection: Any  # a Connection, or a PipeConnection on Windows


def play_in_processes(job: Job, rollouts: list[Rollout], processes: int, advance: Advance) -> None:
    """Play rollouts in ``processes`` fresh interpreters; the files are the same for any number of them.

    When this process is stopped, killed or raises, the workers end within moments and publish nothing half-written.

    Args:
        job: what is collected.
        rollouts: what is left to play.
        processes: how many workers.
        advance: told about frames as they are written.

    Raises:
        PlaygroundError: what a worker says, or a worker that was killed.
        RuntimeError: an unexpected error in a worker, with its text.
    """
    waiting = list(reversed(rollouts))
    workers: dict[Any, _Worker] = {}
    try:
        with _interrupts_ignored():
            for _ in range(processes):
                worker = _start(job)
                workers[worker.connection] = worker
        for connection in workers:
            _hand_out(connection, waiting)
        busy = set(workers)
        while busy:
            for connection in wait(list(busy)):
                kind, content = _receive(workers[connection])
                if kind == "frames":
                    advance(content)
                elif kind == "failed":
                    _raise(content)
                elif not _hand_out(connection, waiting):
                    busy.remove(connection)
    finally:
        _stop(list(workers.values()))


def _start(job: Job) -> _Worker:
    # Spawned and not forked: it is the same on every system, and no library of the parent is copied half-initialised.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, job), name="collect", daemon=True)
    process.start()
    there.close()  # otherwise the end of the worker would not end the pipe
    return _Worker(process, here)


def _hand_out(connection: Any, waiting: list[Rollout]) -> bool:
    """Send the next rollout, or None for the end; says whether there was one."""
    rollout = waiting.pop() if waiting else None
    with contextlib.suppress(OSError):  # a worker that died is noticed when its answer is read
        connection.send(rollout)
    return rollout is not None


def _receive(worker: _Worker) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = worker.connection.recv()
        return message
    except (EOFError, OSError) as error:
        worker.process.join(GRACE_SECONDS)
        raise PlaygroundError(
            f"a collecting process ended early (exit code {worker.process.exitcode}), perhaps for lack of memory; "
            "use fewer --processes and repeat the command, it continues"
        ) from error


def _raise(failure: tuple[bool, str, str]) -> None:
    known, text, trace = failure
    if known:
        raise PlaygroundError(text)
    raise RuntimeError(text) from RuntimeError(trace)


def _stop(workers: list[_Worker]) -> None:
    """End all workers: a closed pipe tells them to stop and clean up, what does not listen is killed."""
    for worker in workers:
        worker.connection.close()
    deadline = time.monotonic() + GRACE_SECONDS
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start children that ignore Ctrl-C from their first instruction on: the parent tells them when to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(connection: Any, job: Job) -> None:
    """Body of a worker: play what comes through the pipe until None comes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    frames, reported = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal frames, reported
        frames += count
        if time.monotonic() - reported >= REPORT_SECONDS:
            connection.send(("frames", frames))  # raises when the parent is gone, which ends the rollout
            frames, reported = 0, time.monotonic()

    with contextlib.suppress(EOFError, OSError):
        try:
            collector = job.open()
            while (rollout := connection.recv()) is not None:
                play_rollout(job, collector, rollout, advance)
                connection.send(("frames", frames))
                connection.send(("finished", None))
                frames = 0
        except PlaygroundError as error:
            connection.send(("failed", (True, str(error), "")))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            connection.send(("failed", (False, text, traceback.format_exc())))
