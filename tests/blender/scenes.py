# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs scenarios of the *_inside.py in Blenders of their own; and real performances for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.performance.face.decompose import decompose
from inference.performance.taking.performance import Performance
from inference.track import LandmarkTrack, load_track
from tests.blender.conftest import ROOT, VARIABLE_45

INSIDE = Path(__file__).with_name("faces_inside.py")
Scenario = Callable[..., dict[str, Any]]
BLENDERS = ("this", "4.5")


def scenario_in(blender: str, folder: Path) -> Scenario:
    """`run("project", out=..., camera="PERSP")` in one of BLENDERS; returns the report."""
    python = sys.executable if blender == "this" else os.environ.get(VARIABLE_45, "")
    if not python:
        pytest.skip(f"{VARIABLE_45} does not name a Python with bpy 4.5")

    def run(name: str, **given: Any) -> dict[str, Any]:
        arguments, report = folder / "given.json", folder / "report.json"
        arguments.write_text(json.dumps(given, default=str), encoding="utf-8")
        done = subprocess.run(
            [python, str(INSIDE), name, str(arguments), str(report)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and report.is_file(), done.stderr[-3000:]
        facts: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        assert facts["version"][:2] == ([5, 0] if blender == "this" else [4, 5])
        facts["stderr"] = done.stderr
        return facts

    return run


def steps_in(blender: str, inside: Path, folder: Path, footage: Path) -> Scenario:
    """`run("walk", still=...)` of a file like steps_inside.py, with the real worker; its report.

    Every scenario is given the sample's clip and picture, and a folder of its own.
    """
    python = sys.executable if blender == "this" else os.environ.get(VARIABLE_45, "")
    if not python:
        pytest.skip(f"{VARIABLE_45} does not name a Python with bpy 4.5")

    def run(name: str, **given: Any) -> dict[str, Any]:
        home = folder / "ein Ordner"
        home.mkdir()
        given = {
            "folder": home,
            "clip": footage / "sample" / "s_grid_female_ccby4.mp4",
            "picture": footage / "sample" / "s_mona_lisa_pd.jpg",
            **given,
        }
        arguments, report = folder / "given.json", folder / "report.json"
        arguments.write_text(json.dumps(given, default=str), encoding="utf-8")
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "LIKENESS_PYTHON": sys.executable,
            "LIKENESS_CACHE": str(folder / "cache"),
        }  # fmt: skip
        done = subprocess.run(
            [python, str(inside), name, str(arguments), str(report)],
            env=environment, capture_output=True, text=True, timeout=3000, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and report.is_file(), done.stderr[-3000:]
        facts: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        assert facts["version"][:2] == ([5, 0] if blender == "this" else [4, 5])
        return facts

    return run


def real_track(samples: Path, frames: int, gap: tuple[int, ...] = ()) -> LandmarkTrack:
    """The first frames of the sample performance, some of them made gaps."""
    whole = load_track(samples / "weekly_address.track.npz")
    valid = np.ones(frames, bool)
    valid[list(gap)] = False
    points = np.where(valid[:, None, None], whole.points[:frames], np.float32(np.nan))
    return replace(whole, points=points.astype(np.float32), valid=valid, cuts=())


def real_performance(samples: Path, frames: int, gap: tuple[int, ...] = ()) -> Performance:
    """The sample performance taken apart."""
    return decompose(real_track(samples, frames, gap))
