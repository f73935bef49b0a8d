"""Worlds whose quality is known in advance must get the report that they deserve."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo
from playground.data.writer import ClipWriter
from playground.evaluation import features, inverse_dynamics, measure, perceptual, probes, rollouts
from playground.evaluation.keys import KEYS, UNREPEATABLE, base_key
from playground.evaluation.quick import Parts, quick_rollouts, quick_score
from playground.evaluation.report import limits
from playground.evaluation.run import evaluate_world
from playground.evaluation.sample import draw_sample
from playground.evaluation.texts import embed_captions
from tests.evaluation.fake_world import SIZE, FakeWorld, ScrollData, ScrollDynamics, picture


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights, and a probe that is trained for a moment."""
    monkeypatch.setattr(features, "available", lambda: False)
    monkeypatch.setattr(perceptual, "available", lambda: False)
    monkeypatch.setattr(inverse_dynamics, "STEPS", 12)
    monkeypatch.setattr(inverse_dynamics, "_FEWEST", 2)


def evaluate(world: FakeWorld, out: Path, data: ScrollData | None = None, **options: object) -> dict[str, float]:
    return evaluate_world(world, data or ScrollData(labels=False), out, frames=96, progress=False, **options)


def test_a_perfect_world_scores_perfectly(tmp_path: Path) -> None:
    numbers = evaluate(FakeWorld(), tmp_path)
    assert numbers["tokenizer_psnr"] == 60.0
    assert numbers["rollout_psnr_1"] == numbers["rollout_psnr_16"] == 60.0
    assert numbers["motion_ratio"] == pytest.approx(1.0)
    assert min(numbers["control_gap_db_16"], numbers["noop_gap_db_16"], numbers["delta_t_psnr"]) > 10
    assert numbers["key_consistency"] == 1.0
    assert numbers["codes_used"] == 3
    assert numbers["frames_evaluated"] == 96
    assert numbers["context_frames"] == 4


def test_everything_is_written(tmp_path: Path) -> None:
    numbers = evaluate(FakeWorld(), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == numbers
    page = (tmp_path / "report.md").read_text()
    for name in ("reconstruction.png", "rollouts.png", "control.png", "gallery.png", "drift.png"):
        assert (tmp_path / name).is_file()
        assert name in page
    assert {base_key(name) for name in numbers} <= set(KEYS)


def test_weak_worlds_are_called_weak(tmp_path: Path) -> None:
    ignoring = limits(evaluate(FakeWorld(ScrollDynamics("ignore", noise=3.0)), tmp_path / "ignore"))
    assert any("no clear effect" in line for line in ignoring)
    frozen = limits(evaluate(FakeWorld(ScrollDynamics("freeze")), tmp_path / "freeze"))
    assert any("too little" in line for line in frozen)


def test_the_same_seed_gives_the_same_report(tmp_path: Path) -> None:
    world = FakeWorld(ScrollDynamics(noise=5.0))
    reports = [evaluate(world, tmp_path / str(run), ScrollData(), seed=seed) for run, seed in enumerate((1, 1, 2))]
    first, second, other = (
        {key: value for key, value in report.items() if key not in UNREPEATABLE} for report in reports
    )
    assert first == second
    assert {"key_accuracy", "keys_read_16", "keys_read_real_16"} <= set(first)
    assert first["rollout_psnr_16"] != other["rollout_psnr_16"]


def test_what_cannot_be_measured_is_one_line_and_the_rest_is_there(tmp_path: Path) -> None:
    notes: list[str] = []
    numbers = evaluate(FakeWorld(), tmp_path / "no-labels", note=notes.append)
    assert "key_accuracy" not in numbers
    assert "key_consistency" in numbers
    assert any(note.startswith("key_accuracy: the data has no recorded actions") for note in notes)
    assert any("pip install stlpips-pytorch" in note for note in notes)
    assert "pip install" in (tmp_path / "no-labels" / "report.md").read_text()

    notes.clear()
    numbers = evaluate(FakeWorld(latent_actions=None), tmp_path / "no-model", note=notes.append)
    assert "control_gap_db_16" not in numbers
    assert "tokenizer_psnr" in numbers
    assert any("no latent_actions part" in note for note in notes)

    notes.clear()
    numbers = evaluate(FakeWorld(), tmp_path / "short", ScrollData(length=9), note=notes.append)
    assert "rollout_psnr_16" not in numbers
    assert numbers["tokenizer_psnr"] == 60.0
    assert any("only the tokenizer is measured" in note for note in notes)


def test_a_backend_that_fails_costs_the_speed_only(tmp_path: Path) -> None:
    class NoBackend(FakeWorld):
        manifest = SimpleNamespace()

        def generate(self, prompt: object = None) -> None:
            raise RuntimeError("the compiler is broken")

    notes: list[str] = []
    numbers = evaluate(NoBackend(), tmp_path, note=notes.append)
    assert numbers["rollout_psnr_16"] == 60.0
    assert json.loads((tmp_path / "report.json").read_text()) == numbers
    assert "fps_median" not in numbers
    assert any(note.startswith("speed: ") and "the compiler is broken" in note for note in notes)


def test_short_episodes_on_disk_shorten_the_context(tmp_path: Path) -> None:
    notes: list[str] = []
    for frames, context in ((30, 4), (18, 1), (9, 0)):
        info = DatasetInfo(source="scroll", size=SIZE, fps=15.0)
        with ClipWriter(tmp_path / f"{frames}", info, shard_frames=200) as writer:
            for episode in range(4):
                for t, frame in enumerate(ScrollData(length=frames).window(episode).frames_BTHWC[0]):
                    writer.append(frame, action=-1, truncated=t == frames - 1, episode=episode)
        notes.clear()
        out = tmp_path / f"report-{frames}"
        numbers = evaluate_world(FakeWorld(), tmp_path / f"{frames}", out, frames=64, progress=False, note=notes.append)
        assert numbers["context_frames"] == context
        assert ("rollout_psnr_16" in numbers) == (context > 0)
        assert any("context: the episodes of scroll are short" in note for note in notes) == (context == 1)
        assert any("split 'train'" in note for note in notes)


def test_a_source_of_short_episodes_is_named(tmp_path: Path) -> None:
    for source, frames in (("long", 30), ("brief", 18)):
        info = DatasetInfo(source=source, size=SIZE, fps=15.0, split="test")
        with ClipWriter(tmp_path / source, info) as writer:
            for episode in range(2):
                for t, frame in enumerate(ScrollData(length=frames).window(episode).frames_BTHWC[0]):
                    writer.append(frame, action=-1, truncated=t == frames - 1, episode=episode)
    notes: list[str] = []
    data = [tmp_path / "long", tmp_path / "brief"]
    numbers = evaluate_world(FakeWorld(), data, tmp_path / "out", frames=64, progress=False, note=notes.append)
    assert numbers["context_frames"] == 1
    assert any(note.startswith("context: the episodes of brief are short") for note in notes)
    assert any(
        note.startswith("brief: short episodes") and "evaluate the others by themselves" in note for note in notes
    )


def test_a_number_that_json_cannot_say_is_named(tmp_path: Path) -> None:
    class Still(ScrollData):
        def window(self, index: int) -> SimpleNamespace:
            made = super().window(index)
            made.frames_BTHWC = made.frames_BTHWC[:, :1].repeat(self.length, axis=1)
            return made

    notes: list[str] = []
    world = FakeWorld(ScrollDynamics("ignore"))
    numbers = evaluate(world, tmp_path, Still(labels=False), note=notes.append)
    assert not {"motion_ratio", "motion_ratio_ci"} & set(numbers)
    assert "motion_ratio: left out, it is infinite, because the true clips do not move" in notes
    assert "motion_ratio: left out" in (tmp_path / "report.md").read_text()


def test_larger_frames_are_averaged_down(tmp_path: Path) -> None:
    class Large(ScrollData):
        def window(self, index: int) -> SimpleNamespace:
            made = super().window(index)
            made.frames_BTHWC = made.frames_BTHWC.repeat(2, axis=2).repeat(2, axis=3)
            return made

    assert evaluate(FakeWorld(), tmp_path, Large(labels=False))["rollout_psnr_16"] == 60.0


def test_several_sources_are_reported_one_by_one() -> None:
    sample = draw_sample({"still": ScrollData(4, seed=1), "moving": ScrollData(4, seed=2)}, 8)
    assert sample.sources == ["still", "moving"]
    assert sample.rows("moving").tolist() == [False] * 4 + [True] * 4
    from playground.evaluation.intervals import Scores
    from playground.evaluation.measure import summary
    from playground.evaluation.report import sources_table

    scores = Scores({"tokenizer_psnr": np.repeat([20.0, 30.0], 4)}, {"motion_ratio": (np.ones(8), np.full(8, 2.0))})
    numbers = summary(sample, scores, seed=0)
    assert numbers["tokenizer_psnr"] == 25.0
    assert (numbers["tokenizer_psnr/still"], numbers["tokenizer_psnr/moving"]) == (20.0, 30.0)
    assert numbers["motion_ratio/still"] == 0.5
    assert numbers["tokenizer_psnr_ci/still"] == 0.0
    assert "| still | moving |" in sources_table(numbers)


def test_too_few_samples_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "available", lambda: True)
    monkeypatch.setattr(perceptual, "available", lambda: True)
    frames = np.zeros((4, 16, 16, 16, 3), np.uint8)
    too_small, few_frames, few_videos = measure.absent(frames, clips=4, horizon=16)
    assert "too small for ST-LPIPS" in too_small
    assert few_frames.startswith("frechet_frames: needs 100 samples, there are 64")
    assert few_videos.startswith("frechet_video: needs 50 samples, there are 8")
    assert measure.absent(np.zeros((1, 64, 64, 3), np.uint8), clips=125, horizon=16) == []


def test_captions_are_embedded_once_each_or_read_from_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    from playground.data import captions

    asked: list[str] = []

    def embed(text: str) -> np.ndarray:
        asked.append(text)
        return np.full(4, 2.0, np.float32)

    world = SimpleNamespace(prompt_dims=4, manifest=SimpleNamespace(text_encoder="hashed"), embed=embed)
    stored = captions.CaptionEmbeddings(np.array([[1.0] * 4, [9.0] * 4], np.float16), np.array([0, 0]), "hashed")
    monkeypatch.setattr(captions, "load_captions", lambda folder, info: stored)
    data = SimpleNamespace(folders=["folder"], infos=[SimpleNamespace(captions=["a cave"])])
    found = embed_captions(world, ["a cave", "", "a hill", "a hill"], [data])
    assert found is not None
    assert found[:, 0].tolist() == [1.0, 0.0, 2.0, 2.0]
    assert asked == ["a hill"]
    assert embed_captions(FakeWorld(), ["a cave"], [data]) is None


def test_a_world_of_texts_is_shown_the_caption_wherever_it_is_known(tmp_path: Path) -> None:
    told: list[object] = []

    class Listening(ScrollDynamics):
        def generate(self, state, action_B, prompt_BP, generators, steps=None, run=None):
            told.append(None if prompt_BP is None else prompt_BP[:, 0].tolist())
            return super().generate(state, action_B, prompt_BP, generators)

    class Captioned(ScrollData):
        captions = ["a wall of blocks"]

        def window(self, index: int) -> SimpleNamespace:
            made = super().window(index)
            made.caption_ids_BT = np.zeros((1, self.length), np.int64)
            return made

    world = FakeWorld(Listening())
    world.prompt_dims, world.embed = 2, lambda text: np.full(2, float(len(text)), np.float32)
    world.manifest = SimpleNamespace(text_encoder="none")
    told.clear()
    evaluate(world, tmp_path, Captioned(), suite="long")
    assert len(told) > 1000
    assert all(row is not None and set(row) == {16.0} for row in told)


def test_opposite_keys_are_counted() -> None:
    prompts = [picture(seed)[None] for seed in range(3)]
    assert probes.opposite_prompts(FakeWorld(), prompts, frames=10) == (3, 3)
    assert probes.opposite_prompts(FakeWorld(ScrollDynamics("ignore")), prompts, frames=10) == (0, 3)
    assert probes.opposite_prompts(FakeWorld(ScrollDynamics("freeze")), prompts, frames=10) == (0, 3)
    assert probes.opposite_prompts(FakeWorld(), prompts, keys=("left", "jump")) is None


def test_held_rows_share_their_noise() -> None:
    clips = rollouts.hold(FakeWorld(ScrollDynamics("freeze", noise=9.0)), picture()[None], [0, 1, 2], 4, seed=3)
    assert clips.shape == (3, 4, SIZE, SIZE, 3)
    assert np.array_equal(clips[0], clips[1])
    assert np.array_equal(clips[0], clips[2])


def test_prompts_of_any_length_are_played_together_as_alone() -> None:
    world = FakeWorld(ScrollDynamics(noise=4.0))
    prompts = [picture(0)[None], np.stack([picture(1)] * 3), picture(2)[None]]
    actions = np.array([[1, 1, 2], [0, 2, 1]])
    together = rollouts.play_each(world, prompts, actions, [5, 6, 7])
    for index, prompt in enumerate(prompts):
        assert np.array_equal(together[index], rollouts.play_each(world, [prompt], actions, [5 + index])[0])


def test_the_quick_score_puts_checkpoints_in_the_right_order() -> None:
    clips = draw_sample({"scroll": ScrollData(8)}, 8)
    actions = np.where(clips.labels_BT < 0, 3, clips.labels_BT)
    scores = {}
    for manner, noise in (("obey", 2.0), ("obey", 30.0), ("ignore", 2.0), ("freeze", 0.0), ("noise", 0.0)):
        world = FakeWorld(ScrollDynamics(manner, noise))
        parts = Parts(world.tokenizer, world.dynamics)
        played = quick_rollouts(parts, clips.clips_BTHWC, actions, None, context=4)
        scores[manner, noise] = quick_score(played)["score"]
    best, worse, *others = scores.values()
    assert best > worse > max(others)


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="Did you mean 'core'"):
        evaluate(FakeWorld(), tmp_path, suite="cor")
    with pytest.raises(PlaygroundError, match="64x64"):
        evaluate(FakeWorld(frame_size=64), tmp_path)
    with pytest.raises(PlaygroundError, match="longer episodes"):
        evaluate_world(FakeWorld(), ScrollData(clips=0), tmp_path, progress=False)


def test_a_world_is_not_told_of_an_event_before_it_comes(tmp_path: Path) -> None:
    info = DatasetInfo(source="days", size=16, fps=10.0, captions=["day", "night"])
    with ClipWriter(tmp_path, info) as writer:
        for t in range(24):
            writer.append(np.full((16, 16, 3), t, np.uint8), caption=int(t >= 12))
    sample = draw_sample({"days": ClipDataset(tmp_path, length=24)}, 1)
    assert sample.captions == ["day"]
