"""Strict configs and atomic JSON files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.config import config_from_dict, config_to_dict, read_json, write_json
from playground.core.errors import PlaygroundError


@dataclass(frozen=True)
class Inner:
    """A nested part."""

    size: int
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    """One field of every kind that configs use."""

    name: str
    inner: Inner
    widths: tuple[int, ...] = (1, 2)
    tags: list[str] = field(default_factory=list)
    table: dict[str, float] = field(default_factory=dict)
    mode: Literal["slow", "fast"] = "slow"
    limit: int | None = None
    on: bool = False
    parts: tuple[Inner, ...] = ()

    def __post_init__(self) -> None:
        if self.limit == 13:
            raise ValueError("field 'limit' must not be 13")


GOOD: dict[str, Any] = {"name": "a", "inner": {"size": 3}}
floats = st.floats(allow_nan=False, allow_infinity=False)
inners = st.builds(Inner, size=st.integers(), rate=floats)
outers = st.builds(
    Outer,
    name=st.text(),
    inner=inners,
    widths=st.lists(st.integers()).map(tuple),
    tags=st.lists(st.text()),
    table=st.dictionaries(st.text(), floats),
    mode=st.sampled_from(["slow", "fast"]),
    limit=st.none() | st.integers(min_value=14),
    on=st.booleans(),
    parts=st.lists(inners, max_size=3).map(tuple),
)


@given(outers)
def test_round_trip_through_json(config: Outer) -> None:
    data = json.loads(json.dumps(config_to_dict(config)))
    back = config_from_dict(Outer, data, "x.json")
    assert back == config
    assert isinstance(back.widths, tuple)
    assert isinstance(back.inner, Inner)


def test_defaults_fill_what_is_left_out() -> None:
    assert config_from_dict(Outer, GOOD, "x.json") == Outer("a", Inner(3))


def test_an_integer_may_stand_for_a_float() -> None:
    rate = config_from_dict(Inner, {"size": 1, "rate": 2}, "x.json").rate
    assert isinstance(rate, float)
    assert rate == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nmae": "a"}, r"unknown field 'nmae'.*Did you mean 'name'"),
        ({"inner": {"size": 3, "rat": 1}}, r"'inner'.*unknown field 'rat'.*Did you mean 'rate'"),
        ({"inner": {}}, r"'inner'.*field 'size' is missing"),
        ({"inner": 3}, r"'inner'.*expected an object"),
        ({"inner": {"size": "3"}}, r"'inner'.*field 'size' must be int, got '3'"),
        ({"inner": {"size": 3.0}}, r"field 'size' must be int"),
        ({"inner": {"size": True}}, r"field 'size' must be int, got True"),
        ({"inner": {"size": 1, "rate": True}}, r"field 'rate' must be float, got True"),
        ({"name": None}, r"field 'name' must be str, got None"),
        ({"widths": 3}, r"field 'widths' must be a list, got 3"),
        ({"widths": "12"}, r"field 'widths' must be a list"),
        ({"widths": [1, "2"]}, r"field 'widths' must be int, got '2'"),
        ({"tags": [1]}, r"field 'tags' must be str, got 1"),
        ({"table": []}, r"field 'table' must be an object"),
        ({"table": {"a": "b"}}, r"field 'table' must be float, got 'b'"),
        ({"mode": "medium"}, r"field 'mode' must be one of 'slow', 'fast', got 'medium'"),
        ({"mode": []}, r"field 'mode' must be one of"),
        ({"limit": "1"}, r"field 'limit' must be int"),
        ({"on": 1}, r"field 'on' must be bool, got 1"),
        ({"parts": [{"size": 1}, {}]}, r"'parts'.*field 'size' is missing"),
        ({"limit": 13}, r"field 'limit' must not be 13"),
    ],
)
def test_a_wrong_field_is_one_line_that_names_file_and_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message) as caught:
        config_from_dict(Outer, {**GOOD, **change}, "some/x.json")
    assert str(caught.value).startswith("some/x.json")
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(PlaygroundError, match="x.json: field 'name' is missing"):
        config_from_dict(Outer, {"inner": {"size": 3}}, "x.json")


def test_something_else_than_an_object_is_refused() -> None:
    with pytest.raises(PlaygroundError, match="expected an object with fields, got list"):
        config_from_dict(Outer, [], "x.json")  # type: ignore[arg-type]


def test_json_file_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.json"
    write_json(path, {"name": "größe", "list": [1, 2]})
    assert read_json(path) == {"name": "größe", "list": [1, 2]}
    assert [item.name for item in path.parent.iterdir()] == ["x.json"]
    assert os.stat(path).st_mode & 0o444 == 0o444


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"first": "written", "then": object()})
    assert read_json(path) == {"old": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["x.json"]


def test_a_crash_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})

    def crash(source: str, target: Path) -> None:
        assert json.loads(Path(source).read_text(encoding="utf-8")) == {"new": 2}, "complete before it is moved"
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"new": 2})
    assert read_json(path) == {"old": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        (b"{", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"[1]", "must hold a JSON object, not list"),
        (b'{"a": "' + b"x" * 500_000 + b'"}', "is larger than 200000 bytes"),
    ],
    ids=["missing", "cut", "not text", "deep", "list", "large"],
)
def test_a_bad_json_file_is_one_clear_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlaygroundError, match=message) as caught:
        read_json(path, max_bytes=200_000)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
