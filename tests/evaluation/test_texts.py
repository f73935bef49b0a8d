"""Worlds that draw what a text says, or do not, must get the share that they deserve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from playground.core.errors import PlaygroundError
from playground.core.registry import COLLECTORS
from playground.data.dataset import ClipDataset
from playground.evaluation import caption_judge, caption_panel, text_probes
from playground.evaluation.caption_judge import CaptionJudge, attribute_table, train_caption_judge
from playground.evaluation.captioned import CaptionedFrames, captioned_frames, find_events
from playground.evaluation.keys import KEYS, base_key
from playground.evaluation.report import limits
from playground.evaluation.text_probes import TextProbe
from playground.evaluation.wordings import held_out_wording
from tests.evaluation.fake_world import PixelTokenizer
from tests.evaluation.text_world import CAPTIONS, SceneDynamics, SceneWorld, captioned_clips


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    return ClipDataset(captioned_clips(tmp_path_factory.mktemp("scenes") / "clips"), length=12)


@pytest.fixture(scope="module")
def judges() -> dict[tuple[Any, ...], CaptionJudge | None]:
    """The judges that were trained so far, by what they were trained on: most tests here ask for the same one."""
    return {}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, judges: dict[tuple[Any, ...], CaptionJudge | None]) -> None:
    """A judge of plain colours is trained in a moment, and only once."""

    def train(*arguments: Any) -> CaptionJudge | None:
        *clips, captions, seed, _progress = arguments
        key = (*(array.tobytes() for array in clips), *captions, seed)
        if key not in judges:
            judges[key] = train_caption_judge(*clips, captions, seed)
        return judges[key]

    monkeypatch.setattr(caption_panel, "train_caption_judge", train)
    monkeypatch.setattr(caption_judge, "STEPS", 80)
    monkeypatch.setattr(caption_judge, "_BATCH", 24)
    monkeypatch.setattr(text_probes, "_JUDGE_FRAMES", 400)
    monkeypatch.setattr(text_probes, "_EVENTS", 8)


def measured(world: SceneWorld, data: ClipDataset, folder: Path) -> tuple[dict[str, float], list[str]]:
    notes: list[str] = []
    return TextProbe(world, {"scenes": data}, folder, context=4, seed=3, note=notes.append).measure(), notes


def test_a_world_that_draws_what_it_is_told_scores_one(scenes: ClipDataset, tmp_path: Path) -> None:
    numbers, notes = measured(SceneWorld(), scenes, tmp_path)
    assert min(numbers["text_accuracy_real"], numbers["text_accuracy_decoded"]) > 0.97
    assert min(numbers["text_accuracy"], numbers["text_accuracy_8"], numbers["event_accuracy_30"]) > 0.95
    assert numbers["event_accuracy_base"] == numbers["retold_accuracy_base"] == 0.0
    assert numbers["retold_accuracy_30"] > 0.95
    assert min(numbers["told_kept_30"], numbers["told_kept_real_30"]) > 0.95
    assert numbers["text_accuracy_chance"] < 0.3
    assert (numbers["text_runs"], numbers["event_runs"]) == (64, 8)
    assert (tmp_path / "texts.png").is_file()
    assert {base_key(name) for name in numbers} <= set(KEYS)
    assert any("no held-out wordings for scenes" in note for note in notes)
    assert not any("Texts" in line or "change of the text" in line or "stay" in line for line in limits(numbers))


def test_a_world_that_ignores_texts_scores_chance(scenes: ClipDataset, tmp_path: Path) -> None:
    numbers, _ = measured(SceneWorld(SceneDynamics("ignore")), scenes, tmp_path)
    assert abs(numbers["text_accuracy"] - numbers["text_accuracy_chance"]) < 0.2
    assert numbers["text_accuracy"] < 0.5
    assert any("Texts are not always drawn" in line for line in limits(numbers))


def test_a_world_that_ignores_events_scores_the_baseline(scenes: ClipDataset, tmp_path: Path) -> None:
    numbers, _ = measured(SceneWorld(SceneDynamics("deaf")), scenes, tmp_path)
    assert numbers["text_accuracy"] > 0.95
    assert numbers["event_accuracy_30"] == numbers["event_accuracy_base"] == 0.0
    assert numbers["retold_accuracy_30"] == numbers["retold_accuracy_base"] == 0.0
    assert any("A change of the text shows" in line for line in limits(numbers))


def test_a_world_that_loses_what_the_text_names_is_told_from_one_that_keeps_it(
    scenes: ClipDataset, tmp_path: Path
) -> None:
    numbers, _ = measured(SceneWorld(SceneDynamics("wander")), scenes, tmp_path)
    assert numbers["told_kept_30"] < 0.5 < 0.95 < numbers["told_kept_real_30"]
    assert any("does not always stay" in line for line in limits(numbers))


def test_a_judge_of_wrong_captions_is_noticed(
    scenes: ClipDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_judge.CaptionJudge, "read", lambda judge, frames: np.zeros(len(frames), np.int64))
    numbers, notes = measured(SceneWorld(), scenes, tmp_path)
    assert numbers["text_accuracy_real"] < 0.5
    assert any("the judge names" in note for note in notes)


def test_what_cannot_be_asked_is_one_line(scenes: ClipDataset, tmp_path: Path) -> None:
    class NoEncoder(SceneWorld):
        def embed(self, text: str) -> np.ndarray:
            raise PlaygroundError("install the encoder")

    numbers, notes = measured(NoEncoder(), scenes, tmp_path)
    assert "text_accuracy_real" in numbers
    assert "text_accuracy" not in numbers
    assert "text_accuracy: install the encoder" in notes

    notes = []
    probe = TextProbe(SceneWorld(), {"plain": object()}, tmp_path, 4, 0, notes.append)
    assert probe.measure() == {}
    assert notes == ["text_accuracy: the data has no captions; collect it from a source that has some"]


def test_what_the_tokenizer_loses_is_told_from_what_the_world_does(scenes: ClipDataset, tmp_path: Path) -> None:
    class Colourless(PixelTokenizer):
        """Gives back the lightness of pictures alone; what is drawn goes through the one that knows colours."""

        def encode(self, frames_BTHWC: torch.Tensor) -> torch.Tensor:
            return super().encode(frames_BTHWC.float().mean(dim=-1, keepdim=True).expand_as(frames_BTHWC))

    numbers, _ = measured(SceneWorld(tokenizer=Colourless()), scenes, tmp_path)
    assert numbers["text_accuracy_decoded"] < 0.6 < 0.97 < numbers["text_accuracy_real"]
    assert any("The tokenizer loses small things" in line for line in limits(numbers))


def test_attributes_know_the_order_of_words() -> None:
    table = attribute_table(["a red road by green grass", "a green road by red grass", "a red road by red grass, rain"])
    assert len({tuple(row) for row in table.tolist()}) == 3
    assert not table.all(axis=0).any()
    assert attribute_table(["alike", "alike"]).shape == (2, 0)


def test_a_caption_that_was_never_seen_is_known_by_its_words(scenes: ClipDataset) -> None:
    real = captioned_frames({"scenes": scenes}, 600, 32, seed=0)
    unseen = CAPTIONS.index("a red sky over blue ground")
    kept = real.caption_B != unseen
    judge = train_caption_judge(real.frames_BHWC[kept], real.caption_B[kept], real.episode_B[kept], CAPTIONS)
    assert judge is not None
    assert judge.known.tolist() == list(range(len(CAPTIONS)))
    assert (judge.read(real.frames_BHWC[~kept]) == unseen).mean() > 0.8
    assert train_caption_judge(real.frames_BHWC[:9], np.zeros(9, int), np.zeros(9, int), CAPTIONS) is None


def test_events_are_put_to_clips_without_change(scenes: ClipDataset) -> None:
    events = find_events("scenes", scenes, 5, 20, 32, seed=0, known=set(CAPTIONS))
    assert len(events) == 5
    for event in events:
        assert event.clip_THWC.shape == (20, 32, 32, 3)
        assert event.before != event.after
        assert event.clip_THWC[:, :4].astype(float).mean((1, 2)).std(axis=0).max() < 5
    assert find_events("scenes", scenes, 5, 50, 32, seed=0, known=set(CAPTIONS)) == []
    assert find_events("scenes", scenes, 5, 20, 32, seed=0, known=set(CAPTIONS[:1])) == []


@pytest.mark.parametrize("source", ["racing", "flyover", "crafter", "coinrun", "doom"])
def test_every_caption_has_a_wording_that_nobody_trains_with(source: str) -> None:
    collector = COLLECTORS.get(source)(size=64, split="test", options={})
    trained = {*collector.captions, *(text for texts in collector.paraphrases for text in texts)}
    wordings = [held_out_wording(source, caption, trained) for caption in collector.captions]
    assert None not in wordings
    assert len(set(wordings)) == len(wordings)
    assert max(len(str(text)) for text in wordings) <= 100


def test_no_wording_where_none_is_held_out() -> None:
    assert held_out_wording("../racing", "a racing car on a red road through blue grass") is None
    assert held_out_wording("racing", "something else") is None
    wording = held_out_wording("racing", "a racing car on a red road through blue grass")
    assert wording == "drive a car on a red street with blue fields left and right"
    assert held_out_wording("racing", "a racing car on a red road through blue grass", {wording}) is None


def test_sources_are_told_apart_before_their_captions(scenes: ClipDataset) -> None:
    """One source is another in photographic negative, with the same texts."""
    real = captioned_frames({"plain": scenes}, 400, 32, seed=0)
    both = CaptionedFrames(
        np.concatenate([real.frames_BHWC, 255 - real.frames_BHWC]),
        np.concatenate([real.caption_B, real.caption_B + len(CAPTIONS)]),
        np.concatenate([real.episode_B, real.episode_B + 1000]),
        real.captions * 2,
        np.array(["plain"] * len(CAPTIONS) + ["negative"] * len(CAPTIONS), object),
    )
    assert both.caption_id("negative", CAPTIONS[0]) == len(CAPTIONS)
    panel = caption_panel.train_caption_panel(both)
    assert panel is not None
    unseen = panel.held_out
    assert set(both.source_B[unseen]) == {"plain", "negative"}
    answers = panel.read(both.frames_BHWC[unseen])
    assert (answers == both.caption_B[unseen]).mean() > 0.9
    assert set(answers.tolist()) <= set(panel.known.tolist())


def test_a_source_that_cannot_be_judged_is_left_out(scenes: ClipDataset, tmp_path: Path) -> None:
    class OneEpisode:
        captions = scenes.captions
        caption_ids_T = scenes.caption_ids_T
        first_T = np.arange(len(scenes.first_T)) == 0

        def frames(self, low: int, high: int) -> np.ndarray:
            return scenes.frames(low, high)

    notes: list[str] = []
    told = {"scenes": scenes, "short": OneEpisode()}
    numbers = TextProbe(SceneWorld(), told, tmp_path, context=4, seed=3, note=notes.append).measure()
    assert numbers["text_accuracy"] > 0.95
    assert "text_accuracy/short" not in numbers
    assert any(note.startswith("text_accuracy (measured): without short;") for note in notes)


def test_the_right_source_counts_where_there_are_several(scenes: ClipDataset, tmp_path: Path) -> None:
    """Both sources show the same scenes under the same captions: nothing tells which one a picture is from."""
    told = {"first": scenes, "second": scenes}
    numbers = TextProbe(SceneWorld(), told, tmp_path, context=4, seed=3, note=lambda line: None).measure()
    assert 0.0 < numbers["text_source_accuracy"] < 1.0
    assert numbers["text_accuracy"] <= numbers["text_source_accuracy"]
    assert {base_key(name) for name in numbers} <= set(KEYS)
