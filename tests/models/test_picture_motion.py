"""What a code can say about the motion of a whole picture: shifts, turns and zooms, at every place."""

from __future__ import annotations

import math

import pytest
import torch

from latent_actions.model import affine_flow, move_pixels


def blob(x: float, y: float, side: int = 32) -> torch.Tensor:
    """A soft spot at a place in [-1, 1], (1, 1, side, side)."""
    axis = torch.linspace(-1, 1, side)
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    return torch.exp(-((right - x) ** 2 + (down - y) ** 2) / 0.02)[None, None]


def place_of(picture: torch.Tensor) -> tuple[float, float]:
    """Centre of what is bright, in [-1, 1]."""
    axis = torch.linspace(-1, 1, picture.shape[-1])
    share = picture[0, 0] / picture.sum()
    return float((share.sum(0) * axis).sum()), float((share.sum(1) * axis).sum())


@pytest.mark.parametrize(
    ("motion", "start", "end"),
    [
        ((0.3, 0, 0, -0.2, 0, 0), (0.1, 0.1), (-0.2, 0.3)),  # a shift: pixels are fetched from right and above
        ((0, 0, 0.2, 0, -0.2, 0), (0.5, 0.0), (0.5 * math.cos(0.2), 0.5 * math.sin(0.2))),  # a turn by 0.2
        ((0, -0.2, 0, 0, 0, -0.2), (0.4, -0.4), (0.5, -0.5)),  # a zoom: what is far from the middle moves farther out
    ],
)
def test_six_numbers_shift_turn_and_zoom(
    motion: tuple[float, ...], start: tuple[float, float], end: tuple[float, float]
) -> None:
    half = 31 / 2  # pixels from the middle to the edge
    flow_B2HW = affine_flow(torch.tensor([motion], dtype=torch.float32) * half, (32, 32))
    assert flow_B2HW.shape == (1, 2, 32, 32)
    assert place_of(move_pixels(blob(*start), flow_B2HW)) == pytest.approx(end, abs=0.02)


def test_a_flow_at_low_resolution_says_the_same() -> None:
    motion_B6 = torch.tensor([[0.5, 1.0, -2.0, 0.0, 2.0, 1.0]])
    coarse = affine_flow(motion_B6, (2, 2))
    assert torch.allclose(coarse[0, :, 1, 1], torch.tensor([0.5 + 1.0 - 2.0, 2.0 + 1.0]))
    assert torch.allclose(affine_flow(motion_B6, (3, 5))[0, :, 1, 2], torch.tensor([0.5, 0.0]))
