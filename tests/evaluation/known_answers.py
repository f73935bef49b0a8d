"""Cases whose right answer is known beforehand. Each function asserts; a broken metric must make one of them fail."""

from __future__ import annotations

import numpy as np

from playground.evaluation import (
    frechet,
    intervals,
    inverse_dynamics,
    key_probes,
    measure,
    metrics,
    perceptual,
    probes,
    rollouts,
    survival,
)
from playground.evaluation.sample import Sample, draw_sample
from tests.evaluation.fake_world import FakeWorld, ScrollData, ScrollDynamics, picture

CONTEXT = 4


def sample(clips: int = 6, labels: bool = True) -> Sample:
    return draw_sample({"scroll": ScrollData(clips, labels=labels)}, clips)


def scores_of(manner: str, noise: float = 0.0) -> dict[str, float]:
    """Summary of the rollouts of a world of known behaviour."""
    clips = sample().clips_BTHWC
    played = rollouts.roll_out(FakeWorld(ScrollDynamics(manner, noise)), clips, CONTEXT)
    quality = measure.rollout_quality(played, clips[:, CONTEXT - 1])
    return measure.measure_rollouts(played, quality).summary(np.ones(len(clips), bool))


def blurred(frames: np.ndarray) -> np.ndarray:
    """A 3x3 mean."""
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return np.mean([np.roll(frames, shift, (-3, -2)).astype(float) for shift in shifts], axis=0).astype(np.uint8)


def identical_shifted_blurred_and_noisy_pictures() -> None:
    truth = np.stack([picture(seed) for seed in range(4)])
    noise = np.random.default_rng(0).integers(0, 256, truth.shape).astype(np.uint8)
    shifted = np.roll(truth, 1, axis=2)
    for measured, best in ((metrics.psnr, metrics.PSNR_CEILING), (metrics.ssim, 1.0)):
        values = [measured(truth, other).mean() for other in (truth, shifted, noise)]
        assert np.isclose(values[0], best)
        assert values[0] > values[1] > values[2]
    assert metrics.ssim(truth, 255 - truth).max() < 0.0
    assert metrics.sharpness(blurred(truth)).mean() < 0.8 * metrics.sharpness(truth).mean()
    assert metrics.sharpness(noise).mean() > 1.5 * metrics.sharpness(truth).mean()


def perfect_world() -> None:
    numbers = scores_of("obey")
    assert numbers["rollout_psnr_1"] == numbers["rollout_psnr_16"] == numbers["forced_psnr_16"] == metrics.PSNR_CEILING
    assert numbers["drift_gap_db_16"] == 0.0
    assert np.isclose(numbers["rollout_ssim_16"], 1.0)
    assert np.isclose(numbers["motion_ratio"], 1.0)
    assert np.isclose(numbers["sharpness_ratio_16"], 1.0)
    assert min(numbers["control_gap_db_16"], numbers["noop_gap_db_16"], numbers["delta_t_psnr"]) > 10


def world_that_ignores_actions() -> None:
    numbers = scores_of("ignore", noise=3.0)
    assert numbers["control_gap_db_16"] == numbers["noop_gap_db_16"] == numbers["delta_t_psnr"] == 0.0
    assert numbers["motion_ratio"] > 0.5
    assert numbers["forced_psnr_16"] > numbers["rollout_psnr_16"]


def frozen_world() -> None:
    numbers = scores_of("freeze")
    assert numbers["motion_ratio"] == 0.0
    assert numbers["rollout_psnr_mean_16"] == numbers["frozen_psnr_mean_16"]
    assert numbers["control_gap_db_16"] == 0.0


def world_of_noise() -> None:
    numbers = scores_of("noise")
    assert numbers["rollout_psnr_1"] < 12.0
    assert numbers["rollout_ssim_16"] < 0.2
    assert numbers["sharpness_ratio_16"] > 1.5
    assert numbers["motion_ratio"] > 1.5
    assert numbers["control_gap_db_16"] == 0.0


def drift_is_what_a_true_past_saves() -> None:
    numbers = scores_of("obey", noise=12.0)
    assert numbers["drift_gap_db_16"] > 5.0
    assert np.isclose(numbers["forced_psnr_16"], numbers["rollout_psnr_1"], atol=1.0)


def counted_codes() -> None:
    even = measure.count_codes(np.array([[0, 1, 2, 3], [0, 1, 2, 3]]), 4)
    assert even == {"codes_used": 4, "codes_entropy": 2.0, "codes_perplexity": 4.0}
    one = measure.count_codes(np.full((2, 50), 2), 4)
    assert one == {"codes_used": 1, "codes_entropy": 0.0, "codes_perplexity": 1.0}


def commonest_codes() -> None:
    actions = np.array([[5, 5, 1], [7, 1, 5]])
    assert measure.commonest_codes(actions, 6, 2).tolist() == [1, 5]  # 7 is no code
    assert measure.commonest_codes(actions, 4, 9).tolist() == [0, 1, 2, 3]


def judge_of_actions(steps: int = 50) -> inverse_dynamics.Judge:
    clips = sample(60)
    judge = inverse_dynamics.train_judge(clips.clips_BTHWC, clips.labels_BT, ["stay", "left", "right"], steps=steps)
    assert judge is not None
    return judge


def keys_as_an_independent_judge_sees_them(judge: inverse_dynamics.Judge) -> None:
    assert judge.accuracy > 0.9
    starts = sample().clips_BTHWC[:, :CONTEXT]
    shares = {}
    for manner in ("obey", "ignore", "freeze"):
        found = probes.key_accuracy(FakeWorld(ScrollDynamics(manner)), judge, starts)
        assert found is not None
        shares[manner] = found.mean()
    assert shares["obey"] > 0.9
    assert abs(shares["ignore"] - 1 / 3) < 0.05
    assert abs(shares["freeze"] - 1 / 3) < 0.05


def recorded_keys_are_read_back(judge: inverse_dynamics.Judge) -> None:
    clips = draw_sample({"scroll": ScrollData(90, labels=True)}, 90).some(range(60, 90))
    shares = {}
    for manner in ("obey", "ignore", "freeze"):
        world = FakeWorld(ScrollDynamics(manner))
        made = rollouts.continue_clips(world, clips.clips_BTHWC, CONTEXT, clips.labels_BT, seed=0)
        found = key_probes.read_back(judge, clips.clips_BTHWC, made, clips.labels_BT)
        assert found is not None
        shares[manner] = found.summary(np.arange(30))
        assert shares[manner]["keys_read_real_16"] > 0.9
    assert shares["obey"]["keys_read_16"] == shares["obey"]["keys_read_real_16"]
    assert abs(shares["ignore"]["keys_read_16"] - 1 / 3) < 0.1
    assert abs(shares["freeze"]["keys_read_16"] - 1 / 3) < 0.1
    nothing = key_probes.read_back(judge, clips.clips_BTHWC, made, np.full_like(clips.labels_BT, -1))
    assert nothing is None


def places_that_come_back() -> None:
    prompts = [picture(seed)[None] for seed in range(3)]
    gains = {
        manner: probes.revisit_gains(FakeWorld(ScrollDynamics(manner, noise)), prompts, away=5)
        for manner, noise in (("obey", 0.0), ("ignore", 0.0), ("freeze", 0.0), ("noise", 0.0))
    }
    assert all(found is not None for found in gains.values())
    assert gains["obey"].min() > 40.0
    for manner in ("ignore", "freeze", "noise"):
        assert np.abs(gains[manner]).max() < 1e-9


def lasting_and_dissolving_worlds() -> None:
    prompts = [picture(seed)[None] for seed in range(2)]
    # Real play holds its keys too; clips of single taps would be a band without walking.
    held = np.repeat(np.arange(3)[:, None], 20, axis=1)
    real = rollouts.play_each(FakeWorld(), [picture(seed)[None] for seed in range(4)], held, range(4))
    real = np.concatenate([*real, sample().clips_BTHWC])
    options = {"frames": 100, "runs": 4, "every": 50}
    lasting = survival.survive(FakeWorld(), prompts, real, **options)
    assert lasting.share == 1.0
    assert lasting.real > 0.7
    assert lasting.alive.shape == (4, 2)
    frozen = survival.survive(FakeWorld(ScrollDynamics("freeze")), prompts, real, **options)
    assert frozen.share == 0.0
    assert frozen.reasons["frozen"] == 4
    # Where real play mostly stands still, a world that does the same is not at fault.
    mostly_still = np.concatenate([real, *[real[:, :1].repeat(20, axis=1)] * 2])
    assert survival.survive(FakeWorld(ScrollDynamics("freeze")), prompts, mostly_still, **options).share == 1.0
    assert survival.survive(FakeWorld(ScrollDynamics("noise")), prompts, real, **options).share == 0.0
    assert survival.survive(FakeWorld(ScrollDynamics(noise=40.0)), prompts, real, **options).share == 0.0


def distances_of_known_crowds() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.normal(size=(4000, 8))
    assert frechet.frechet_distance(crowd, crowd) < 1e-9
    assert np.isclose(frechet.frechet_distance(crowd, crowd + 3.0), 8 * 9.0)
    # Gaussians of spread 1 and 3 in 8 dimensions: 8 (3 - 1)^2, whatever the sample.
    assert np.isclose(
        frechet.frechet_distance(crowd - crowd.mean(0), 3.0 * (crowd - crowd.mean(0))), 8 * 4.0, rtol=0.05
    )
    few = rng.normal(size=(5, 8))
    assert frechet.frechet_distance(few, few) < 1e-9


def videos_that_stand_still() -> None:
    rng = np.random.default_rng(0)
    moving = np.cumsum(rng.normal(size=(60, 8, 4)), axis=1)
    frozen = np.repeat(moving.mean(axis=1, keepdims=True), 8, axis=1)
    same, other = frechet.video_features(moving), frechet.video_features(frozen)
    assert frechet.frechet_distance(same[:, :4], other[:, :4]) < 1e-9
    assert frechet.frechet_distance(same, other) > 1.0


def intervals_of_known_width() -> None:
    values = np.tile([0.0, 2.0], 50)
    assert np.isclose(intervals.mean_half_width(values), 1.96 * 1.00504 / 10, atol=1e-3)
    assert intervals.ratio_half_width(values + 1, values + 1) == 0.0
    assert 0.05 < intervals.ratio_half_width(values, np.ones(100)) < 0.4
    assert np.isclose(intervals.share_half_width(0.5, 100), 0.096, atol=0.002)
    assert intervals.share_half_width(1.0, 16) > 0.05


def shift_tolerant_distance() -> None:
    truth = np.stack([picture(seed) for seed in range(2)])
    noise = np.random.default_rng(0).integers(0, 256, truth.shape).astype(np.uint8)
    values = [perceptual.perceptual_distance(truth, other).mean() for other in (truth, np.roll(truth, 1, 2), noise)]
    assert values[0] == 0.0
    assert 0.0 < values[1] < 0.6 * values[2]
