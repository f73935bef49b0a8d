"""Muon for the hidden matrices of transformer blocks, AdamW for everything else, in one optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import nn

from playground.training.precision import uses_bfloat16

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration that pushes all singular values towards one."""


def orthogonalise(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Return the nearest (semi-)orthogonal matrices, roughly, by Newton-Schulz iteration.

    Args:
        matrices: (..., rows, columns).
        steps: iterations; five leave singular values between about 0.7 and 1.2.
    """
    a, b, c = NEWTON_SCHULZ
    work = matrices.bfloat16() if uses_bfloat16(matrices.device.type) else matrices.float()
    flip = work.shape[-2] > work.shape[-1]
    if flip:
        work = work.mT
    work = work / (work.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = work @ work.mT
        work = a * work + (b * gram + c * gram @ gram) @ work
    return (work.mT if flip else work).to(matrices.dtype)


class MuonAdamW(torch.optim.Optimizer):
    """Both rules behind one ``step``; a group's ``rule`` is ``"muon"`` or ``"adamw"``.

    Muon updates are scaled by ``0.2 * sqrt(max(rows, columns))``, which gives them the size of AdamW
    updates, so the two learning rates are comparable. A group's ``lr`` is ``peak * scale``: set it through
    :meth:`set_scale`.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        """Take the groups of :func:`parameter_groups`."""
        defaults = {
            "rule": "adamw",
            "lr": 1e-3,
            "peak": 1e-3,
            "weight_decay": 0.0,
            "betas": (0.9, 0.95),
            "eps": 1e-8,
        }
        super().__init__(groups, {**defaults, "momentum": 0.95})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load, and lay the moments out in memory as their parameters are, so that sums round alike."""
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                    state[name] = torch.empty_like(parameter).copy_(value)

    def set_scale(self, scale: float) -> None:
        """Set every learning rate to ``scale`` times its peak."""
        for group in self.param_groups:
            group["lr"] = group["peak"] * scale

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Apply one update to every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moving = [(p, p.grad) for p in group["params"] if p.grad is not None]
            if moving and group["rule"] == "muon":
                self._muon(group, moving)
            elif moving:
                self._adamw(group, moving)
        return loss

    def _muon(self, group: dict[str, Any], moving: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Update ``moving``, the group's parameters with their gradients."""
        by_shape: dict[torch.Size, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for parameter, gradient in moving:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(gradient, 1 - group["momentum"])
            by_shape.setdefault(parameter.shape, []).append((parameter, gradient))
        for (rows, columns), same in by_shape.items():
            # Matrices of one shape go through the iteration together: fewer, larger products.
            moved = torch.stack([gradient.lerp(self.state[p]["momentum"], group["momentum"]) for p, gradient in same])
            # A fused projection (query, key and value in one weight) is several square matrices on top of
            # each other.
            piece = columns if rows % columns == 0 else rows
            scale = 0.2 * max(piece, columns) ** 0.5
            updates = orthogonalise(moved.view(len(same), -1, piece, columns)).view_as(moved)
            for (parameter, _), update in zip(same, updates, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * scale)

    def _adamw(self, group: dict[str, Any], moving: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Update ``moving``, the group's parameters with their gradients."""
        beta1, beta2 = group["betas"]
        parameters, gradients = [p for p, _ in moving], [gradient for _, gradient in moving]
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
            state["step"] += 1
        steps = self.state[parameters[0]]["step"]
        means = [self.state[p]["mean"] for p in parameters]
        squares = [self.state[p]["square"] for p in parameters]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        size = torch._foreach_div(squares, 1 - beta2**steps)
        torch._foreach_sqrt_(size)
        torch._foreach_add_(size, group["eps"])
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_addcdiv_(parameters, means, size, -group["lr"] / (1 - beta1**steps))


def hidden_matrices(model: nn.Module) -> list[str]:
    """Names of the parameters that Muon should train: linear weights inside repeated blocks.

    Blocks are what a ``ModuleList`` or a module named ``...blocks`` holds. Embeddings, convolutions, norms,
    biases, modulation layers and everything outside of blocks (input and output projections) are left out.
    """
    lists = [
        name + "."
        for name, module in model.named_modules()
        if name and (isinstance(module, nn.ModuleList) or name.endswith("blocks"))
    ]
    found = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or not any(name.startswith(prefix) for prefix in lists):
            continue
        if any(word in name for word in ("modulation", "adaln", "embed")) or min(module.weight.shape) < 8:
            continue
        found.append(f"{name}.weight")
    return found


def parameter_groups(
    model: nn.Module, adam_lr: float, muon_lr: float = 0.0, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Split a model's parameters among the rules.

    Args:
        model: what is trained; frozen parameters are skipped.
        adam_lr: peak learning rate of AdamW.
        muon_lr: peak learning rate of Muon; 0 trains everything with AdamW.
        weight_decay: decoupled, on matrices and kernels only.
    """
    muon = set(hidden_matrices(model)) if muon_lr > 0 else set()
    split: dict[str, list[torch.Tensor]] = {"muon": [], "matrix": [], "vector": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            split["muon" if name in muon else "matrix" if parameter.ndim >= 2 else "vector"].append(parameter)
    rules = {"muon": ("muon", muon_lr, weight_decay), "matrix": ("adamw", adam_lr, weight_decay)}
    rules["vector"] = ("adamw", adam_lr, 0.0)
    return [
        {"params": split[kind], "rule": rule, "lr": rate, "peak": rate, "weight_decay": decay}
        for kind, (rule, rate, decay) in rules.items()
        if split[kind]
    ]


def build_optimizer(model: nn.Module, adam_lr: float, muon_lr: float, weight_decay: float) -> MuonAdamW:
    """Return the optimiser of a stage."""
    return MuonAdamW(parameter_groups(model, adam_lr, muon_lr, weight_decay))
