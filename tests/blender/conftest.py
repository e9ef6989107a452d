# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Blender in processes of its own: this environment's bpy, and Blender 4.5's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).with_name("inside.py")
VARIABLE_45 = "LIKENESS_BLENDER_45"

Blender = Callable[..., dict[str, Any]]


@pytest.fixture(params=["this", "4.5"])
def blender(request: pytest.FixtureRequest, tmp_path: Path) -> Blender:
    """Do jobs of inside.py in each Blender; returns the report of the last."""
    if request.param == "this":
        python = sys.executable
    elif not (python := os.environ.get(VARIABLE_45, "")):
        pytest.skip(f"{VARIABLE_45} does not name a Python with bpy 4.5")

    def run(*jobs: dict[str, Any]) -> dict[str, Any]:
        path, report = tmp_path / "jobs.json", tmp_path / "report.json"
        last = {**jobs[-1], "report": str(report)}
        path.write_text(json.dumps([*jobs[:-1], last]), encoding="utf-8")
        done = _run([python, str(INSIDE), str(path)])
        assert done.returncode == 0, done.stderr
        facts = json.loads(report.read_text(encoding="utf-8"))
        wanted = [4, 5] if request.param == "4.5" else [5, 0]
        assert facts["version"][:2] == wanted
        return facts

    return run


def compose(*arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """python -m blender_addon.compose with these arguments, in this environment's Blender."""
    words = [str(argument) for argument in arguments]
    return _run([sys.executable, "-m", "blender_addon.compose", *words], **how)


def _run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False, **how
    )
