"""From codes to keys, on synthetic play."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latent_actions.calibration import calibrate, calibrate_from_motion, keys_of, share_keys
from playground.core.registry import COLLECTORS

NAMES = ["noop", "left", "right", "up", "down"]
CODE_OF = {"noop": 3, "left": 0, "right": 4, "up": 1, "down": 2}
STILL = CODE_OF["noop"]


def _play(rng: np.random.Generator, count: int, walls: dict[str, float], noise: float = 0.05) -> tuple[Any, Any]:
    """Labels and codes of ``count`` frames; ``walls[name]`` is how often that action moves nothing."""
    labels = rng.integers(0, len(NAMES), count)
    codes = np.array([CODE_OF[NAMES[label]] for label in labels])
    blocked = rng.random(count) < np.array([walls.get(NAMES[label], 0.0) for label in labels])
    codes[blocked] = STILL
    wrong = rng.random(count) < noise
    codes[wrong] = rng.integers(0, 6, int(wrong.sum()))
    return labels, codes


def _by_name(entries: list[dict[str, Any]]) -> dict[str, int]:
    return {entry["name"]: entry["code"] for entry in entries}


def _check_complete(entries: list[dict[str, Any]], codes: int) -> None:
    assert [entry["code"] for entry in entries] == list(range(codes))
    assert [entry["noop"] for entry in entries].count(True) == 1
    keys = [key for entry in entries for key in entry["keys"]]
    assert len(keys) == len(set(keys)), "one key never means two codes"
    assert all(not entry["keys"] for entry in entries if entry["noop"])


@pytest.mark.parametrize(
    "walls",
    [{}, {"left": 0.5}, {"left": 0.5, "right": 0.4, "up": 0.5, "down": 0.5}, {"left": 0.8, "down": 0.75}],
    ids=["open", "one wall", "walls all round", "mostly walls"],
)
def test_labels_find_their_codes(rng: np.random.Generator, walls: dict[str, float]) -> None:
    labels, codes = _play(rng, 400, walls)
    entries = calibrate(labels, codes, NAMES, num_codes=6)
    _check_complete(entries, 6)
    found = _by_name(entries)
    assert {name: found.get(name) for name in NAMES} == CODE_OF
    assert entries[CODE_OF["left"]]["keys"] == ["left", "a"]
    assert entries[CODE_OF["up"]]["keys"] == ["up", "w", "space"]
    assert entries[5] == {"code": 5, "name": "action 6", "keys": [], "noop": False}


def test_an_action_that_does_nothing_gets_no_code(rng: np.random.Generator) -> None:
    labels, codes = _play(rng, 400, {"down": 1.0})
    entries = calibrate(labels, codes, NAMES, num_codes=6)
    _check_complete(entries, 6)
    assert not {"down", "s"} & {key for entry in entries for key in entry["keys"]}


def test_a_code_that_every_action_produces_belongs_to_none(rng: np.random.Generator) -> None:
    """Falling: whatever is pressed in the air, the picture moves the same way."""
    labels, codes = _play(rng, 600, {})
    codes[rng.random(600) < 0.6] = 5
    entries = calibrate(labels, codes, NAMES, num_codes=6)
    _check_complete(entries, 6)
    assert {name: _by_name(entries).get(name) for name in NAMES} == CODE_OF
    assert entries[5]["keys"] == []


def test_unknown_labels_are_left_out(rng: np.random.Generator) -> None:
    labels, codes = _play(rng, 400, {})
    poison = np.full(4000, -1), np.zeros(4000, np.int64)
    entries = calibrate(np.concatenate((labels, poison[0])), np.concatenate((codes, poison[1])), NAMES, 6)
    assert entries == calibrate(labels, codes, NAMES, 6)


def test_no_labels_at_all_still_gives_a_complete_list() -> None:
    entries = calibrate(np.full(50, -1), np.zeros(50, np.int64), NAMES, 6)
    _check_complete(entries, 6)
    assert all(not entry["keys"] for entry in entries)


def test_measured_motion_decides_the_no_op(rng: np.random.Generator) -> None:
    labels, codes = _play(rng, 400, {})
    motion = np.full((6, 2), 4.0)
    motion[STILL] = 0.1
    motion[5] = 0.0
    codes[codes == 5] = 0
    entries = calibrate(labels, codes, NAMES, 6, motion[:, None])
    assert entries[STILL]["noop"], "the stillest code that occurs"


def test_a_turn_is_not_standing_still(rng: np.random.Generator) -> None:
    """The picture as a whole goes nowhere when it turns; its parts do."""
    labels, codes = _play(rng, 400, {})
    motion = np.full((6, 4, 2), 4.0)
    motion[CODE_OF["left"]] = [[2, 0], [0, 2], [-2, 0], [0, -2]]
    motion[STILL] = 0.5
    assert calibrate(labels, codes, NAMES, 6, motion)[STILL]["noop"]
    assert calibrate_from_motion(motion, np.full(6, 10))[STILL]["noop"]


def test_a_rare_label_is_helped_by_the_actions_that_contain_it(rng: np.random.Generator) -> None:
    names = ["noop", "right", "gas-right"]
    labels = np.repeat([0, 1, 2], [100, 4, 60])
    codes = np.where((labels > 0) & (rng.random(164) < 0.7), 1, rng.integers(0, 4, 164))
    codes[labels == 1] = [1, 1, 0, 3]
    found = calibrate(labels, codes, names, 4, np.array([0.0, 3.0, 2.0, 2.0])[:, None, None] * np.ones((4, 1, 2)))
    assert found[1]["name"] == "right"
    assert {"right", "right+up"} <= set(found[1]["keys"])


def test_a_chord_without_a_code_of_its_own_does_what_one_of_its_keys_does(rng: np.random.Generator) -> None:
    names = ["noop", "left", "up", "left-up"]
    labels = np.repeat([0, 1, 2, 3], [60, 60, 60, 3])
    codes = np.concatenate((labels[:180], [1, 1, 0]))
    found = calibrate(labels, codes, names, 4)
    assert {"left", "a", "left+up"} <= set(found[1]["keys"])
    assert "left+up" not in found[2]["keys"]


def test_of_two_directions_that_share_a_code_one_has_the_key(rng: np.random.Generator) -> None:
    labels, codes = _play(rng, 600, {}, noise=0.0)
    codes[labels == NAMES.index("down")] = CODE_OF["right"]
    entries = calibrate(labels, codes, NAMES, 6)
    _check_complete(entries, 6)
    assert set(entries[CODE_OF["right"]]["keys"]) == {"right", "d"}
    assert not [entry for entry in entries if "down" in entry["keys"]]


def test_chords_have_keys(rng: np.random.Generator) -> None:
    names = ["noop", "right", "right-up"]
    labels = rng.integers(0, 3, 300)
    entries = calibrate(labels, labels, names, 3)
    assert "right+up" in entries[2]["keys"]
    assert "d+w" in entries[2]["keys"]


def test_a_key_that_changes_no_frame_gets_the_motion_of_its_direction(rng: np.random.Generator) -> None:
    """A car rolls on whatever is pressed: gas leaves no trace in a single frame, steering does."""
    names = ["noop", "left", "right", "gas", "brake"]
    labels = rng.integers(0, len(names), 200)
    steered = np.where(labels == 1, 0, np.where(labels == 2, 1, -1))
    codes = np.where((steered >= 0) & (rng.random(200) < 0.6), steered, rng.integers(0, 5, 200))
    motion = np.array([[3.0, 1.0], [-3.0, 1.0], [0.0, 0.2], [0.0, 2.0], [1.0, 1.0]])
    entries = calibrate(labels, codes, names, 5, motion[:, None])
    _check_complete(entries, 5)
    assert _by_name(entries) | {"action 5": 4} == {"left": 0, "right": 1, "noop": 2, "gas": 3, "action 5": 4}
    assert entries[3]["keys"] == ["up", "w"]


MOTION = np.array([[5.0, 0.2], [-4.0, 0.1], [0.1, 3.0], [0.0, -3.5], [0.05, 0.02], [9.0, 9.0]])
"""A camera that follows the player: the picture of a player who goes left moves right."""


def test_unlabelled_motion_names_directions() -> None:
    entries = calibrate_from_motion(MOTION[:, None], counts=np.array([50, 60, 20, 20, 90, 0]))
    _check_complete(entries, 6)
    found = _by_name(entries)
    assert {name: found[name] for name in ("left", "right", "up", "down", "noop")} == {
        "left": 0, "right": 1, "up": 2, "down": 3, "noop": 4,
    }  # fmt: skip
    assert entries[5]["keys"] == [], "a code that never occurs gets no key"


def test_weak_motion_names_nothing() -> None:
    entries = calibrate_from_motion(MOTION[:, None] * 0.02, counts=np.full(6, 10))
    _check_complete(entries, 6)
    assert all(not entry["keys"] for entry in entries)


def test_an_unused_code_is_never_the_no_op() -> None:
    motion = MOTION.copy()
    motion[5] = 0.0
    entries = calibrate_from_motion(motion[:, None], counts=np.array([50, 60, 20, 20, 90, 0]))
    assert entries[4]["noop"]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("left-up", ["left+up", "left+space", "a+w", "a+space"]),
        ("climb-left", ["left+up", "a+w"]),
        ("faster", ["space"]),
        ("noop", []),
        ("press-the-red-button", []),
    ],
)
def test_names_of_actions_get_the_keys_that_a_player_expects(name: str, keys: list[str]) -> None:
    assert keys_of(name) == keys


@pytest.mark.parametrize("world", COLLECTORS.names())
def test_every_world_gets_a_book_without_two_meanings_of_a_key(world: str) -> None:
    names = list(COLLECTORS.get(world)(size=64, split="train", options={}).action_names)
    labels = np.repeat(np.arange(len(names)), 20)
    motion = np.zeros((len(names) + 2, 2))
    motion[:, 1] = np.linspace(-4, 4, len(motion))  # two codes that no label stands for move up and down
    found = calibrate(labels, labels + 1, names, len(motion), motion[:, None])
    given = share_keys([{"code": code, "name": name, "keys": keys_of(name)} for code, name in enumerate(names)])
    for entries in (found, given):
        keys = [frozenset(key.split("+")) for entry in entries for key in entry["keys"]]
        assert keys
        assert len(keys) == len(set(keys))


def test_actions_that_look_alike_make_one_promise() -> None:
    """Climb, faster and slower share code 1; the arrow wins, although another label shows the code more clearly."""
    names = ["noop", "climb", "faster", "slower", "climb-left"]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 2000)
    shares = np.array([0.0, 0.6, 0.7, 0.8, 0.6])
    codes = (rng.random(2000) < shares[labels]).astype(np.int64)
    book = {entry["code"]: entry for entry in calibrate(labels, codes, names, 2)}
    assert book[1]["name"] == "climb"
    assert book[1]["keys"] == ["up", "w", "left+up", "a+w"]


def test_a_code_that_hardly_occurs_gets_no_key() -> None:
    """Code 2 moves the picture exactly as Up should, but one frame in a hundred is an accident."""
    labels = np.array([0, 1] * 500)
    codes = np.where(labels == 1, 1, 0)
    codes[::100] = 2
    motion = np.array([[[0.0, 0.0]], [[-3.0, 0.0]], [[0.0, 3.0]]])
    book = calibrate(labels, codes, ["noop", "right"], 3, motion)
    assert [entry["keys"] for entry in book] == [[], ["right", "d"], []]
    assert calibrate_from_motion(motion, np.array([495, 495, 10]))[2]["keys"] == []
    assert calibrate_from_motion(motion, np.array([400, 400, 200]))[2]["keys"] == ["up", "w", "space"]


def test_names_that_mean_the_same_keys_list_them_once() -> None:
    names = ["noop", "dive-right", "right-down"]
    labels = np.repeat([0, 1, 2], 50)
    book = calibrate(labels, np.where(labels == 0, 0, 1), names, 2)
    assert book[1]["keys"] == ["right+down", "d+s"]
