"""Classifier-free guidance: a text counts for more, or less, than the model alone would have it.

Every pass runs twice, with and without the text, and what the network reads out is moved from the second towards, and
past, the first (Ho and Salimans 2022). That doubles the cost of a frame, so it is for first frames, not for play.

Legend: B rows, P prompt dims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_PROMPT = 5
"""Place of the prompt among the arguments of ``dynamics.network``."""


def guided(network: Callable[..., Any], guidance: float) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """A replacement of ``dynamics.network`` for ``dynamics.generate(run=...)``, for rows that all have a prompt.

    Args:
        network: the plain one.
        guidance: g in ``without + g (with - without)``: 0 ignores the prompt, 1 is the plain network, above 1 follows
            the prompt more closely than the data did.
    """

    def run(*inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        told, keys, values = network(*inputs)
        untold, _, _ = network(*(torch.zeros_like(x) if place == _PROMPT else x for place, x in enumerate(inputs)))
        return torch.lerp(untold, told, guidance), keys, values

    return run
