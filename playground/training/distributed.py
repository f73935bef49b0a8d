"""Data-parallel training: what several processes with the same model tell each other.

Each process trains on its own batches; after every backward pass the gradients are averaged, so that all of them take
the same step. torch's DistributedDataParallel would do that inside ``forward``, but stage losses call methods of the
model and never ``forward``, so its hooks would not run: gradients are averaged here, explicitly.

Processes are started by ``accelerate launch`` or ``torchrun``. They must see the same run folder: the first process
writes everything, the others read it.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from playground.core.errors import PlaygroundError

PATIENCE = timedelta(hours=12)
"""How long processes wait for each other: the first one may encode a large dataset meanwhile."""

LAUNCHER_VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class Peers:
    """The processes that train together. With a ``count`` of 1 every method leaves things as they are.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.
        local_rank: number of this process on its machine.
        local_count: number of processes on this machine.
    """

    def __init__(
        self, rank: int = 0, count: int = 1, local_rank: int = 0, local_count: int = 1, control: Any = None
    ) -> None:
        """Args: see the attributes; ``control`` is a gloo process group.

        Decisions go through the CPU, so that they never wait for work that is queued on a GPU.
        """
        self.rank, self.count = rank, count
        self.local_rank, self.local_count = local_rank, local_count
        self._control = control

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process where ``name`` was asked for: each process on a machine has its own GPU."""
        return f"cuda:{self.local_rank}" if self.count > 1 and name.startswith("cuda") else name

    def seed(self, seed: int, step: int = 0) -> int:
        """Seed of this process's own data and noise; the first process keeps ``seed``.

        Args:
            seed: of the run.
            step: where training starts or resumes; the other processes' streams are not in checkpoints, so they
                continue with a fresh one there.
        """
        if self.first:
            return seed
        return int(np.random.SeedSequence([seed, self.rank, step]).generate_state(1, np.uint64)[0] >> 1)

    @torch.no_grad()
    def average_gradients(self, model: nn.Module) -> None:
        """Replace the gradients of ``model`` by their mean over all processes.

        A parameter that took part in the loss of some processes only has a zero gradient in the others.
        """
        if self.count == 1:
            return
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        present = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
        dist.all_reduce(present, dist.ReduceOp.MAX, group=self._control)
        used = [parameter for parameter, here in zip(parameters, present.tolist(), strict=True) if here]
        if not used:
            return
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in used if parameter.grad is not None]
        # One message for all of them. Sum and divide, because gloo has no mean.
        flat = torch.cat([gradient.float().reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def agree(self, value: float) -> float:
        """The first process's ``value``, for whatever depends on its clock."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0, group=self._control)
        return float(shared)

    def any(self, wish: bool) -> bool:
        """Whether any process has this wish, such as to stop."""
        if self.count == 1:
            return wish
        shared = torch.tensor([int(wish)], dtype=torch.int32)
        dist.all_reduce(shared, dist.ReduceOp.MAX, group=self._control)
        return bool(shared)

    @torch.no_grad()
    def copy_from_first(self, module: nn.Module) -> None:
        """Give every process the parameters and buffers of the first one."""
        if self.count == 1:
            return
        for tensor in (*module.parameters(), *module.buffers()):
            sent = tensor.detach().contiguous()
            dist.broadcast(sent, 0)
            tensor.copy_(sent)

    @contextlib.contextmanager
    def first_then_others(self) -> Iterator[None]:
        """Run the body in the first process, then in the others, which find the files that it wrote.

        When the first process fails in the body, its launcher ends the others.
        """
        if not self.first:
            self.barrier()
        yield
        if self.first:
            self.barrier()

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            dist.barrier(group=self._control)

    def leave(self) -> None:
        """Say goodbye, for the end of the process.

        Threads of a group that is still held then would meet an interpreter that is gone, and abort the process.
        """
        self._control = None
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()


ALONE = Peers()
"""A process that trains by itself."""


def find_peers(device: str) -> Peers:
    """Join the processes that a launcher started, or return :data:`ALONE`.

    Args:
        device: ``cpu`` or ``cuda``; decides how gradients travel.

    Raises:
        PlaygroundError: the launcher's variables are incomplete, or there is no GPU for this process.
    """
    world = os.environ.get("WORLD_SIZE", "1")
    if not world.isdecimal():
        raise PlaygroundError(f"WORLD_SIZE is {world!r}, not a number; unset it or start with torchrun")
    return _join(device.partition(":")[0]) if int(world) > 1 else ALONE


@functools.cache
def _join(kind: str) -> Peers:
    missing = [name for name in LAUNCHER_VARIABLES if name not in os.environ]
    if missing:
        raise PlaygroundError(
            f"WORLD_SIZE asks for several processes, but {missing[0]} is not set; start with torchrun or"
            " accelerate launch, or unset WORLD_SIZE"
        )
    if kind not in ("cpu", "cuda") or not dist.is_available():
        raise PlaygroundError(f"several processes cannot train together on {kind!r} here; use one, or --device cpu")
    local_rank = int(os.environ["LOCAL_RANK"])
    if kind == "cuda" and local_rank >= torch.cuda.device_count():
        raise PlaygroundError(
            f"process {local_rank} of this machine has no GPU, there are {torch.cuda.device_count()}; start fewer"
        )
    _start(kind, local_rank)
    control = dist.new_group(backend="gloo", timeout=PATIENCE)
    local_count = int(os.environ.get("LOCAL_WORLD_SIZE", dist.get_world_size()))
    peers = Peers(dist.get_rank(), dist.get_world_size(), local_rank, local_count, control)
    atexit.register(peers.leave)
    return peers


def _start(kind: str, local_rank: int) -> None:
    backend = "nccl" if kind == "cuda" else "gloo"
    try:
        from accelerate import PartialState
    except ImportError:
        if kind == "cuda":
            torch.cuda.set_device(local_rank)
        if not dist.is_initialized():
            dist.init_process_group(backend, timeout=PATIENCE)
    else:
        PartialState(cpu=kind == "cpu", backend=backend, timeout=PATIENCE)
