"""How long a stage will take and how much memory it needs, measured on a few real steps before it starts."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch

from playground.core.sampling import make_generator
from playground.training.optim import build_optimizer
from playground.training.precision import autocast
from playground.training.schedule import Budget
from playground.training.stages.base import Stage

TIMED_STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """What a stage is going to cost.

    Attributes:
        parameters: trained numbers.
        step_seconds: time of one optimiser step.
        frames_per_s: frames seen in a second.
        steps: optimiser steps within the budget.
        seconds: wall-clock time of the whole stage.
        memory_mb: model, gradients, optimiser state and average; on a GPU also the activations of a step.
    """

    parameters: int
    step_seconds: float
    frames_per_s: float
    steps: int
    seconds: float
    memory_mb: float

    def line(self, name: str) -> str:
        """One line for a person."""
        return (
            f"{name}: {self.parameters / 1e6:.1f} M parameters, {self.frames_per_s:.0f} frames/s, about"
            f" {self.steps} steps in {_duration(self.seconds)}, {self.memory_mb:.0f} MB"
        )


def estimate_stage(stage: Stage, budget: Budget, device: str, bfloat16: bool | None = None) -> Estimate:
    """Time a few steps on a copy of the model, so that the run itself stays as its seed says.

    Args:
        stage: what will be trained.
        budget: what it may use.
        device: where.
        bfloat16: as in the loop.
    """
    trained, stage.model = stage.model, copy.deepcopy(stage.model).to(device).train()
    try:
        with torch.random.fork_rng(devices=[]):
            seconds, peak = _time_steps(stage, device, bfloat16)
    finally:
        stage.model = trained
    parameters = sum(parameter.numel() for parameter in trained.parameters())
    steps = budget.steps if budget.steps is not None else 0
    if budget.seconds is not None:
        fitting = int(max(budget.seconds - budget.used(), 0.0) / seconds)
        steps = fitting if budget.steps is None else min(steps, fitting)
    weights_mb = parameters * 4 * 5 / 1e6
    return Estimate(parameters, seconds, stage.frames_per_step / seconds, steps, steps * seconds, max(weights_mb, peak))


def _time_steps(stage: Stage, device: str, bfloat16: bool | None) -> tuple[float, float]:
    optimizer = build_optimizer(stage.model, 1e-4, 1e-4, 0.0)
    generator, rng = make_generator(0, device), np.random.default_rng(0)
    cuda = device.startswith("cuda")
    times = []
    for _ in range(1 + TIMED_STEPS):
        arrays = stage.sample(rng)
        start = time.perf_counter()
        batch = {name: torch.from_numpy(np.ascontiguousarray(a)).to(device) for name, a in arrays.items()}
        with autocast(device, bfloat16):
            loss = stage.loss(batch, generator, 0.0)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if cuda:
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    # The first step pays for memory and kernels that the others find ready.
    return float(np.median(times[1:])), torch.cuda.max_memory_allocated(device) / 1e6 if cuda else 0.0


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
