"""Flyover: obeys its keys, says exactly what it shows, and gives the same bytes in any company."""

from __future__ import annotations

import inspect
import itertools
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.data.worlds import check_world
from playground.data.worlds.flyover import FlyoverCollector
from playground.data.worlds.flyover.atmosphere import TIMES, WEATHERS, air_vector
from playground.data.worlds.flyover.biomes import BIOMES
from playground.data.worlds.flyover.captions import all_captions, all_paraphrases, caption_id
from playground.data.worlds.flyover.collector import SPLIT_WORLDS
from playground.data.worlds.flyover.flight import ACTIONS, CEILING, CLEARANCE, MAPS_AROUND, Flight, Pilot
from playground.data.worlds.flyover.view import ALTITUDE, BANK, PITCH, X, Y


def test_a_world_with_options_names_them() -> None:
    known: dict[str, Any] = {"sizes": (64, 128), "splits": ("train", "val"), "known_options": ("scenario", "wide")}
    check_world("doom", 128, "val", {"wide": True}, **known)
    with pytest.raises(PlaygroundError, match=r"doom has no option 'scenery'.*'scenario'.* Known: scenario, wide\."):
        check_world("doom", 64, "train", {"wide": True, "scenery": 1}, **known)
    with pytest.raises(PlaygroundError, match="use --size 64 or 128"):
        check_world("doom", 96, "train", {}, **known)


def test_captions_name_every_state_once() -> None:
    captions, paraphrases = all_captions(), all_paraphrases()
    assert len(BIOMES) >= 8
    assert len(set(captions)) == len(captions) == len(BIOMES) * len(TIMES) * len(WEATHERS)
    assert captions[caption_id(5, 1, 2)] == "flying over red rock canyons at dusk, rain"
    assert len(paraphrases) == len(captions)
    for caption, texts in zip(captions, paraphrases, strict=True):
        assert len({caption, *texts}) >= 4
        assert all(text == text.lower() and len(text) <= 80 for text in (caption, *texts))


def test_every_state_of_the_air_differs() -> None:
    vectors = [air_vector(0, time, weather) for time in range(3) for weather in range(4)]
    assert all(np.abs(a - b).max() > 0.05 for a, b in itertools.combinations(vectors, 2))


def test_keys_show_within_two_frames() -> None:
    flat = np.zeros((64, 64), np.float32)
    views = {}
    for action in ("noop", "left", "right", "climb", "dive"):
        flight = Flight(5, 5, 40, 1.0, 2.0)
        for _ in range(2):
            flight.step(action, flat)
        views[action] = flight.camera(), flight.yaw, flight.altitude
    assert views["left"][1] < views["noop"][1] - 0.04 < views["right"][1] - 0.08
    assert views["left"][0][BANK] > 0.1
    assert views["right"][0][BANK] < -0.1
    assert views["dive"][2] < views["noop"][2] - 1 < views["climb"][2] - 2
    assert views["dive"][0][PITCH] < views["noop"][0][PITCH] - 0.04 < views["climb"][0][PITCH] - 0.08


def test_speed_follows_its_keys_and_stays() -> None:
    flat, flight = np.zeros((64, 64), np.float32), Flight(5, 5, 40, 0.0, 1.5)
    flight.step("faster", flat)
    faster = flight.speed
    flight.step("noop", flat)
    assert flight.speed == faster > 1.6
    flight.step("slower", flat)
    assert flight.speed == pytest.approx(1.5)


def test_the_plane_never_touches_the_ground_and_never_leaves(rng: np.random.Generator) -> None:
    rows = np.arange(128)
    height = (30 + 30 * np.sin(rows / 128 * 6 * np.pi)[:, None] * np.ones(128)).astype(np.float32)
    flight, gaps = Flight(0, 0, 80, 1.3, 2.5), []
    for t in range(600):
        flight.step("dive" if t < 300 else "climb", height)
        gaps.append(flight.altitude - height[int(flight.y) % 128, int(flight.x) % 128])
    assert min(gaps) >= 3.9
    assert max(gaps) < CLEARANCE + CEILING + 75


def test_the_pilot_presses_every_key_often(rng: np.random.Generator) -> None:
    flat, flight, pilot = np.zeros((64, 64), np.float32), Flight(0, 0, 30, 0.0, 1.5), Pilot(rng)
    pressed = []
    for _ in range(6000):
        pressed.append(pilot.act(flight, flight.altitude))
        flight.step(pressed[-1], flat)
    shares = {action: pressed.count(action) / len(pressed) for action in ACTIONS}
    assert min(shares.values()) > 0.03, shares


@pytest.fixture(scope="module")
def numba() -> None:
    """Skip without the compiler."""
    pytest.importorskip("numba")


def play(first: int, streams: int, frames: int, size: int = 64) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Frames, actions and captions over time."""
    batches = FlyoverCollector(size, "train", {}).rollout(7, first, streams, frames)
    return [(batch.frames_SHWC.copy(), batch.actions_S, batch.captions_S) for batch in batches]


@pytest.mark.usefixtures("numba")
def test_a_stream_is_the_same_in_any_company() -> None:
    whole, first, second = play(0, 4, 12), play(0, 2, 12), play(2, 2, 12)
    for t, (a, b, c) in enumerate(zip(whole, first, second, strict=True)):
        for together, left, right in zip(a, b, c, strict=True):
            assert np.array_equal(together, np.concatenate([left, right])), f"frame {t} differs"


@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("weather", ["clear", "rain"])
@pytest.mark.parametrize("maps", [1, 4])
def test_the_edge_of_the_map_shows_in_no_frame(maps: int, weather: str) -> None:
    from playground.data.worlds.flyover.stage import Stage
    from playground.data.worlds.flyover.terrain import MAP

    stage, biome = Stage(128), [biome.name for biome in BIOMES].index("islands")
    place = stage.place(stage.world(biome, 3), air_vector(biome, 0, WEATHERS.index(weather), 0.5))
    # The fourth of six equal steps crosses both edges.
    flight, before = Flight(maps * MAP - 5, maps * MAP - 5, 40, math.pi / 4, 2.0), None
    pictures = []
    for _ in range(7):
        camera = flight.camera()
        camera[ALTITUDE] = 40
        picture = np.empty((128, 128, 3), np.uint8)
        stage.draw(place, camera, camera if before is None else before, 0.0, picture)
        pictures.append(picture.astype(float))
        before = camera
        flight.step("noop", place.height)
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(pictures[1:])]
    assert max(steps) < 1.25 * np.median(steps), steps


@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("weather", ["clear", "rain"])
def test_the_flight_starts_over_where_everything_repeats(weather: str) -> None:
    from playground.data.worlds.flyover.stage import Stage
    from playground.data.worlds.flyover.terrain import MAP

    stage, biome = Stage(128), [biome.name for biome in BIOMES].index("islands")
    place = stage.place(stage.world(biome, 3), air_vector(biome, 0, WEATHERS.index(weather), 0.5))
    pictures = []
    for lap in (0, 1):
        before, camera = Flight(2, 3, 40, 1.0, 2.0).camera(), Flight(3, 4.5, 40, 1.0, 2.0).camera()
        before[[X, Y]] += lap * MAPS_AROUND * MAP
        camera[[X, Y]] += lap * MAPS_AROUND * MAP
        picture = np.empty((128, 128, 3), np.uint8)
        stage.draw(place, camera, before, 0.0, picture)
        pictures.append(picture.astype(float))
    assert np.abs(pictures[1] - pictures[0]).mean() < 0.05


@pytest.mark.usefixtures("numba")
def test_compiled_code_is_never_older_than_the_source(tmp_path: Path) -> None:
    package = tmp_path / "drawing"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(inspect.getfile(FlyoverCollector).replace("collector.py", "compiler.py"), package)
    (package / "ground.py").write_text(
        "from drawing.compiler import kernel\nfrom drawing.view import NUMBER\n\n\n"
        "@kernel\ndef number():\n    return NUMBER\n"
    )
    blocked = tmp_path / "file"
    blocked.touch()

    def draw() -> list[str]:
        """The number and how often the cache was used."""
        code = "from drawing.ground import number; print(number(), sum(number.stats.cache_hits.values()))"
        removed = ("NUMBA_CACHE_DIR", "PYTHONPATH")
        env = {name: value for name, value in os.environ.items() if name not in removed}
        env |= {"XDG_CACHE_HOME": str(blocked), "HOME": str(blocked), "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert not run.returncode, run.stderr
        return run.stdout.split()

    (package / "view.py").write_text("NUMBER = 1\n")
    assert draw() == ["1", "0"]
    assert draw() == ["1", "1"]
    (package / "view.py").write_text("NUMBER = 2\n")
    assert draw() == ["2", "0"]
    # Where no folder can be written, it is compiled again and again.
    shutil.rmtree(package / "__pycache__")
    (package / "__pycache__").touch()
    assert draw() == draw() == ["2", "0"]


@pytest.mark.usefixtures("numba")
def test_splits_of_one_seed_share_no_play() -> None:
    def story(split: str) -> list[list[int]]:
        batches = FlyoverCollector(64, split, {}).rollout(7, 0, 2, 40)
        return [[*batch.actions_S.tolist(), *batch.captions_S.tolist()] for batch in batches]

    stories = [story(split) for split in SPLIT_WORLDS]
    assert all(a != b for a, b in itertools.combinations(stories, 2))
    actions = [[row[:2] for row in story] for story in stories]
    assert all(a != b for a, b in itertools.combinations(actions, 2))


@pytest.mark.usefixtures("numba")
def test_small_pictures_are_large_ones_averaged() -> None:
    small, large = play(0, 1, 3, 64)[-1][0], play(0, 1, 3, 128)[-1][0]
    halved = large.reshape(1, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(halved - small).max() <= 1.5


@pytest.mark.usefixtures("numba")
def test_a_change_is_smooth_and_the_caption_turns_when_it_starts() -> None:
    from playground.data.worlds.flyover.collector import CHANGE_FRAMES, _Player
    from playground.data.worlds.flyover.stage import Stage

    player = _Player(Stage(128), (0, 10), (300, 301), seed=1, stream=0)
    player._events = [3]
    pictures, captions = [], []
    for _ in range(4 + CHANGE_FRAMES):
        picture = np.empty((128, 128, 3), np.uint8)
        player.draw(picture)
        captions.append(player.caption)
        pictures.append(picture.astype(float))
        # Hold the plane where it is: what differs is the light.
        place = player._flight.x, player._flight.y, player._flight.altitude, player._flight.yaw
        player.step()
        player._flight.x, player._flight.y, player._flight.altitude, player._flight.yaw = place
    assert captions[2] != captions[3]
    assert len(set(captions[3:])) == 1
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(pictures)]
    whole = np.abs(pictures[-1] - pictures[0]).mean()
    assert max(steps) < 0.5 * whole + 8
