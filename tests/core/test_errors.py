"""Suggestions of close names."""

from __future__ import annotations

from playground.core.errors import suggest


def test_a_close_name_is_suggested() -> None:
    assert suggest("shortcutt", ["maskgit", "shortcut"]) == " Did you mean 'shortcut'?"


def test_nothing_is_suggested_for_a_far_name() -> None:
    assert suggest("zzz", ["maskgit", "shortcut"]) == ""
    assert suggest("zzz", []) == ""
