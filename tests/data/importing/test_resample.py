"""Times in, even times out: slower, faster, irregular and broken clocks."""

from __future__ import annotations

import numpy as np

from playground.data.importing.resample import GridPicture, on_grid


def _grid(times: list[float], fps: float, broken: tuple[int, ...] = ()) -> list[GridPicture[int]]:
    return list(on_grid(((number, time, number in broken) for number, time in enumerate(times)), fps))


def test_same_rate_keeps_every_picture() -> None:
    grid = _grid([n / 15 for n in range(30)], 15)
    assert [item.picture for item in grid] == list(range(30))
    assert not any(item.repeated for item in grid)
    assert [item.starts for item in grid] == [True] + [False] * 29


def test_twice_the_rate_takes_every_second_picture() -> None:
    grid = _grid([n / 30 for n in range(60)], 15)
    assert [item.picture for item in grid] == list(range(0, 60, 2))
    assert not any(item.repeated for item in grid)


def test_wandering_timestamps_repeat_and_skip_nothing() -> None:
    rng = np.random.default_rng(0)
    times = [n / 15 + float(rng.uniform(-0.007, 0.007)) for n in range(200)]
    grid = _grid(times, 15)
    assert [item.picture for item in grid] == list(range(200))


def test_slower_video_repeats_and_says_so() -> None:
    grid = _grid([n / 5 for n in range(10)], 15)
    assert [item.picture for item in grid[:6]] == [0, 0, 0, 1, 1, 1]
    assert [item.repeated for item in grid[:6]] == [False, True, True, False, True, True]


def test_variable_rate_follows_the_clock() -> None:
    times = [n / 30 for n in range(30)] + [1 + n / 10 for n in range(10)] + [2 + n / 60 for n in range(60)]
    grid = _grid(times, 15)
    assert abs(len(grid) - 45) <= 1
    for item in grid:
        latest = max(time for time in times if time <= item.seconds + 0.25 / 15)
        assert times[item.picture] == latest


def test_a_long_hold_a_jump_back_and_damage_start_anew() -> None:
    held = _grid([0, 1 / 15, 2 / 15, 30, 30 + 1 / 15], 15)
    assert [(item.picture, item.starts) for item in held] == [
        (0, True), (1, False), (2, False), (3, True), (4, False)
    ]  # fmt: skip
    back = _grid([5, 5 + 1 / 15, 1, 1 + 1 / 15], 15)
    assert [item.picture for item in back if item.starts] == [0, 2]
    damage = _grid([0, 1 / 15, 2 / 15, 3 / 15], 15, broken=(2,))
    assert [item.picture for item in damage if item.starts] == [0, 2]
    assert len(damage) == 4


def test_nothing_and_one_picture() -> None:
    assert _grid([], 15) == []
    assert [item.picture for item in _grid([7.0], 15)] == [0]
