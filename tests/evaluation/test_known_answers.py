"""Known answers hold, and every mutation below makes at least one of them fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from playground.evaluation import (
    features,
    frechet,
    intervals,
    inverse_dynamics,
    measure,
    metrics,
    perceptual,
    probes,
    rollouts,
    survival,
)
from tests.evaluation import known_answers as known
from tests.evaluation.fake_world import FakeWorld, ScrollDynamics, picture

ANSWERS = (
    known.identical_shifted_blurred_and_noisy_pictures,
    known.perfect_world,
    known.world_that_ignores_actions,
    known.frozen_world,
    known.world_of_noise,
    known.drift_is_what_a_true_past_saves,
    known.counted_codes,
    known.commonest_codes,
    known.places_that_come_back,
    known.lasting_and_dissolving_worlds,
    known.distances_of_known_crowds,
    known.videos_that_stand_still,
    known.intervals_of_known_width,
)


@pytest.fixture(autouse=True)
def _without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers must not depend on what is installed here."""
    monkeypatch.setattr(features, "available", lambda: False)
    monkeypatch.setattr(perceptual, "available", lambda: False)


@pytest.fixture(scope="module")
def judge() -> inverse_dynamics.Judge:
    return known.judge_of_actions()


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
def test_known_answer(answer: Callable[[], None]) -> None:
    answer()


def test_keys_are_judged_independently(judge: inverse_dynamics.Judge) -> None:
    known.keys_as_an_independent_judge_sees_them(judge)


def test_recorded_keys_are_read_back(judge: inverse_dynamics.Judge) -> None:
    known.recorded_keys_are_read_back(judge)


def _arm_plays(arm: str, instead: str) -> Callable[..., Any]:
    real = rollouts.arm_actions

    def broken(*args: Any) -> dict[str, np.ndarray]:
        actions = real(*args)
        return {**actions, arm: actions[instead]}

    return broken


def _forgets_the_truth(*args: Any, **options: Any) -> Any:
    return _PLAY(*args[:6])


_PLAY = rollouts.play
_FRECHET_FACTOR = frechet._factor
_BAND_OF = survival.Band.of


def _wide_band(real: np.ndarray) -> survival.Band:
    return dataclasses.replace(_BAND_OF(real), low=np.full(4, -np.inf), high=np.full(4, np.inf))


def _narrow_band(real: np.ndarray) -> survival.Band:
    return dataclasses.replace(_BAND_OF(real), high=np.zeros(4))


MUTATIONS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "PSNR is constant": (
        metrics,
        "psnr",
        lambda a, b: np.full(a.shape[:-3], 30.0),
        known.identical_shifted_blurred_and_noisy_pictures,
    ),
    "PSNR is perfect whatever is shown": (
        metrics,
        "psnr",
        lambda a, b: np.full(a.shape[:-3], metrics.PSNR_CEILING),
        known.world_of_noise,
    ),
    "SSIM without a window": (
        metrics,
        "_blur",
        lambda pictures: pictures,
        known.identical_shifted_blurred_and_noisy_pictures,
    ),
    "sharpness is brightness": (
        metrics,
        "sharpness",
        lambda frames: frames.mean(axis=(-3, -2, -1)),
        known.identical_shifted_blurred_and_noisy_pictures,
    ),
    "sharpness is constant": (metrics, "sharpness", lambda frames: np.ones(frames.shape[:-3]), known.world_of_noise),
    "motion is constant": (
        metrics,
        "motion",
        lambda frames: np.ones((*frames.shape[:-4], frames.shape[-4] - 1)),
        known.frozen_world,
    ),
    "motion is brightness": (
        metrics,
        "motion",
        lambda frames: frames[..., 1:, :, :, :].mean(axis=(-3, -2, -1)),
        known.frozen_world,
    ),
    "shuffled actions are the true ones": (
        rollouts,
        "arm_actions",
        _arm_plays("shuffled", "true"),
        known.perfect_world,
    ),
    "random actions are the true ones": (rollouts, "arm_actions", _arm_plays("random", "true"), known.perfect_world),
    "no-op is the true action": (rollouts, "arm_actions", _arm_plays("noop", "true"), known.perfect_world),
    "true actions are shuffled": (rollouts, "arm_actions", _arm_plays("true", "shuffled"), known.perfect_world),
    "every arm draws other noise": (
        rollouts,
        "row_generators",
        lambda seed, rows: [
            rollouts.make_generator(int(value)) for value in np.random.default_rng().integers(1 << 40, size=rows)
        ],
        known.world_that_ignores_actions,
    ),
    "teacher forcing forgets the truth": (rollouts, "play", _forgets_the_truth, known.drift_is_what_a_true_past_saves),
    "every code counts as used": (
        measure,
        "_SHARE",
        -1.0,
        known.counted_codes,
    ),
    "return is compared with itself": (
        probes,
        "psnr",
        lambda truth, other: np.zeros(truth.shape[:-3]),
        known.places_that_come_back,
    ),
    "turning around is not played": (probes, "OPPOSITES", (("left", "left"),), known.places_that_come_back),
    "every picture survives": (survival.Band, "of", _wide_band, known.lasting_and_dissolving_worlds),
    "a frozen world is not noticed": (survival, "_STILL", 0.0, known.lasting_and_dissolving_worlds),
    "no picture survives": (survival.Band, "of", _narrow_band, known.lasting_and_dissolving_worlds),
    "Frechet ignores the spread": (
        frechet,
        "_factor",
        lambda values: 0.0 * _FRECHET_FACTOR(values),
        known.distances_of_known_crowds,
    ),
    "Frechet with covariances of twice the spread": (
        frechet,
        "_factor",
        lambda values: 2.0 * _FRECHET_FACTOR(values),
        known.distances_of_known_crowds,
    ),
    "videos without change": (
        frechet,
        "video_features",
        lambda values: np.concatenate([values.mean(axis=1), 0.0 * values.mean(axis=1)], axis=1),
        known.videos_that_stand_still,
    ),
    "intervals of one standard error": (intervals, "_Z", 1.0, known.intervals_of_known_width),
}
"""Name to (module, attribute, broken value, the known answer that must notice)."""


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_metric_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, attribute, broken, answer = MUTATIONS[name]
    monkeypatch.setattr(where, attribute, broken)
    with pytest.raises(AssertionError):
        answer()


def test_a_judge_that_always_says_the_same_is_noticed(
    judge: inverse_dynamics.Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inverse_dynamics, "_answers", lambda network, triples: np.ones(len(triples), np.int64))
    with pytest.raises(AssertionError):
        known.keys_as_an_independent_judge_sees_them(judge)


def test_a_judge_of_shuffled_labels_knows_nothing() -> None:
    clips = known.sample(40)
    labels = np.random.default_rng(0).permutation(clips.labels_BT.reshape(-1)).reshape(clips.labels_BT.shape)
    judge = inverse_dynamics.train_judge(clips.clips_BTHWC, labels, ["stay", "left", "right"], steps=20)
    assert judge is not None
    assert judge.accuracy < 0.5


def test_the_band_knows_real_clips_as_runs_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "available", lambda: True)
    monkeypatch.setattr(features, "frame_features", lambda frames: frames.reshape(len(frames), -1)[:, :5].astype(float))
    clips = known.sample(4).clips_BTHWC
    band = survival.Band.of(clips)
    assert np.array_equal(band.crowd_BTD, survival.Band.of(clips[:, -16:]).crowd_BTD)
    assert band.left_by(clips[:, -16:], band.seen(clips[:, -16:])) == [[]] * 4


def test_late_frames_tell_a_world_that_keeps_its_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "available", lambda: True)
    monkeypatch.setattr(
        features, "frame_features", lambda frames: frames[:, ::8, ::8].reshape(len(frames), -1).astype(float)
    )
    prompts = [picture(seed)[None] for seed in range(8)]
    held = np.random.default_rng(0).integers(0, 3, (4, 40))
    real = np.concatenate(rollouts.play_each(FakeWorld(), prompts, held, range(8)))
    looked = {
        manner: survival.survive(FakeWorld(ScrollDynamics(manner)), prompts, real, frames=200, runs=8)
        for manner in ("obey", "freeze", "noise")
    }
    found = {manner: survival.late_frechet(runs, "/scroll") for manner, runs in looked.items()}
    assert found["obey"]["frechet_late_samples/scroll"] == 8 * 4 * 4
    distance = {manner: numbers["frechet_late/scroll"] for manner, numbers in found.items()}
    assert 1.5 * distance["obey"] < min(distance["freeze"], distance["noise"]), distance
    both = survival.join([looked["obey"], looked["noise"]])
    assert survival.late_frechet(both)["frechet_late_samples"] == 2 * 8 * 4 * 4
    assert distance["obey"] < survival.late_frechet(both)["frechet_late"] < distance["noise"]
    few = survival.survive(FakeWorld(), prompts, real[:2], frames=200, runs=8)
    assert survival.late_frechet(few) == {}
