"""Doom: the same bytes for a seed in every grouping, held-out maps, exact captions, eyes off the wall, no traces."""

from __future__ import annotations

import dataclasses
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.worlds import StepBatch
from playground.data.worlds.doom import SPLIT_SEEDS, DoomCollector
from playground.data.worlds.doom_captions import caption_id, cover_caption_id, place_of, split_maps
from playground.data.worlds.doom_game import VIEWS
from playground.data.worlds.doom_wad import palette, places
from playground.data.worlds.doom_walker import NEAR, Walker, ahead

FIELDS = ("actions_S", "rewards_S", "terminated_S", "truncated_S", "captions_S")


@pytest.fixture(scope="module")
def game() -> None:
    """Skip without the package."""
    pytest.importorskip("vizdoom", reason="the package vizdoom is not installed")
    pytest.importorskip("numba", reason="the package numba is not installed")


def play(size: int, first: int, streams: int, frames: int, **options: str) -> list[StepBatch]:
    """A rollout of the train split."""
    batches = DoomCollector(size, "train", options).rollout(2, first, streams, frames)
    # A batch's frames are valid until the next one.
    return [dataclasses.replace(batch, frames_SHWC=batch.frames_SHWC.copy()) for batch in batches]


@pytest.mark.parametrize(
    ("size", "split", "options", "message"),
    [
        (96, "train", {}, "96 px are not available.*64, 128"),
        (64, "trian", {}, "no split 'trian'.*'train'"),
        (64, "train", {"scenaro": "explore"}, "no option 'scenaro'.*'scenario'"),
        (64, "train", {"scenario": "explode"}, "explore or take-cover"),
    ],
)
def test_bad_options_are_named(size: int, split: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        DoomCollector(size, split, options)


def test_splits_share_neither_maps_nor_seeds() -> None:
    maps = [{name for names in split_maps(split).values() for name in names} for split in ("train", "val", "test")]
    assert all(maps)
    assert sum(map(len, maps)) == len(set.union(*maps)) == 68
    ranges = sorted(SPLIT_SEEDS.values())
    assert all(before[1] <= after[0] for before, after in zip(ranges, ranges[1:], strict=False))


def test_captions_say_place_light_and_sight() -> None:
    captions = DoomCollector(64, "train", {}).captions
    soldier = [("Zombieman", "Monster", 40), ("Clip", "Ammo", 20)]
    assert captions[caption_id("map02", 90.0, soldier)] == "walking through a techno base, a soldier ahead"
    assert captions[caption_id("e3m1", 20.0, [])] == "walking through a dim hellish castle"
    assert captions[caption_id("map01", 90.0, [("DoomImp", "Monster", 3)])] == "walking through a maze of rooms"
    # A monster that was shot gets this name and category.
    assert captions[caption_id("map01", 90.0, [("DeadDemon", "Gore", 90)])] == "walking through a maze of rooms"
    assert "fireballs" in captions[cover_caption_id([("DoomImpBall", "Projectile", 9)])]
    assert {place_of(name) for names in split_maps("train").values() for name in names} == {0, 1, 2, 3}


def test_every_caption_has_other_wordings() -> None:
    collector = DoomCollector(64, "train", {})
    assert len(collector.captions) == len(set(collector.captions)) == len(collector.paraphrases)
    for caption, others in zip(collector.captions, collector.paraphrases, strict=True):
        assert len({caption, *others}) == 4
        assert all(text == text.lower() and len(text) <= 80 and "  " not in text for text in (caption, *others))


def test_the_walker_turns_to_the_freer_side_until_the_way_is_clear() -> None:
    walker = Walker(np.random.default_rng(4))
    depth = np.full((256, 256), 3, np.uint8)
    depth[:, :80] = 60
    turns = [walker.explore(depth, None) for _ in range(4)]
    assert set(turns[1:]) == {"left"}
    free = [walker.explore(np.full((256, 256), 60, np.uint8), None) for _ in range(400)]
    assert 0.3 < free.count("forward") / 400 < 0.6


def test_places_are_goods_that_exist_and_starts(tmp_path: Path) -> None:
    things = [
        (10, 20, 0, 2001, 7),  # a weapon
        (1, 1, 0, 2001, 6),  # a weapon of harder levels
        (2, 2, 0, 2001, 23),  # a weapon among several players
        (3, 3, 0, 3004, 7),  # a soldier
        (4, 4, 0, 2035, 7),  # a barrel
        (-30, 40, 90, 11, 23),  # a start among several players
    ]
    colours = np.arange(768, dtype=np.uint8)
    parts = [(b"PLAYPAL", colours.tobytes() * 2), (b"E1M1", b""), (b"THINGS", np.array(things, "<i2").tobytes())]
    offset, lumps, directory = 12, b"", b""
    for name, part in parts:
        directory += struct.pack("<ii8s", offset + len(lumps), len(part), name)
        lumps += part
    path = tmp_path / "tiny.wad"
    path.write_bytes(struct.pack("<4sii", b"IWAD", len(parts), offset + len(lumps)) + lumps + directory)
    assert places(path, "e1m1").tolist() == [[10, 20], [-30, 40]]
    assert np.array_equal(palette(path), colours.reshape(256, 3))


@pytest.mark.parametrize("size", list(VIEWS))
def test_a_frame_is_the_mean_of_the_area_of_each_pixel(size: int) -> None:
    pytest.importorskip("numba", reason="the package numba is not installed")
    from playground.data.worlds.doom_picture import GAMMA, FrameMaker

    view, rng = VIEWS[size], np.random.default_rng(8)
    colours = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    screen = rng.integers(0, 256, (view.side, view.columns), dtype=np.uint8)
    frame = np.zeros((size, size, 3), np.uint8)
    brightness = FrameMaker(colours, view.side, view.margin, size).draw(screen, frame)
    bright = 255 * (colours[screen[:, view.margin : view.margin + view.side]] / 255) ** GAMMA
    # Pixel i of the screen covers i * size to (i + 1) * size, pixel o of the frame o * side to (o + 1) * side.
    ends, starts = np.arange(1, view.side + 1) * size, np.arange(size)[:, None] * view.side
    share = (np.minimum(starts + view.side, ends) - np.maximum(starts, ends - size)).clip(0) / view.side
    mean = np.einsum("oi,ijc->ojc", share, bright)
    mean = np.einsum("pj,ojc->opc", share, mean)
    assert np.abs(frame - mean).max() < 4
    assert abs(float(np.mean(frame - mean))) < 0.5
    assert brightness == pytest.approx(frame[::4, ::4].mean())


@pytest.mark.usefixtures("game")
def test_every_map_has_places_to_start() -> None:
    import vizdoom

    home = Path(vizdoom.__file__).parent
    for split in SPLIT_SEEDS:
        for wad, names in split_maps(split).items():
            assert min(len(places(home / wad, name)) for name in names) >= 10


@pytest.mark.usefixtures("game")
def test_streams_repeat_alone_and_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = dict(os.environ)
    pair, alone = play(64, 0, 2, 150), play(64, 1, 1, 150)
    for one, both in zip(alone, pair, strict=True):
        assert np.array_equal(one.frames_SHWC[0], both.frames_SHWC[1])
        assert all(getattr(one, name)[0] == getattr(both, name)[1] for name in FIELDS)
    frames = np.stack([b.frames_SHWC for b in pair]).astype(np.int16)
    assert (np.abs(np.diff(frames, axis=0)).mean((2, 3, 4)) > 0.5).mean() > 0.7
    assert not list(tmp_path.iterdir())
    assert Path.cwd() == tmp_path
    assert dict(os.environ) == environment


@pytest.mark.usefixtures("game")
def test_few_frames_face_a_wall() -> None:
    near = []
    for stream in range(2):
        player = DoomCollector(64, "train", {})._open(5, stream)
        view = player._game.view
        monkey = []
        player._game.view = lambda view=view, seen=monkey: seen.append(view()) or seen[-1]
        for _ in range(25):
            player.play(np.empty((16, 64, 64, 3), np.uint8))
            near += [ahead(depth) < NEAR for _, depth, _ in monkey]
            monkey.clear()
        player.close()
    assert np.mean(near) < 0.30


@pytest.mark.usefixtures("game")
def test_only_what_the_picture_shows_is_named() -> None:
    player = DoomCollector(64, "train", {})._open(9, 0)
    beside, frame = 0, np.empty((64, 64, 3), np.uint8)
    for _ in range(150):
        player.step(frame)
        state = player._game._game.get_state()
        if state is None:
            continue
        # The stored picture is columns 20 to 139 of 160; a thing is seen if it reaches 4 columns into it.
        shown = [label for label in state.labels if label.x + label.width > 23.75 and label.x < 136.25]
        beside += len(state.labels) - len(shown)
        # Boxes are measured in pixels of 256.
        named = sorted((label.object_name, label.height * 256 // 120) for label in shown)
        assert named == sorted((thing.name, thing.height) for thing in player._game.view()[2])
    player.close()
    assert beside > 0


@pytest.mark.usefixtures("game")
@pytest.mark.parametrize("tries", [1, 30], ids=["once", "always"])
def test_a_start_that_ends_at_once_is_drawn_again(tries: int) -> None:
    player = DoomCollector(64, "train", {})._open(9, 0)
    command, deaths = player._game._command, []

    def dies(text: str) -> None:
        command(text)
        # After the warp, with the tics of rest still to come, the player dies for the first tries.
        if text.startswith("warp") and len(deaths) < tries:
            deaths.append(text)
            command("god")
            command("kill")

    player._game._command, frame = dies, np.zeros((64, 64, 3), np.uint8)
    if tries == 1:
        player.step(frame)
        assert frame.any()
        assert len(deaths) == 1
    else:
        with pytest.raises(PlaygroundError, match="before their first frame; use another --seed"):
            player.step(frame)
    player.close()


@pytest.mark.usefixtures("game")
def test_take_cover_only_steps_aside() -> None:
    batches = play(64, 0, 1, 60, scenario="take-cover")
    names = DoomCollector(64, "train", {}).action_names
    assert {names[int(b.actions_S[0])] for b in batches} <= {"strafe-left", "strafe-right", "noop"}
    assert all(int(b.captions_S[0]) >= 32 for b in batches)


@pytest.mark.usefixtures("game")
def test_splits_play_take_cover_differently_with_one_seed() -> None:
    plays = [DoomCollector(64, split, {"scenario": "take-cover"}).rollout(2, 0, 1, 60) for split in SPLIT_SEEDS]
    assert len({tuple(int(batch.actions_S[0]) for batch in play) for play in plays}) == 3


@pytest.mark.usefixtures("game")
def test_stopping_early_ends_the_game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    rollout = DoomCollector(64, "train", {}).rollout(0, 0, 1, 100)
    next(rollout)
    assert list(tmp_path.glob("playground-doom-*"))
    rollout.close()
    assert not list(tmp_path.iterdir())
