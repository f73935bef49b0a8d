"""The one training loop: every stage runs through it, on a budget, resumable at any moment."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from playground.core.component import save_component
from playground.core.config import write_json
from playground.core.errors import PlaygroundError
from playground.core.sampling import make_generator
from playground.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from playground.training.distributed import ALONE, Peers
from playground.training.ema import ExponentialMovingAverage
from playground.training.metrics import MetricsLog, ProgressBar
from playground.training.optim import build_optimizer
from playground.training.precision import autocast
from playground.training.prefetch import Prefetcher
from playground.training.schedule import WARM_UP_STEPS, Budget, learning_rate_scale
from playground.training.sheets import save_sheet
from playground.training.stages.base import Stage

LOGGER = logging.getLogger("playground.training")


@dataclass(frozen=True)
class LoopOptions:
    """How a stage is trained, apart from what it trains.

    Attributes:
        folder: the stage's folder inside the run.
        adam_lr: peak learning rate of AdamW.
        muon_lr: peak learning rate of Muon for hidden matrices; 0 trains them with AdamW.
        weight_decay: decoupled weight decay on matrices and kernels.
        ema: decay of the averaged weights.
        seed: of everything random.
        device: ``cpu``, ``cuda`` or ``mps``.
        resume: continue from the newest checkpoint, if there is one.
        checkpoint_seconds: interval of checkpoints under a time budget.
        checkpoint_every: interval of checkpoints in steps otherwise.
        inspect_every: steps between contact sheets (with an export of the averaged weights).
        log_every: steps between lines of metrics.
        clip: largest gradient norm.
        progress: show a bar.
        bfloat16: compute in bfloat16; None decides by the hardware.
        stop_after: leave as if interrupted once this step is done.
    """

    folder: Path
    adam_lr: float
    muon_lr: float = 0.0
    weight_decay: float = 0.0
    ema: float = 0.999
    seed: int = 0
    device: str = "cpu"
    resume: bool = False
    checkpoint_seconds: float = 60.0
    checkpoint_every: int = 500
    inspect_every: int = 500
    log_every: int = 10
    clip: float = 1.0
    progress: bool = False
    bfloat16: bool | None = None
    stop_after: int | None = None


@dataclass(frozen=True)
class StageResult:
    """How a stage ended: was its budget used up, after how many steps and seconds, with which metrics."""

    finished: bool
    steps: int
    seconds: float
    metrics: dict[str, float]


def train_stage(stage: Stage, options: LoopOptions, budget: Budget, peers: Peers = ALONE) -> StageResult:
    """Train ``stage`` until its budget is used or the process is asked to stop (SIGTERM, Ctrl-C).

    Writes checkpoints, metrics, contact sheets and, at the end, the averaged weights as ``folder/export``. Among
    several processes only the first one writes; its clock counts, and all stop when one of them is asked to.

    Raises:
        PlaygroundError: a checkpoint that cannot be used, or a loss that is no number any more.
    """
    # Models may draw from the process-wide stream (dropout, re-seeding): give the run its own and put the
    # old one back.
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(peers.seed(options.seed))
        return Trainer(stage, options, budget, peers).run()


class Trainer:
    """State of one stage while it trains."""

    def __init__(self, stage: Stage, options: LoopOptions, budget: Budget, peers: Peers = ALONE) -> None:
        """Put the model on its device, build optimiser and average, continue from a checkpoint if asked."""
        self.stage, self.options, self.budget, self.peers = stage, options, budget, peers
        self.model = stage.model.to(options.device).train()
        peers.copy_from_first(self.model)
        self.ema = ExponentialMovingAverage(self.model, options.ema)
        self.optimizer = build_optimizer(self.model, options.adam_lr, options.muon_lr, options.weight_decay)
        self.generator = make_generator(peers.seed(options.seed), options.device)
        self.rng = np.random.default_rng(peers.seed(options.seed))
        self.rng_state: Mapping[str, Any] = self.rng.bit_generator.state
        self.step = 0
        self.step_seconds = 0.0
        self.metrics: dict[str, float] = {}
        self.exported: dict[str, Any] = {}
        self._pending: list[dict[str, torch.Tensor]] = []
        self._stop = False
        if options.resume:
            self._resume()
        elif checkpoints(options.folder / "checkpoints"):
            raise PlaygroundError(f"{options.folder} already holds a run; add --resume or choose another --out")
        if peers.any(peers.agree(self.step) != self.step):
            raise PlaygroundError(f"the processes see different checkpoints; {options.folder} must be a shared folder")
        if options.device.startswith("cuda"):
            compile_model(self.model)

    def run(self) -> StageResult:
        """Train to the end of the budget; see :func:`train_stage`."""
        options = self.options
        self.log = MetricsLog(options.folder, self.step) if self.peers.first else None
        self.bar = ProgressBar(
            self.stage.name, self.budget.steps, self.budget.seconds, options.progress and self.peers.first
        )
        self.batches = Prefetcher(self.stage.sample, self.rng)
        self._mark = (self.step, time.perf_counter(), 0.0)
        saved = time.monotonic()
        try:
            with self._signals():
                while self._goes_on():
                    self._train_step()
                    if self.step % options.log_every == 0:
                        self._write_metrics()
                    if self.peers.first and self.step % options.inspect_every == 0:
                        self._inspect()
                    if self.peers.first and self._checkpoint_due(saved):
                        self._save()
                        saved = time.monotonic()
                    self._stop |= options.stop_after is not None and self.step >= options.stop_after
                return self._finish()
        finally:
            self.batches.close()
            self.bar.close()
            if self.log is not None:
                self.log.close()

    def _goes_on(self) -> bool:
        """Whether there is another step; the same answer in every process, else some would wait for ever."""
        self._stop = self.peers.any(self._stop)
        return not self._stop and not self.peers.agree(self.budget.spent(self.step, self.step_seconds))

    def _train_step(self) -> None:
        start = time.perf_counter()
        arrays, self.rng_state = self.batches.next()
        batch = to_device(arrays, self.options.device)
        progress = self.peers.agree(self.budget.progress(self.step, self.step_seconds))
        scale = learning_rate_scale(progress)
        if self.budget.seconds is not None:
            scale *= min(1.0, (self.step + 1) / WARM_UP_STEPS)
        self.optimizer.set_scale(scale)
        with autocast(self.options.device, self.options.bfloat16):
            losses = self.stage.loss(batch, self.generator, progress)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self.peers.average_gradients(self.model)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        self.optimizer.step()
        self.ema.update(self.model)
        kept_up = self.stage.after_step()
        if kept_up and self.peers.any(any(kept_up.values())):
            self.peers.copy_from_first(self.model)
        extra = {name: torch.tensor(float(value)) for name, value in kept_up.items()}
        self._pending.append({name: value.detach() for name, value in {**losses, "grad_norm": norm, **extra}.items()})
        self.step += 1
        took = time.perf_counter() - start
        self.step_seconds = took if self.step_seconds == 0 else 0.9 * self.step_seconds + 0.1 * took

    def _write_metrics(self) -> None:
        if not self._pending:
            return
        names = self._pending[-1]
        means = {n: float(torch.stack([p[n].float() for p in self._pending if n in p]).mean()) for n in names}
        self._pending = []
        if not math.isfinite(means["loss"]):
            raise PlaygroundError(
                f"{self.options.folder}: the loss is not a number at step {self.step}; lower adam_lr and"
                " muon_lr in the preset and resume from the last checkpoint"
            )
        step, clock, waited = self._mark
        now = time.perf_counter()
        wall = max(now - clock, 1e-9)
        means["frames_per_s"] = (self.step - step) * self.stage.frames_per_step * self.peers.count / wall
        means["data_wait"] = (self.batches.waited - waited) / wall
        self._mark = (self.step, now, self.batches.waited)
        self.metrics = means
        if self.peers.first:
            self._report(means)

    def _report(self, metrics: dict[str, float]) -> None:
        seconds = self.budget.used()
        progress = self.budget.progress(self.step - 1)
        scale = self.optimizer.param_groups[0]["lr"] / max(self.optimizer.param_groups[0]["peak"], 1e-12)
        line: dict[str, Any] = {
            "step": self.step,
            "seconds": round(seconds, 3),
            "progress": round(progress, 5),
        }
        line.update({"lr_scale": round(scale, 5), **metrics})
        warnings = self.stage.alarms(metrics)
        if warnings:
            line["alarms"] = warnings
            for warning in warnings:
                LOGGER.warning("%s, step %d: %s", self.stage.name, self.step, warning)
        if self.log is not None:
            self.log.write(line)
        self.bar.update(self.step, seconds, self.metrics)

    def _inspect(self) -> None:
        """Write a contact sheet and the averaged weights as they would be used now."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            sheet, metrics = self.stage.inspect(self.ema.module)
        if sheet is not None:
            save_sheet(sheet, self.options.folder / "samples" / f"step-{self.step:08d}.png")
        if metrics:
            self.metrics = {**self.metrics, **metrics}
            self._report(metrics)
        score, kept = metrics.get("score"), self.exported.get("score")
        if score is None or kept is None or score >= kept:  # a stage without a score exports its newest weights
            self._export()
            self.exported = {"step": self.step, "score": score, "metrics": self.metrics}
        else:
            LOGGER.info(
                "%s: step %d scores %.2f, the export stays at step %d with %.2f",
                self.stage.name,
                self.step,
                score,
                self.exported["step"],
                kept,
            )

    def _export(self) -> None:
        final, partial = self.options.folder / "export", self.options.folder / ".export-partial"
        shutil.rmtree(partial, ignore_errors=True)
        save_component(self.ema.module, partial)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)

    def _finish(self) -> StageResult:
        self._write_metrics()
        spent = self.budget.spent(self.step, self.step_seconds) and not self._stop
        finished = bool(self.peers.agree(spent))
        result = StageResult(finished, self.step, self.budget.used(), self.metrics)
        if finished and self.peers.first:
            self._inspect()
            result = StageResult(True, self.step, result.seconds, self.exported["metrics"])
        if self.peers.first:
            self._save()
        if finished and self.peers.first:
            summary = {
                "finished": True,
                "steps": self.step,
                "seconds": result.seconds,
                "exported_step": self.exported["step"],
                "metrics": result.metrics,
            }
            write_json(self.options.folder / "done.json", summary)
        self.peers.barrier()  # the others must not look for the export before it is there
        return result

    def _checkpoint_due(self, saved: float) -> bool:
        if self.budget.seconds is not None:
            return time.monotonic() - saved >= self.options.checkpoint_seconds
        return self.step % self.options.checkpoint_every == 0

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.ema.module.state_dict(),
            "average_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "process_generator": torch.random.get_rng_state(),
            "data_generator": self.rng_state,
            "seconds": self.budget.used(),
            "step_seconds": self.step_seconds,
            "exported": self.exported,
        }
        save_checkpoint(self.options.folder / "checkpoints", self.step, state)

    def _resume(self) -> None:
        found = checkpoints(self.options.folder / "checkpoints")
        if not found:
            return
        self.step, state = load_checkpoint(found[-1])
        try:
            self.model.load_state_dict(state["model"])
            self.ema.module.load_state_dict(state["average"])
            self.ema.updates = state["average_updates"]
            self.optimizer.load_state_dict(state["optimizer"])
            self.generator.set_state(state["generator"])
            torch.random.set_rng_state(state["process_generator"])
            self.rng_state = self.rng.bit_generator.state = state["data_generator"]
            self.budget.used_seconds += state["seconds"]
            self.step_seconds = state["step_seconds"]
            self.exported = state.get("exported", {})
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise PlaygroundError(
                f"{found[-1]} does not fit this run ({reason}); resume with the preset it was started with"
            ) from error
        if not self.peers.first:
            seed = self.peers.seed(self.options.seed, self.step)
            self.generator.manual_seed(seed)
            torch.random.default_generator.manual_seed(seed)
            self.rng = np.random.default_rng(seed)
            self.rng_state = self.rng.bit_generator.state

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn the first SIGTERM or Ctrl-C into a clean stop after the current step."""

        def ask(number: int, frame: Any) -> None:
            # A launcher passes on the Ctrl-C that its processes have got already.
            if self._stop and number == signal.SIGINT and self.peers.count == 1:
                raise KeyboardInterrupt
            self._stop = True

        try:
            old = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:  # not the main thread: whoever runs us handles signals
            yield
            return
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def to_device(arrays: dict[str, np.ndarray], device: str) -> dict[str, torch.Tensor]:
    """Return a batch as tensors on ``device``; copies to a GPU overlap with its work."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    if device.startswith("cuda"):
        return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()}
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def compile_model(model: Any) -> None:
    """Compile the parts of a model in place; parameter names stay as they are.

    A model with a ``network.window`` (dynamics) spends its training there; of others each child is compiled.
    """
    network = getattr(model, "network", None)
    if hasattr(network, "window"):
        inner = "window_and_memory" if hasattr(network, "window_and_memory") else "window"  # ours calls the former
        setattr(network, inner, torch.compile(getattr(network, inner)))
        return
    for child in model.children():
        child.compile()
