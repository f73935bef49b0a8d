"""How often windows are drawn: per source, per caption, and unchanged where nothing is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.dataset import ClipDataset
from playground.data.format import DatasetInfo
from playground.data.sampling import balance_captions, motion_weights, share_sources
from playground.data.writer import ClipWriter

FLIGHT = DatasetInfo(source="flight", size=4, fps=20.0, action_names=["noop", "climb"], captions=["sea", "snow"])
GAME = DatasetInfo(source="game", size=4, fps=15.0, action_names=["left", "noop"], captions=["snow", "cave"])
VIDEO = DatasetInfo(source="import", size=4, fps=15.0)


def write(folder: Path, info: DatasetInfo, frames: int, moving: bool = False) -> Path:
    """One episode; action t is t % 2, one frame in ten has the second caption."""
    with ClipWriter(folder, info) as writer:
        for number in range(frames):
            picture = np.full((4, 4, 3), number % 2 * 100 if moving else 0, np.uint8)
            action = number % 2 if info.action_names else -1
            caption = int(number % 10 == 9) if info.captions else -1
            writer.append(picture, action=action, caption=caption)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Three sources; the video has no labels."""
    return [
        write(tmp_path / "a", FLIGHT, 100),
        write(tmp_path / "b", GAME, 300),
        write(tmp_path / "c", VIDEO, 100, moving=True),
    ]


def shares(data: ClipDataset, draws: int = 6000) -> dict[str, float]:
    """The share of each source in what is drawn."""
    starts = data.sample_starts(draws, np.random.default_rng(1))
    counts = np.bincount(data.source_T[starts], minlength=len(data.sources)) / draws
    return dict(zip(data.sources, counts.tolist(), strict=True))


def test_actions_and_captions_of_all_sources_share_one_table(folders: list[Path]) -> None:
    data = ClipDataset(folders, length=2)
    assert data.action_names == ["noop", "climb", "left"]
    assert data.captions == ["sea", "snow", "cave"]
    assert data.sources == ["flight", "game", "import"]
    # The action that produced frame t is t - 1 % 2 of the folder's own names.
    assert data.actions_T[1:5].tolist() == [0, 1, 0, 1]
    assert data.actions_T[101:105].tolist() == [2, 0, 2, 0]
    assert set(data.actions_T[400:].tolist()) == {-1}
    assert [data.captions[index] for index in data.caption_ids_T[[8, 9, 108, 109]]] == ["sea", "snow", "snow", "cave"]
    assert set(data.caption_ids_T[400:].tolist()) == {-1}
    assert [data.source_of(window) for window in (0, 98, 99, 398, len(data) - 1)] == [
        "flight",
        "flight",
        "game",
        "import",
        "import",
    ]
    clips = data.clips(np.array([103]))
    assert clips.actions_BT.tolist() == [[2, 0]]


def test_two_folders_of_one_world_are_one_source(folders: list[Path], tmp_path: Path) -> None:
    more = write(tmp_path / "more", replace(FLIGHT, seed=1), 50)
    data = ClipDataset([*folders, more], length=1, source_weights={"flight": 1, "game": 0, "import": 0})
    assert data.sources == ["flight", "game", "import"]
    starts = data.sample_starts(3000, np.random.default_rng(0))
    assert (starts >= 500).mean() == pytest.approx(50 / 150, abs=0.03)


def test_sources_are_drawn_by_their_windows_or_by_their_weights(folders: list[Path]) -> None:
    plain = shares(ClipDataset(folders, length=1))
    assert plain == pytest.approx({"flight": 0.2, "game": 0.6, "import": 0.2}, abs=0.02)
    weighted = shares(ClipDataset(folders, length=1, source_weights={"flight": 2, "game": 1, "import": 1}))
    assert weighted == pytest.approx({"flight": 0.5, "game": 0.25, "import": 0.25}, abs=0.02)
    # Only the video moves; motion decides inside a source and never between sources.
    weights = {"flight": 1.0, "game": 1.0, "import": 2.0}
    moving = shares(ClipDataset(folders, length=2, motion_weight=1.0, source_weights=weights))
    assert moving == pytest.approx({"flight": 0.25, "game": 0.25, "import": 0.5}, abs=0.02)


def test_rare_captions_are_drawn_as_often_as_the_others(folders: list[Path]) -> None:
    def counts(rare: float) -> list[float]:
        data = ClipDataset(folders[1], length=3, rare_captions=rare)
        starts = data.sample_starts(6000, np.random.default_rng(0))
        return (np.bincount(data.caption_ids_T[starts + 2]) / len(starts)).tolist()

    assert counts(0.0) == pytest.approx([0.9, 0.1], abs=0.02)
    assert counts(0.5) == pytest.approx([0.7, 0.3], abs=0.02)
    assert counts(1.0) == pytest.approx([0.5, 0.5], abs=0.02)
    # Among several sources each keeps its share.
    assert shares(ClipDataset(folders, length=1, rare_captions=1.0)) == pytest.approx(
        {"flight": 0.2, "game": 0.6, "import": 0.2}, abs=0.02
    )


def test_changes_of_the_caption_get_their_share_and_no_other_episode_counts(tmp_path: Path) -> None:
    # The caption changes in the middle of the second episode; the third begins with the first caption again.
    with ClipWriter(tmp_path / "d", FLIGHT) as writer:
        for number in range(180):
            picture = np.zeros((4, 4, 3), np.uint8)
            writer.append(picture, action=0, truncated=number % 60 == 59, caption=int(90 <= number < 120))
    data = ClipDataset(tmp_path / "d", length=4)
    around = {start for start in data.starts_W.tolist() if 87 <= start < 95}

    def share(asked: float) -> float:
        drawn = ClipDataset(data.folders, length=4, caption_changes=asked).sample_starts(6000, np.random.default_rng(0))
        return float(np.isin(drawn, list(around)).mean())

    plain = len(around) / len(data)
    assert share(0.0) == pytest.approx(plain, abs=0.01)
    assert share(plain / 2) == pytest.approx(plain, abs=0.01)
    assert share(0.5) == pytest.approx(0.5, abs=0.02)


def test_motion_that_is_not_asked_for_is_not_read(folders: list[Path]) -> None:
    weights = {"flight": 1, "game": 1, "import": 1}
    data = ClipDataset(folders, length=2, source_weights=weights, rare_captions=0.5)
    data.sample_starts(10, np.random.default_rng(0))
    # What was found out about motion is kept beside the shards.
    assert not [path for folder in folders for path in folder.rglob("*motion*")]
    moving = ClipDataset(folders, length=2, source_weights=weights, motion_weight=0.5)
    moving.sample_starts(10, np.random.default_rng(0))
    assert len([path for folder in folders for path in folder.rglob("*motion*")]) == 3
    # Sources that get nothing may be too short.
    short = ClipDataset(folders, length=200, source_weights={"flight": 0, "game": 1, "import": 0})
    assert shares(short, 100)["game"] == 1


def test_known_weights() -> None:
    assert motion_weights(np.array([0.0, 4.0]), 0.5).tolist() == [0.5, 1.5]
    assert motion_weights(np.zeros(3), 1.0).tolist() == [1, 1, 1]
    caption_W = np.array([0, 0, 0, -1])
    assert balance_captions(np.ones(4), caption_W, 0.0).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(balance_captions(np.ones(4), caption_W, 1.0), [2 / 3, 2 / 3, 2 / 3, 2])
    # A caption whose windows cannot be drawn takes nothing from the others.
    np.testing.assert_allclose(balance_captions(np.array([1.0, 1, 0, 0]), np.array([0, 1, 2, 2]), 1.0), [1, 1, 0, 0])
    np.testing.assert_allclose(share_sources(np.array([1.0, 3, 5]), np.array([0, 0, 1]), [1, 2]), [0.25, 0.75, 2])


def test_sampling_without_weights_is_what_it_always_was(folders: list[Path]) -> None:
    data = ClipDataset(folders[1], length=4)
    expected = data.starts_W[np.random.default_rng(3).integers(0, len(data), 50)]
    np.testing.assert_array_equal(data.sample_starts(50, np.random.default_rng(3)), expected)
    weighted = ClipDataset(folders[2], length=4, motion_weight=0.3)
    total = np.concatenate([[0.0], np.cumsum(weighted.motion(), dtype=np.float64)])
    motion_W = total[weighted.starts_W + 4] - total[weighted.starts_W + 1]
    cumulative = np.cumsum(0.7 + 0.3 * motion_W / motion_W.mean())
    index = np.searchsorted(cumulative, np.random.default_rng(3).random(50) * cumulative[-1], side="right")
    np.testing.assert_array_equal(weighted.sample_starts(50, np.random.default_rng(3)), weighted.starts_W[index])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source_weights": {"flight": 1, "gane": 1, "import": 1}}, r"unknown source 'gane'.*'game'"),
        ({"source_weights": {"flight": 1, "game": 1}}, r"no weight for 'import'; name every source"),
        ({"source_weights": {"flight": 1, "game": -1, "import": 1}}, r"'game' must be 0 or more, got -1"),
        ({"source_weights": {"flight": 0, "game": 0, "import": 0}}, r"at least one must be above 0"),
        ({"rare_captions": 1.5}, r"rare_captions must be 0..1"),
        ({"caption_changes": -0.5}, r"caption_changes must be 0..1"),
        (
            {"length": 200, "source_weights": {"flight": 1, "game": 0, "import": 1}},
            "'flight' has no window of 200",
        ),
        ({"length": 200, "source_weights": {"flight": 1, "game": 1, "import": 0}}, "'flight' has no window.*weight 0"),
    ],
)
def test_weights_that_mean_nothing_are_refused(folders: list[Path], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        ClipDataset(folders, **{"length": 1, **arguments}).sample_starts(1, np.random.default_rng(0))
