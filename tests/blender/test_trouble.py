# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes away while jobs run, or before a file is opened again: said in a line, nothing lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

import blender_addon
from blender_addon import versions
from blender_addon.sequencer import head_strip, output
from blender_addon.worker import pump
from tests.blender import material
from tests.blender.file_state import state
from tests.blender.shoot import (
    Shoot,
    absolute,
    head_of,
    ops,
    refused,
    reopened,
    said,
    strip_facts,
)
from tests.blender.windowed import as_in_a_window, press, some_are_made, ticks

pytestmark = [pytest.mark.blender, pytest.mark.footage]


@pytest.fixture
def second(footage: Path) -> Path:
    """Another portrait."""
    return footage / "sample" / "s_girl_pearl_earring_pd.jpg"


def test_a_killed_worker_and_a_cancelled_job_keep_what_is_whole(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = shoot.prepared(until=22)
    as_in_a_window(monkeypatch, show_seconds=1e12)  # frames are shown at a job's end alone
    press(ops.synthesize)
    ticks(lambda: some_are_made(3))
    worker = pump.worker_pid()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    ticks()
    assert _ended(scene) == "FAILED"
    assert "the worker ended in the middle (signal 9)" in said(scene)
    # What was whole is shown, and is not made a second time.
    folder = absolute(head_of(scene).directory)
    there = sorted(path.name for path in folder.glob("head_*.png"))
    assert 3 <= len(there) < 10
    assert _shown(scene) == there
    press(ops.job_again, job=scene.likeness_jobs[-1].name)
    ticks()
    assert _ended(scene) == "DONE"
    assert said(scene).startswith(_made_and_kept(10 - len(there), len(there)))
    assert not [path.name for path in folder.iterdir() if ".part" in path.name]

    scene.likeness.mouth = 0.5
    press(ops.synthesize)
    ticks(lambda: some_are_made(3))
    ops.job_cancel()
    ticks()
    assert _ended(scene) == "CANCELLED"
    kept = len(_shown(scene))
    assert 3 <= kept < 10
    press(ops.job_again, job=scene.likeness_jobs[-1].name)
    ticks()
    assert said(scene).startswith(_made_and_kept(10 - kept, kept))


def test_what_is_removed_while_a_job_runs_is_named(
    shoot: Shoot, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = shoot.prepared(until=20)
    ops.synthesize()
    as_in_a_window(monkeypatch, show_seconds=1e12)
    scene.likeness.mouth = 0.6
    press(ops.synthesize)
    ticks(lambda: some_are_made(3))
    for name in ("lisa.jpg", head_of(scene).name):
        strips = versions.strips(scene.sequence_editor)
        strips.remove(strips[name])
    bpy.ops.ed.undo_push(message="deleted")
    ticks()
    assert _ended(scene) == "FAILED" and "was deleted meanwhile" in said(scene)
    assert sorted(strip_facts(scene)) == ["footage"]
    press(ops.synthesize)
    ticks()
    assert _ended(scene) == "DONE"
    assert sorted(strip_facts(scene)) == ["footage", "head", "portrait"]

    press(ops.take_update)
    press(ops.take_remove)
    ticks()
    assert _ended(scene) == "FAILED"
    assert "the take that this was for was removed" in said(scene)
    assert not scene.likeness.takes
    press(ops.portrait_from_files, filepath=str(second))
    press(ops.portrait_remove)
    ticks()
    assert _ended(scene) == "FAILED" and "the portrait that this was for" in said(scene)
    assert len(scene.likeness.portraits) == 1


def test_a_file_opens_where_nothing_can_run(
    shoot: Shoot, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then where the add-on is not installed at all."""
    scene = shoot.prepared()
    scene.view_settings.view_transform = "Standard"
    ops.synthesize()
    scene.frame_current = 13
    ops.test_frame()
    bpy.ops.wm.save_mainfile()
    home, before = bpy.data.filepath, state()
    here = _rendered(tmp_path / "here.png")
    portrait = material.load(shoot.picture)[:, :510]
    assert np.abs(here - portrait).mean() > 0.5

    pump.stop()
    monkeypatch.setenv("LIKENESS_PYTHON", str(shoot.folder / "no python"))
    reopened(home)
    assert state() == before
    assert np.array_equal(_rendered(tmp_path / "no runtime.png"), here)
    for line in (
        refused(ops.synthesize),
        refused(ops.test_frame),
        refused(ops.take_update),
        refused(ops.capture_footage, source="STRIP", strip="actor"),
        refused(ops.check_runtime),
        refused(ops.portrait_from_files, filepath=str(second)),
    ):
        assert "no python: neither a Python nor the folder of an environment" in line
        assert "\n" not in line and "Traceback" not in line
    assert state() == before
    # What needs no worker works.
    for operator, how in ((ops.take_set, {"what": "IN"}), (ops.align, {}), (ops.take_curves, {})):
        assert operator(**how) == {"FINISHED"}

    # Without the add-on it renders alike, and what the add-on kept survives being saved.
    blender_addon.unregister()
    try:
        scene = reopened(home)
        assert not hasattr(scene, "likeness")
        assert np.array_equal(_rendered(tmp_path / "no add-on.png"), here)
        bpy.ops.wm.save_mainfile()
    finally:
        blender_addon.register()
    reopened(home)
    assert state() == before


def _ended(scene: Any) -> str:
    """The state of the last job on the list."""
    return str(scene.likeness_jobs[-1].state)


def _shown(scene: Any) -> list[str]:
    files = strip_facts(scene)["head"]["files"]
    return [name for name in files if name != head_strip.PENDING]


def _made_and_kept(made: int, kept: int) -> str:
    return f"{made} frame{'s' * (made != 1)} made, {kept} kept"


def _rendered(path: Path) -> np.ndarray:
    output.render_still(bpy.context.scene, path, 14)
    return material.load(path)
