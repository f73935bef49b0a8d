"""Rotary positions: attention depends on distances only, at any time of a session."""

from __future__ import annotations

import pytest
import torch

from playground.core.nn.rope import rotary_angles, rotate
from playground.core.sampling import make_generator

E = 32


def _score(q: torch.Tensor, k: torch.Tensor, at_q: int, at_k: int) -> float:
    turned = [rotate(x, *rotary_angles(torch.tensor(at), E)) for x, at in ((q, at_q), (k, at_k))]
    return float((turned[0] * turned[1]).sum())


@pytest.mark.parametrize("offset", [1, 1000, 15 * 3600 * 24])
def test_scores_depend_on_the_distance_only(offset: int) -> None:
    q, k = torch.randn(2, E, generator=make_generator(0))
    for distance in range(16):
        here, later = _score(q, k, distance, 0), _score(q, k, distance + offset, offset)
        assert later == pytest.approx(here, abs=1e-4)


def test_scores_do_depend_on_the_distance() -> None:
    q, k = torch.randn(2, E, generator=make_generator(0))
    scores = [_score(q, k, distance, 0) for distance in range(16)]
    gaps = [abs(a - b) for index, a in enumerate(scores) for b in scores[:index]]
    assert min(gaps) > 1e-4


def test_a_rotation_keeps_lengths_and_position_zero_keeps_all() -> None:
    x = torch.randn(5, E, generator=make_generator(0))
    turned = rotate(x, *rotary_angles(torch.arange(5), E))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[0], x[0])


def test_the_type_of_the_input_is_kept() -> None:
    x = torch.ones(2, E, dtype=torch.bfloat16)
    assert rotate(x, *rotary_angles(torch.arange(2), E)).dtype == torch.bfloat16
