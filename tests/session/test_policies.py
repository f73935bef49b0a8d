"""Policies are deterministic by seed, and scripts say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground.agents.policies import make_policy, parse_script
from playground.core.errors import PlaygroundError
from tests.session.fake import FakeBook

FRAME = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("name", ["random", "sticky"])
def test_same_seed_same_actions(name: str) -> None:
    one, two, other = (make_policy(name, FakeBook(), seed) for seed in (3, 3, 4))
    first = [one.act(FRAME) for _ in range(100)]
    assert first == [two.act(FRAME) for _ in range(100)]
    assert first != [other.act(FRAME) for _ in range(100)]
    one.reset()
    assert first == [one.act(FRAME) for _ in range(100)]
    assert set(first) <= {0, 1, 2, 3, 4}
    assert len(set(first)) > 2


def test_sticky_holds() -> None:
    policy = make_policy("sticky", FakeBook(), 0)
    actions = [policy.act(FRAME) for _ in range(300)]
    changes = sum(one != two for one, two in zip(actions, actions[1:], strict=False))
    assert changes < 100


def test_scripts() -> None:
    assert parse_script("right*2, up 3\nleft") == ["right", "right", "up", 3, "left"]
    policy = make_policy("scripted:right*2,right+up,1", FakeBook())
    assert [policy.act(FRAME) for _ in range(6)] == [2, 2, 4, 1, 0, 0]


def test_script_files(tmp_path: Path) -> None:
    text, data = tmp_path / "keys.txt", tmp_path / "actions.json"
    text.write_text("left*2 space")
    data.write_text('{"actions": [{"t": 1, "code": 4}, {"code": 2}]}')
    assert [make_policy(str(text), FakeBook()).act(FRAME) for _ in range(2)] == [1, 1]
    policy = make_policy(str(data), FakeBook())
    assert [policy.act(FRAME) for _ in range(3)] == [4, 2, 0]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("stikcy", "Did you mean 'sticky'"),
        ("scripted:leff", "Did you mean 'left'"),
        ("scripted:left*x", r"left\*x"),
        ("nowhere/file.txt", "nowhere/file.txt does not exist"),
    ],
)
def test_mistakes_are_named(spec: str, message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        make_policy(spec, FakeBook())


def test_binary_controller_file(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(PlaygroundError, match="not a text file"):
        make_policy(str(path), FakeBook())
