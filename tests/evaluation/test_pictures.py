"""Charts and sheets show what they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from playground.evaluation import charts, pictures


def test_round_values_cover_any_range() -> None:
    assert charts._round_values(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert charts._round_values(9.8, 28.4) == [10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0]
    for low, high in ((0.0, 1000.0), (1.0, 16.0), (-3e-4, 2e-4), (59.5, 60.5)):
        values = charts._round_values(low, high)
        assert 4 <= len(values) <= 11
        assert low <= min(values)
        assert max(values) <= high


def test_a_higher_curve_is_drawn_higher_and_a_flat_one_is_no_error(tmp_path: Path) -> None:
    steps = np.arange(5)
    charts.save_curves(
        tmp_path / "c.png", {"high": (steps, steps * 0 + 3.0), "low": (steps, steps * 0 + 1.0)}, "t", "x"
    )
    chart = np.asarray(Image.open(tmp_path / "c.png")).astype(int)
    rows = [np.flatnonzero((chart[:, 70:500] == colour).all(axis=2).any(axis=1)) for colour in charts._COLOURS[:2]]
    assert rows[0].max() < rows[1].min()
    charts.save_curves(tmp_path / "flat.png", {"one": (np.array([1]), np.array([2.0]))}, "t", "x")


def test_sheets_keep_the_pixels_in_their_order(tmp_path: Path) -> None:
    clips = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4, 1, 1, 1) * 8 + 40
    clips = np.broadcast_to(clips, (2, 3, 4, 96, 96, 3))
    pictures.save_gallery(tmp_path / "g.png", clips, ["a", "b", "c"], columns=4)
    shown = np.asarray(Image.open(tmp_path / "g.png"))[:, :, 0]
    middle = [shown[row * 98 + 48] for row in range(3)]
    for code, line in enumerate(middle):
        seen = [value for value in dict.fromkeys(line[20:].tolist()) if value >= 40 and (value - 40) % 8 == 0]
        assert seen == [int(clips[start, code, frame, 0, 0, 0]) for start in range(2) for frame in range(4)]
