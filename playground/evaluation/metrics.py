"""Small picture and motion measures in plain numpy, so that an evaluation needs no network and no weights.

All functions take uint8 frames in [0, 255]; a clip is ``frames_THWC``, a batch of clips ``frames_BTHWC``.
"""

from __future__ import annotations

import functools

import numpy as np

PSNR_CEILING = 60.0
"""Value in dB for identical pictures, whose ratio is infinite: a few exact copies must not carry a mean."""

_WINDOW, _SIGMA = 11, 1.5
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def luminance(frames: np.ndarray) -> np.ndarray:
    """Return the grey value of frames ``(..., H, W, 3)`` as float32 ``(..., H, W)`` in [0, 255]."""
    return frames.astype(np.float32) @ _LUMA


def psnr(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB of uint8 pictures, one value a picture.

    Args:
        truth: uint8 ``(..., H, W, C)``.
        other: uint8, same shape.

    Returns:
        float64 ``(...)``, at most ``PSNR_CEILING`` (identical pictures).

    Raises:
        ValueError: the shapes differ or the pictures are not uint8.
    """
    _check_pair(truth, other)
    size = truth.shape[-3:]
    # Picture by picture: whole clips as floats would need gigabytes.
    pairs = zip(truth.reshape(-1, *size), other.reshape(-1, *size), strict=True)
    errors = [np.mean(np.square(a.astype(np.float32) - b), dtype=np.float64) for a, b in pairs]
    error = np.array(errors).reshape(truth.shape[:-3])
    with np.errstate(divide="ignore"):
        return np.minimum(10.0 * np.log10(255.0**2 / error), PSNR_CEILING)


def ssim(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Structural similarity with a Gaussian window of 11 pixels (sigma 1.5), mean over colours, one value a picture.

    Wang and others, "Image quality assessment: from error visibility to structural similarity" (2004), with the
    constants and the border rule that torchmetrics uses, so that its values are met.

    Args:
        truth: uint8 ``(..., H, W, C)``, H and W at least 11.
        other: uint8, same shape.

    Returns:
        float64 ``(...)`` in [-1, 1]; 1 for identical pictures.

    Raises:
        ValueError: the shapes differ, or the pictures are not uint8 or too small.
    """
    _check_pair(truth, other)
    if min(truth.shape[-3:-1]) < _WINDOW:
        raise ValueError(f"pictures of {truth.shape[-2]}x{truth.shape[-3]} are too small for a window of {_WINDOW}")
    flat_a = truth.reshape(-1, *truth.shape[-3:])
    flat_b = other.reshape(-1, *other.shape[-3:])
    # In parts: five filtered copies of every picture in double precision would not fit for long videos.
    parts = [_ssim(flat_a[row : row + 64], flat_b[row : row + 64]) for row in range(0, len(flat_a), 64)]
    return np.concatenate([np.zeros(0), *parts]).reshape(truth.shape[:-3])


def _ssim(truth_BHWC: np.ndarray, other_BHWC: np.ndarray) -> np.ndarray:
    a, b = (np.moveaxis(pictures, -1, 1).astype(np.float64) for pictures in (truth_BHWC, other_BHWC))
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a**2
    variance_b = _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return similarity.mean(axis=(1, 2, 3))


def motion(frames_THWC: np.ndarray) -> np.ndarray:
    """Mean absolute difference of consecutive frames, in grey levels.

    Args:
        frames_THWC: uint8 clip ``(T, H, W, C)`` or batch ``(B, T, H, W, C)``, T at least 2.

    Returns:
        float64 ``(T - 1,)`` or ``(B, T - 1)``.
    """
    frames = frames_THWC.astype(np.int16)
    change = np.abs(frames[..., 1:, :, :, :] - frames[..., :-1, :, :, :])
    return change.mean(axis=(-3, -2, -1), dtype=np.float64)


def motion_ratio(truth: np.ndarray, other: np.ndarray) -> float:
    """Motion of generated clips over motion of true clips; 1 is right, 0 is frozen, above 1 flickers.

    A truth without any motion gives 1 for a still picture and infinity otherwise.
    """
    true_motion, other_motion = float(motion(truth).mean()), float(motion(other).mean())
    if true_motion == 0.0:
        return 1.0 if other_motion == 0.0 else float("inf")
    return other_motion / true_motion


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Root mean square gradient of the grey value, one value a picture; blur lowers it, noise raises it.

    The Tenengrad focus measure (Krotkov 1988) with plain differences. Squares matter: a blurred edge keeps the mean of
    its absolute gradient and only spreads it.
    """
    grey = luminance(frames)
    across = np.square(np.diff(grey, axis=-1)).mean(axis=(-2, -1))
    down = np.square(np.diff(grey, axis=-2)).mean(axis=(-2, -1))
    return np.sqrt((across + down) / 2).astype(np.float64)


def shift_costs(frame_a: np.ndarray, frame_b: np.ndarray, max_shift: int = 6) -> np.ndarray:
    """Mean clipped grey difference for every integer shift of ``frame_a`` against ``frame_b``.

    Only the overlap counts, and one pixel counts at most 48 grey levels, so that a sprite that moves
    by itself does not outvote the scrolling picture.

    Returns:
        float64 ``(2 * max_shift + 1, 2 * max_shift + 1)``, indexed ``[dy + max_shift, dx + max_shift]``.

    Raises:
        ValueError: the frames differ in shape or are not larger than twice ``max_shift``.
    """
    _check_pair(frame_a, frame_b)
    a, b = luminance(frame_a), luminance(frame_b)
    height, width = a.shape
    if min(height, width) <= 2 * max_shift:
        raise ValueError(f"frames of {height}x{width} are too small for shifts of up to {max_shift} pixels")
    costs = np.empty((2 * max_shift + 1, 2 * max_shift + 1))
    for dy in range(-max_shift, max_shift + 1):
        for dx in range(-max_shift, max_shift + 1):
            source = a[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
            target = b[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)]
            costs[dy + max_shift, dx + max_shift] = np.minimum(np.abs(source - target), 48.0).mean()
    return costs


def dominant_shift(
    frame_a: np.ndarray, frame_b: np.ndarray, max_shift: int = 6, subpixel: bool = False
) -> tuple[float, float]:
    """The shift in pixels that most of the picture makes from ``frame_a`` to ``frame_b``.

    Exhaustive search over integer shifts; of equally good ones the smallest wins, so a still or flat picture
    gives (0, 0).

    Args:
        frame_a: uint8 ``(H, W, C)``.
        frame_b: uint8, same shape.
        max_shift: largest shift searched, per axis.
        subpixel: refine by fitting a symmetric V through the three costs around the best shift.

    Returns:
        ``(dx, dy)``: positive when the content moves right / down.
    """
    costs = shift_costs(frame_a, frame_b, max_shift)
    steps = np.arange(-max_shift, max_shift + 1)
    # A hair of cost for length breaks ties towards no motion without beating a real match.
    length = np.hypot(steps[:, None], steps[None, :])
    row, column = np.unravel_index(np.argmin(costs + 1e-3 * length), costs.shape)
    dx, dy = float(steps[column]), float(steps[row])
    if subpixel:
        dx += _refine(costs[row, :], int(column))
        dy += _refine(costs[:, column], int(row))
    return dx, dy


def mean_shift(frames_THWC: np.ndarray, max_shift: int = 6) -> tuple[float, float]:
    """Mean ``dominant_shift`` (sub-pixel) over the consecutive frames of a clip, in pixels a frame."""
    pairs = zip(frames_THWC[:-1], frames_THWC[1:], strict=True)
    shifts = [dominant_shift(a, b, max_shift, subpixel=True) for a, b in pairs]
    dx, dy = np.mean(shifts, axis=0)
    return float(dx), float(dy)


def _refine(costs: np.ndarray, best: int) -> float:
    if best == 0 or best == len(costs) - 1:
        return 0.0
    before, here, after = costs[best - 1 : best + 2]
    steepest = max(before, after) - here
    return 0.0 if steepest <= 1e-9 else float(np.clip((before - after) / (2 * steepest), -0.5, 0.5))


def _blur(pictures: np.ndarray) -> np.ndarray:
    """Gaussian means of ``(..., H, W)``, the picture mirrored beyond its border."""
    height, width = pictures.shape[-2:]
    return _band(height) @ pictures @ _band(width).T


@functools.lru_cache(maxsize=8)
def _band(size: int) -> np.ndarray:
    """The filter along one axis as a matrix ``(size, size)``."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    kernel = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    kernel /= kernel.sum()
    band = np.zeros((size, size))
    for offset, weight in zip(offsets, kernel, strict=True):
        mirrored = size - 1 - np.abs(size - 1 - np.abs(np.arange(size) + offset))
        np.add.at(band, (np.arange(size), mirrored), weight)
    return band


def _check_pair(truth: np.ndarray, other: np.ndarray) -> None:
    if truth.shape != other.shape:
        raise ValueError(f"pictures differ in shape: {truth.shape} and {other.shape}")
    if truth.dtype != np.uint8 or other.dtype != np.uint8:
        raise ValueError(f"pictures must be uint8, got {truth.dtype} and {other.dtype}")
