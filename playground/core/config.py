"""Configuration as small frozen dataclasses: the class is the schema, JSON is the file, unknown fields are errors."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from playground.core.errors import PlaygroundError, suggest

ConfigT = TypeVar("ConfigT")


def config_to_dict(config: Any) -> dict[str, Any]:
    """Return the fields of a config dataclass as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def config_from_dict(cls: type[ConfigT], data: dict[str, Any], where: str) -> ConfigT:
    """Build ``cls`` from a dict, strictly.

    Args:
        cls: a dataclass; nested dataclasses, tuples and optional fields are understood.
        data: what was read from a file.
        where: the file, for messages.

    Raises:
        PlaygroundError: an unknown, missing or wrongly typed field, named together with ``where``.
    """
    if not isinstance(data, dict):
        raise PlaygroundError(f"{where}: expected an object with fields, got {type(data).__name__}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in data:
        if name not in fields:
            raise PlaygroundError(f"{where}: unknown field {name!r}; remove it.{suggest(name, fields)}")
    hints = typing.get_type_hints(cls)
    values = {name: _convert(hints[name], value, f"{where}: field {name!r}") for name, value in data.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise PlaygroundError(f"{where}: field {name!r} is missing; add it")
    try:
        return cls(**values)
    except ValueError as error:
        raise PlaygroundError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(option for option in arguments if option is not type(None)), value, where)
    if hint is Any:
        return value
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise PlaygroundError(f"{where} must be a list, got {value!r}")
        return origin(_convert(arguments[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise PlaygroundError(f"{where} must be an object, got {value!r}")
        return {key: _convert(arguments[1], item, where) for key, item in value.items()}
    if origin is typing.Literal:
        if value not in arguments:
            raise PlaygroundError(f"{where} must be one of {', '.join(map(repr, arguments))}, got {value!r}")
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return config_from_dict(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise PlaygroundError(f"{where} must be {hint.__name__}, got {value!r}")
    return value


def read_json(path: Path | str, max_bytes: int = 1 << 20) -> dict[str, Any]:
    """Read a JSON object from an untrusted file of at most ``max_bytes``.

    Raises:
        PlaygroundError: the file is missing, too large, not JSON or not an object.
    """
    path = Path(path)
    if not path.is_file():
        raise PlaygroundError(f"{path} is missing; the folder is not complete, get it again")
    if path.stat().st_size > max_bytes:
        raise PlaygroundError(f"{path} is larger than {max_bytes} bytes; this is not the file that is expected here")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise PlaygroundError(f"{path} is not valid JSON ({error}); get it again") from error
    if not isinstance(data, dict):
        raise PlaygroundError(f"{path} must hold a JSON object, not {type(data).__name__}")
    return data


def write_json(path: Path | str, data: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
