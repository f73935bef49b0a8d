"""What a world knows of the sources of its training data: their keys, how their frames look, and their texts.

A world that learned from several games needs to know which of them a prompt belongs to, because the same latent action
has other keys in each. It is also how a picture is told apart from everything that the world has seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from playground.world.actions import ActionBook

LOOKS_NAME = "sources.safetensors"
"""File of a bundle with the numbers of :class:`Look` and the text embeddings."""

PERCENTILES = (5, 50, 95, 99)
"""Which percentiles of the distance of real frames the manifest records; the one at 1.0 is the 95th."""

MIN_LOOK_FRAMES = 16
"""Fewer frames say nothing of how a source looks."""

_CHUNK = 32


@dataclass(frozen=True)
class Look:
    """How frames of a source look to the tokenizer, and where that ends.

    The features of a frame are the mean and the standard deviation of its latents over the grid (F = 2 C numbers).
    Its distance is the larger of two: the Mahalanobis distance of the features (Mahalanobis 1936), which a picture of
    other colours and shapes fails, and the error of its reconstruction, which one of other detail fails.

    Attributes:
        mean_F: float32 mean of the features.
        whiten_FF: float32; features minus mean, times this, have the length 1 where 95 % of real frames are nearer.
        error: root mean square error of the reconstruction (0..255) that counts as a distance of 1.
        distances: ``PERCENTILES`` of the distance of real frames.
        reconstruction_db: PSNR of real frames through the tokenizer.
    """

    mean_F: np.ndarray
    whiten_FF: np.ndarray
    error: float
    distances: tuple[float, ...] = ()
    reconstruction_db: float = 0.0

    def distance(self, features_TF: np.ndarray, error_T: np.ndarray) -> np.ndarray:
        """Distance of frames, float32 (T,): 1.0 is as far as the 95th percentile of real frames."""
        latent_T = np.linalg.norm((features_TF - self.mean_F) @ self.whiten_FF, axis=1)
        return np.maximum(latent_T, error_T / self.error)

    def log_density(self, features_TF: np.ndarray) -> np.ndarray:
        """Logarithm of a normal density with this mean and covariance, up to a constant that all looks share: (T,).

        Tells which of several sources a frame belongs to, where distances would favour the one that varies most.
        """
        latent_T = np.linalg.norm((features_TF - self.mean_F) @ self.whiten_FF, axis=1)
        volume = float(np.linalg.slogdet(self.whiten_FF.astype(np.float64))[1])
        return volume - 0.5 * len(self.mean_F) * latent_T**2


@dataclass(frozen=True)
class Source:
    """One source of a world's training data.

    Attributes:
        actions: names and keys of the latent actions in it; None where the world's common book holds.
        fps: frames per second that it is meant to be played at; 0 where the world's own rate holds.
        look: how its frames look; None where that was not measured.
        text_P: float32 mean embedding of its captions; None for a source without.
    """

    actions: ActionBook | None = None
    fps: float = 0.0
    look: Look | None = None
    text_P: np.ndarray | None = None


def source_key(source: str) -> str:
    """The name of a source as it is used in file names and in ``world.json``."""
    return re.sub(r"[^\w.-]", "_", source, flags=re.ASCII)[:48].lstrip("._-") or "source"


def book_name(source: str) -> str:
    """File name of the action book of a source."""
    return f"actions-{source_key(source)}.json"


def picture_features(tokenizer: Any, frames_THWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What :class:`Look` compares of frames (uint8): features float32 (T, F), error of reconstruction float32 (T,)."""
    import torch

    features, errors = [], []
    with torch.inference_mode():
        for low in range(0, len(frames_THWC), _CHUNK):
            frames_1THWC = torch.from_numpy(np.ascontiguousarray(frames_THWC[low : low + _CHUNK]))[None]
            latents_TNC = tokenizer.encode(frames_1THWC)
            difference = tokenizer.decode(latents_TNC)[0].float() - frames_1THWC[0].float()
            spread_TC, mean_TC = torch.std_mean(latents_TNC[0].float(), dim=1, correction=0)
            features.append(torch.cat((mean_TC, spread_TC), dim=1).numpy())
            errors.append(difference.square().mean(dim=(1, 2, 3)).sqrt().numpy())
    return np.concatenate(features), np.concatenate(errors)


def measure_look(features_TF: np.ndarray, error_T: np.ndarray) -> Look:
    """Learn how a source looks from real frames, and how far real frames are from it.

    Mean and covariance come from every second frame, distances from the others: frames are nearer to what was fitted
    to them than new ones are.

    Args:
        features_TF: features of at least ``MIN_LOOK_FRAMES`` varied frames; see :func:`picture_features`.
        error_T: their errors of reconstruction.
    """
    fitted, kept = features_TF[0::2].astype(np.float64), slice(1, None, 2)
    mean_F = fitted.mean(axis=0)
    covariance_FF = np.cov(fitted, rowvar=False)
    # Features that never differ in training would make any difference infinitely far.
    covariance_FF += np.eye(len(mean_F)) * (1e-4 * np.trace(covariance_FF) / len(mean_F) + 1e-8)
    whiten_FF = np.linalg.inv(np.linalg.cholesky(covariance_FF)).T
    latent_T = np.linalg.norm((features_TF[kept] - mean_F) @ whiten_FF, axis=1)
    far = max(float(np.percentile(latent_T, 95)), 1e-6)
    error = max(float(np.percentile(error_T[kept], 95)), 1.0)  # a tokenizer may be better than one grey level
    distance_T = np.maximum(latent_T / far, error_T[kept] / error)
    unit = max(float(np.percentile(distance_T, 95)), 1e-6)
    return Look(
        mean_F.astype(np.float32),
        (whiten_FF / (far * unit)).astype(np.float32),
        error * unit,
        tuple(round(float(value), 4) for value in np.percentile(distance_T / unit, PERCENTILES)),
        round(float(10 * np.log10(255**2 / max(float(np.mean(error_T.astype(np.float64) ** 2)), 1e-4))), 2),
    )


def nearest_picture(world: Any, frame_HWC: np.ndarray) -> tuple[str, float | None]:
    """The source that a picture (uint8, as large as the world's frames) most likely belongs to, and its distance.

    Returns:
        Name, and the least distance to any source (see :meth:`Look.distance`), so that a picture is only called
        foreign when it is foreign to all; ``("", None)`` where the world has measured no source.
    """
    looks = {name: source.look for name, source in world.sources.items() if source.look is not None}
    if not looks:
        return "", None
    features, error = picture_features(world.tokenizer, frame_HWC[None])
    nearest = max(looks, key=lambda name: float(looks[name].log_density(features)[0]))
    return nearest, min(float(look.distance(features, error)[0]) for look in looks.values())


def nearest_text(world: Any, text: str) -> str:
    """The source whose captions are nearest in meaning to a text; empty where no source has captions."""
    means = {name: source.text_P for name, source in world.sources.items() if source.text_P is not None}
    if not means:
        return ""
    text_P = world.embed(text)
    return max(means, key=lambda name: float(text_P @ means[name]) / max(float(np.linalg.norm(means[name])), 1e-12))


def book_of(world: Any, source: str) -> ActionBook:
    """The action book of a source, the world's common one where it has none of its own."""
    found = getattr(world, "sources", {}).get(source)
    book: ActionBook = world.actions if found is None or found.actions is None else found.actions
    return book


def fps_of(world: Any, source: str) -> float:
    """Frames per second that a source is meant to be played at."""
    found = getattr(world, "sources", {}).get(source)
    return float(world.fps) if found is None or not found.fps else found.fps
