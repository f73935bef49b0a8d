"""What importing and asking for help may load: nothing that takes seconds or opens devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.cli import main

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "gradio", "fastapi", "pygame", "gymnasium", "diffusers", "transformers", "av", "openvino", "numba")
COMMANDS = [command.name for command in main.COMMANDS]

PROBE = """
import json, runpy, sys
arguments = json.loads(sys.argv[1])
if arguments is None:
    import playground
    code = 0
else:
    sys.argv = ["playground", *arguments]
    try:
        runpy.run_module("apps.cli.main", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
print("\\n" + json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


def _probe(arguments: list[str] | None, folder: Path) -> tuple[dict, str]:
    """Runs a fresh interpreter; returns its last line as an object, and everything that it printed before."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(arguments)],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed, _, last = done.stdout.rstrip("\n").rpartition("\n")
    return json.loads(last), printed + done.stderr


def test_import_playground_is_light_and_leaves_no_trace(tmp_path: Path) -> None:
    report, printed = _probe(None, tmp_path)
    assert not set(HEAVY) & set(report["modules"])
    assert not printed.strip(), "importing a library prints nothing"
    assert not list(tmp_path.iterdir()), "importing a library writes nothing"


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_is_light(arguments: list[str], tmp_path: Path) -> None:
    report, printed = _probe(arguments, tmp_path)
    assert report["code"] == 0, printed
    assert "usage" in printed.lower()
    assert not set(HEAVY) & set(report["modules"])


def test_unknown_command_is_one_clear_line(tmp_path: Path) -> None:
    report, printed = _probe(["pley"], tmp_path)
    assert report["code"] == 2
    assert "Traceback" not in printed
    assert "pley" in printed
