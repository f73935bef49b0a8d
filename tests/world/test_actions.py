"""The action book: names, keys, chords and codes all lead to the right action."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.world.actions import Action, ActionBook
from tests.tiny_world import tiny_actions


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("left", 1), ("a", 1), ("jump right", 3), ("right+up", 3), ("up + Right", 3), (2, 2), ("2", 2), ("#2", 2),
        (np.int64(3), 3), (Action(2, "right", ("right", "d")), 2), ("stay", 0),
    ],
)  # fmt: skip
def test_resolve(given: Any, code: int) -> None:
    assert tiny_actions().resolve(given).code == code


@pytest.mark.parametrize("given", ["lefft", "", "#", "#-1", "99", 99, -1, 1.5, None, "²"])
def test_unknown_actions_are_told(given: Any) -> None:
    with pytest.raises(PlaygroundError) as caught:
        tiny_actions().resolve(given)
    if given == "lefft":
        assert "Did you mean 'left'?" in str(caught.value)
        assert "'jump right'" in str(caught.value)


@pytest.mark.parametrize(
    ("held", "code"), [((), 0), (("q",), 0), (("right",), 2), (("right", "up"), 3), (("up",), 0), (("a", "q"), 1)]
)
def test_the_longest_chord_wins(held: tuple[str, ...], code: int) -> None:
    assert tiny_actions().from_keys(set(held)).code == code


def test_entries_survive_a_file(tmp_path: Any) -> None:
    book = tiny_actions()
    book.save(tmp_path / "actions.json")
    assert ActionBook.load(tmp_path / "actions.json").entries == book.entries
    assert ActionBook.from_entries(book.to_entries()).entries == book.entries
    assert [action.code for action in ActionBook.plain(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "0 actions are marked"),
        ([Action(0, "a", (), True), Action(1, "b", (), True)], "2 actions are marked"),
        ([Action(0, "a", (), True), Action(1, "a")], "given twice"),
        ([Action(0, "a", ("x",), True), Action(1, "b", ("x",))], "also means 'a'"),
        ([Action(-1, "a", (), True)], "codes start at 0"),
    ],
)
def test_contradictions_are_refused(entries: list[Action], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        ActionBook(entries)
