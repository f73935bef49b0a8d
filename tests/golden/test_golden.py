"""Fixed tiny models still compute what they computed when the numbers were recorded: old weights keep their meaning."""

from __future__ import annotations

import pytest

from playground.core.config import read_json
from tests.golden.record import FILE, compute


def test_models_compute_what_they_did() -> None:
    recorded, now = read_json(FILE), compute()
    assert now.keys() == recorded.keys()
    for key, values in recorded.items():
        assert now[key] == pytest.approx(values, abs=5e-3), f"{key}: see tests/golden/record.py if this is meant"
    assert any(abs(value) > 0.1 for value in recorded["shortcut-0 codes"])
