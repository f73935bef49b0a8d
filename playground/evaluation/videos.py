"""Scores pairs of videos, true and generated, by the rules of the report: for models that are not worlds of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from playground.core.errors import PlaygroundError
from playground.evaluation import features, frechet, metrics, perceptual
from playground.evaluation.intervals import Scores
from playground.evaluation.report import finite_numbers
from playground.evaluation.rollouts import Progress

_MAX_FRAMES = 2000


def read_video(path: Path, max_frames: int = _MAX_FRAMES) -> np.ndarray:
    """Frames of a video file, uint8 ``(T, H, W, 3)``, at most ``max_frames``.

    Raises:
        PlaygroundError: a file without a readable video, or the package ``av`` is missing.
    """
    try:
        import av
    except ImportError as error:
        raise PlaygroundError(
            "reading videos needs the package av; install it with: pip install 'playground-worlds[video]'"
        ) from error

    frames = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == max_frames:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise PlaygroundError(f"{path} is not a readable video ({error}); write it again as mp4") from error
    if not frames:
        raise PlaygroundError(f"{path} holds no frames; write it again")
    return np.stack(frames)


def paired_files(truth: Path, generated: Path) -> list[tuple[Path, Path]]:
    """Videos of equal name in both folders, by name.

    Raises:
        PlaygroundError: a missing folder, no videos, or a name that only one folder has.
    """
    for folder in (truth, generated):
        if not folder.is_dir():
            raise PlaygroundError(f"{folder} is no folder; give two folders of mp4 files with equal names")
    names = [{path.name for path in folder.glob("*.mp4")} for folder in (truth, generated)]
    alone = sorted(names[0] ^ names[1])
    if alone:
        raise PlaygroundError(f"{alone[0]} is in one of the folders only; every true video needs its generated one")
    if not names[0]:
        raise PlaygroundError(f"{truth} holds no mp4 file")
    return [(truth / name, generated / name) for name in sorted(names[0])]


def score_videos(
    truth: Path,
    generated: Path,
    skip: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compare every true video with the generated one of the same name, frame by frame, and both crowds.

    Args:
        truth: folder of mp4 files.
        generated: folder of mp4 files with the same names, frame counts and frame sizes.
        skip: frames at the start that the model was given and that do not count.
        seed: of the bootstrap.
        progress: called after every pair.
        note: called with one line for everything that is left out: frames beyond the first 2,000 of a video, and
            numbers that are infinite.

    Returns:
        Flat numbers: ``psnr``, ``ssim``, ``motion_ratio``, ``sharpness_ratio``, with weights also ``perceptual`` (the
        last frame), ``frechet_frames`` and ``frechet_video``; ``_ci`` beside the first ones; ``videos``, ``frames``
        and ``videos_cut``, how many were longer than 2,000 frames.

    Raises:
        PlaygroundError: unpaired, unreadable or unequal videos, or an impossible ``skip``.
    """
    if not 0 <= skip <= _MAX_FRAMES - 2:
        raise PlaygroundError(f"skip is {skip}; give 0 to {_MAX_FRAMES - 2} frames to leave out at the start")
    pairs = paired_files(truth, generated)
    rows: dict[str, list[float]] = {}
    crowds: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    notes: list[str] = []
    frames = cut = 0
    for index, (true_file, made_file) in enumerate(pairs):
        true, made = _frames_of(true_file, made_file, skip)
        if skip + len(true) > _MAX_FRAMES:
            true, made = true[: _MAX_FRAMES - skip], made[: _MAX_FRAMES - skip]
            notes.append(f"{true_file.name}: longer than {_MAX_FRAMES:,} frames; only the first {_MAX_FRAMES:,} count")
            cut += 1
        frames += len(true)
        for key, value in _pair_values(true, made).items():
            rows.setdefault(key, []).append(value)
        if features.available():
            for crowd, clip in zip(crowds, (true, made), strict=True):
                crowd.append(features.frame_features(clip))
        if progress is not None:
            progress("videos", index + 1, len(pairs))
    values = {key: np.asarray(column) for key, column in rows.items()}
    means: dict[str, np.ndarray] = {key: values[key] for key in ("psnr", "ssim", "perceptual") if key in values}
    ratios = {f"{key}_ratio": (values[key], values[f"true_{key}"]) for key in ("motion", "sharpness")}
    numbers: dict[str, Any] = Scores(means, ratios).summary(np.ones(len(pairs), bool), seed)
    if features.available():
        numbers |= _crowd_numbers(*crowds)
    numbers, undefined = finite_numbers(numbers)
    if note is not None:
        for line in notes + undefined:
            note(line)
    return {**numbers, "videos": len(pairs), "frames": frames, "videos_cut": cut}


def _frames_of(true_file: Path, made_file: Path, skip: int) -> tuple[np.ndarray, np.ndarray]:
    # One frame more than counts, so that a longer video is noticed.
    true, made = (read_video(path, _MAX_FRAMES + 1) for path in (true_file, made_file))
    if true.shape != made.shape:
        raise PlaygroundError(
            f"{made_file.name}: true video is {_size(true)}, generated one {_size(made)}; write both alike"
        )
    if len(true) - skip < 2:
        raise PlaygroundError(f"{true_file.name} has {len(true)} frames; at least {skip + 2} are needed")
    return true[skip:], made[skip:]


def _size(clip: np.ndarray) -> str:
    return f"{len(clip)} frames of {clip.shape[2]}x{clip.shape[1]}"


def _pair_values(true: np.ndarray, made: np.ndarray) -> dict[str, float]:
    found = {
        "psnr": float(metrics.psnr(true, made).mean()),
        "motion": float(metrics.motion(made).mean()),
        "true_motion": float(metrics.motion(true).mean()),
        "sharpness": float(metrics.sharpness(made).mean()),
        "true_sharpness": float(metrics.sharpness(true).mean()),
    }
    if min(true.shape[1:3]) >= 11:
        found["ssim"] = float(metrics.ssim(true, made).mean())
    if perceptual.available() and min(true.shape[1:3]) >= perceptual.SMALLEST:
        found["perceptual"] = float(perceptual.perceptual_distance(true[-1:], made[-1:])[0])
    return found


def _crowd_numbers(real: list[np.ndarray], made: list[np.ndarray]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    frames = sum(map(len, real))
    if frames >= frechet.FEWEST_FRAMES:
        distance = frechet.frechet_distance(np.concatenate(real), np.concatenate(made))
        numbers |= {"frechet_frames": distance, "frechet_frames_samples": frames}
    cut = [np.concatenate([frechet.short_clips(clip[None]) for clip in crowd]) for crowd in (real, made)]
    if len(cut[0]) >= frechet.FEWEST_CLIPS:
        distance = frechet.frechet_distance(*(frechet.video_features(clips) for clips in cut))
        numbers |= {"frechet_video": distance, "frechet_video_samples": len(cut[0])}
    return numbers
