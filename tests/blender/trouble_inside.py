# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: what goes away while jobs run, or before the file is opened again.

    python trouble_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import bpy

import blender_addon
from blender_addon import versions
from blender_addon.sequencer import head_strip, output
from blender_addon.worker import jobs, pump
from tests.blender.chain_inside import state
from tests.blender.steps_inside import (
    go_through,
    head_of,
    last_job,
    ops,
    prepared,
    refused,
    strip_facts,
)
from tests.blender.ticks_inside import as_in_a_window, press, ticks


def meanwhile(given: dict[str, Any]) -> dict[str, Any]:
    """The worker is killed, strips are deleted, the take is removed, all while a job runs."""
    scene = prepared(given, until=32)
    as_in_a_window(show_seconds=1e12)  # frames are shown at a job's end alone
    facts: dict[str, Any] = {}
    press(ops.synthesize)
    ticks(_some_are_made)
    worker = pump.worker_pid()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    ticks()
    folder = Path(bpy.path.abspath(head_of(scene).directory))
    there = sorted(path.name for path in folder.glob("head_*.png"))
    shown = [name for name in strip_facts(scene)["head"]["files"] if name != head_strip.PENDING]
    facts["killed"] = {"job": last_job(scene), "there": there, "shown": shown}
    press(ops.job_again, job=scene.likeness_jobs[-1].name)
    ticks()
    facts["again"] = last_job(scene)
    facts["rest"] = [path.name for path in folder.iterdir() if ".part" in path.name]

    scene.likeness.mouth = 0.5
    press(ops.synthesize)
    ticks(_some_are_made)
    ops.job_cancel()
    ticks()
    shown = [name for name in strip_facts(scene)["head"]["files"] if name != head_strip.PENDING]
    facts["cancelled"] = {"job": last_job(scene), "shown": shown}
    press(ops.job_again, job=scene.likeness_jobs[-1].name)
    ticks()
    facts["after"] = last_job(scene)

    scene.likeness.mouth = 0.6
    press(ops.synthesize)
    ticks(_some_are_made)
    for name in ("lisa.jpg", head_of(scene).name):
        strips = versions.strips(scene.sequence_editor)
        strips.remove(strips[name])
    bpy.ops.ed.undo_push(message="deleted")
    ticks()
    facts["deleted"] = [last_job(scene), sorted(strip_facts(scene))]
    press(ops.synthesize)
    ticks()
    facts["laid anew"] = [last_job(scene), sorted(strip_facts(scene))]

    press(ops.take_update)
    press(ops.take_remove)
    ticks()
    facts["take removed"] = [last_job(scene), len(scene.likeness.takes)]
    press(ops.portrait_from_files, filepath=given["second"])
    press(ops.portrait_remove)
    ticks()
    facts["portrait removed"] = [last_job(scene), len(scene.likeness.portraits)]
    return facts


def other_machine(given: dict[str, Any]) -> dict[str, Any]:
    """The file where nothing can run, then where the add-on is not installed at all."""
    scene = prepared(given)
    scene.view_settings.view_transform = "Standard"
    ops.synthesize()
    scene.frame_current = 13
    ops.test_frame()
    bpy.ops.wm.save_mainfile()
    home, before = bpy.data.filepath, state()
    _render(given, "here")

    pump.stop()
    os.environ["LIKENESS_PYTHON"] = str(Path(given["folder"]) / "no python")
    bpy.ops.wm.open_mainfile(filepath=home, load_ui=False)
    scene = bpy.context.scene
    facts: dict[str, Any] = {"same": state() == before}
    _render(given, "no runtime")
    how = {"source": "STRIP", "strip": "actor"}
    facts["lines"] = [
        refused(ops.synthesize), refused(ops.test_frame), refused(ops.take_update),
        refused(ops.capture_footage, **how), refused(ops.check_runtime),
        refused(ops.portrait_from_files, filepath=given["second"]),
    ]  # fmt: skip
    facts["unchanged"] = state() == before
    # What needs no worker works.
    facts["works"] = [list(ops.take_set(what="IN")), list(ops.align()), list(ops.take_curves())]

    blender_addon.unregister()
    bpy.ops.wm.open_mainfile(filepath=home, load_ui=False)
    facts["no property"] = not hasattr(bpy.context.scene, "likeness")
    _render(given, "no add-on")
    bpy.ops.wm.save_mainfile()
    blender_addon.register()
    bpy.ops.wm.open_mainfile(filepath=home, load_ui=False)
    facts["came back"] = state() == before
    return facts


def _some_are_made() -> bool:
    return any(now.done >= 3 for _, _, now in jobs.overview())


def _render(given: dict[str, Any], name: str) -> None:
    output.render_still(bpy.context.scene, Path(given["stills"]) / f"{name}.png", 14)


if __name__ == "__main__":
    go_through(globals())
