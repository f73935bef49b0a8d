"""Known answers for the picture and motion measures."""

from __future__ import annotations

import numpy as np
import pytest

from playground.evaluation import metrics


def textured(rng: np.random.Generator, height: int = 32, width: int = 80) -> np.ndarray:
    """A smooth random picture, wide enough to scroll over."""
    coarse = rng.integers(0, 256, (height // 4, width // 4, 3)).astype(np.uint8)
    return coarse.repeat(4, axis=0).repeat(4, axis=1)


def scroll(step: int, frames: int = 6) -> np.ndarray:
    """A clip of a window that moves ``step`` pixels right a frame, so that the content moves left."""
    picture = textured(np.random.default_rng(0))
    start = 0 if step >= 0 else 40
    return np.stack([picture[:, start + step * t : start + step * t + 32] for t in range(frames)])


def test_identical_pictures_are_perfect() -> None:
    clip = scroll(2)
    assert metrics.psnr(clip, clip).tolist() == [metrics.PSNR_CEILING] * len(clip)
    assert np.allclose(metrics.ssim(clip, clip), 1.0)
    assert metrics.motion_ratio(clip, clip) == 1.0


def test_psnr_of_a_known_error() -> None:
    truth = np.full((1, 8, 8, 3), 100, np.uint8)
    assert metrics.psnr(truth, truth + 10)[0] == pytest.approx(20 * np.log10(25.5))


def test_black_against_white_is_zero_db() -> None:
    truth = np.zeros((1, 8, 8, 3), np.uint8)
    assert metrics.psnr(truth, truth + 255)[0] == pytest.approx(0.0)


def test_noise_loses_structure() -> None:
    rng = np.random.default_rng(1)
    clip = scroll(1)
    noise = rng.integers(0, 256, clip.shape).astype(np.uint8)
    assert metrics.ssim(clip, noise).max() < 0.2
    assert metrics.sharpness(noise).mean() > metrics.sharpness(clip).mean()
    assert metrics.motion_ratio(clip, noise) > 2.0


def test_frozen_clip_has_no_motion() -> None:
    clip = scroll(2)
    frozen = np.repeat(clip[:1], len(clip), axis=0)
    assert metrics.motion_ratio(clip, frozen) == 0.0
    assert metrics.motion_ratio(frozen, frozen) == 1.0
    assert metrics.motion_ratio(frozen, clip) == float("inf")


def test_shuffled_clip_scores_below_itself() -> None:
    clip = scroll(3)
    shuffled = clip[[3, 0, 5, 1, 4, 2]]
    assert metrics.psnr(clip, shuffled).mean() < 30.0
    assert metrics.motion_ratio(clip, shuffled) > 1.0


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (-3, 0), (0, 5), (2, -4), (-6, 6)])
def test_dominant_shift_finds_integer_shifts(dx: int, dy: int) -> None:
    picture = textured(np.random.default_rng(2), 64, 64)
    frame_a, frame_b = picture[10:50, 10:50], picture[10 - dy : 50 - dy, 10 - dx : 50 - dx]
    assert metrics.dominant_shift(frame_a, frame_b) == (dx, dy)


def test_dominant_shift_ignores_a_fixed_sprite_and_noise() -> None:
    rng = np.random.default_rng(3)
    clip = scroll(2, 2)
    clip[:, 10:20, 10:20] = 255
    noisy = np.clip(clip + rng.normal(0, 6, clip.shape), 0, 255).astype(np.uint8)
    assert metrics.dominant_shift(noisy[0], noisy[1]) == (-2.0, 0.0)


def test_flat_pictures_do_not_move() -> None:
    flat = np.full((32, 32, 3), 90, np.uint8)
    assert metrics.dominant_shift(flat, flat, subpixel=True) == (0.0, 0.0)


def test_mean_shift_sees_slow_scrolling() -> None:
    wide = textured(np.random.default_rng(4), 64, 256).astype(np.float32)
    slow = wide.reshape(32, 2, 128, 2, 3).mean(axis=(1, 3))  # half size: odd shifts become half pixels
    half = np.roll(wide, 1, axis=1).reshape(32, 2, 128, 2, 3).mean(axis=(1, 3))
    dx, dy = metrics.mean_shift(np.stack([slow, half]).astype(np.uint8))
    assert dx == pytest.approx(0.5, abs=0.3)
    assert dx > 0.1
    assert abs(dy) < 0.1


def test_opposite_scrolls_have_opposite_signs() -> None:
    assert metrics.mean_shift(scroll(2))[0] < -1.5
    assert metrics.mean_shift(scroll(-2))[0] > 1.5


def test_wrong_shapes_are_refused() -> None:
    clip = scroll(1)
    with pytest.raises(ValueError, match="shape"):
        metrics.psnr(clip, clip[1:])
    with pytest.raises(ValueError, match="uint8"):
        metrics.psnr(clip, clip.astype(np.float32))
    with pytest.raises(ValueError, match="too small"):
        metrics.dominant_shift(clip[0][:8, :8], clip[0][:8, :8])


def test_psnr_and_ssim_are_those_of_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.functional.image")
    import torch

    truth, other = scroll(2), scroll(3)
    a, b = (torch.from_numpy(clip).permute(0, 3, 1, 2).double() for clip in (truth, other))
    ssim = image.structural_similarity_index_measure(b, a, data_range=255.0, reduction="none")
    psnr = image.peak_signal_noise_ratio(b[1:], a[1:], data_range=255.0, dim=(1, 2, 3), reduction="none")
    assert np.allclose(metrics.ssim(truth, other), ssim.numpy(), atol=1e-9)
    assert np.allclose(metrics.psnr(truth[1:], other[1:]), psnr.numpy(), atol=1e-4)


def test_ssim_values_that_do_not_need_another_package() -> None:
    # Flat pictures have no structure: what is left is (2ab + C1) / (a^2 + b^2 + C1).
    low, high = np.full((1, 16, 16, 3), 50, np.uint8), np.full((1, 16, 16, 3), 200, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert metrics.ssim(low, high)[0] == pytest.approx((2 * 50 * 200 + c1) / (50**2 + 200**2 + c1))
    with pytest.raises(ValueError, match="too small"):
        metrics.ssim(low[:, :8], high[:, :8])
