"""Randomness is passed: the same seed gives the same numbers, rows do not share a stream."""

from __future__ import annotations

import pytest
import torch

from playground.core.device import physical_cores, pick_device
from playground.core.sampling import Draw, make_generator, row_noise


def test_the_same_seed_gives_the_same_numbers() -> None:
    draws = [torch.rand(4, generator=make_generator(seed)) for seed in (5, 5, 6)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("seed", [-1, 0, 2**63, 2**70])
def test_every_integer_is_a_seed(seed: int) -> None:
    assert torch.equal(torch.rand(4, generator=make_generator(seed)), torch.rand(4, generator=make_generator(seed)))


def test_global_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    row_noise((2, 3), [make_generator(0)])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_row_of_noise_does_not_depend_on_other_rows() -> None:
    alone = row_noise((4, 2), [make_generator(7)])
    among = row_noise((4, 2), [make_generator(1), make_generator(7), make_generator(2)])
    assert torch.equal(alone[0], among[1])
    assert not torch.equal(among[0], among[1])


def test_a_share_smaller_than_a_row_is_a_row_of_some_batches() -> None:
    draw = Draw(make_generator(3))
    rows = [draw.rows(4, 0.125) for _ in range(400)]
    assert set(rows) == {0, 1}
    assert 150 < sum(rows) < 250
    assert {draw.rows(16, 0.125) for _ in range(20)} == {2}
    assert draw.rows(4, 0.0) == 0
    assert draw.rows(4, 1.0) == 4


def test_device_names() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device() in ("cpu", "cuda", "mps")
    assert physical_cores() >= 1
