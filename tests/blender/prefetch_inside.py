# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: the person's Prefetch Frames while jobs run, and many syntheses.

    python prefetch_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report. Without a window Blender draws no
preview, so it prefetches nothing: the switch is what can be looked at here.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import bpy

import blender_addon
from blender_addon.sequencer import head_strip, output, prefetch
from blender_addon.worker import jobs, pump
from tests.blender.steps_inside import go_through, head_of, last_job, ops, prepared, strip_facts
from tests.blender.ticks_inside import as_in_a_window, press, ticks


def prefetching(given: dict[str, Any]) -> dict[str, Any]:
    """Strips change only while nothing is prefetched; the person's choice is always back."""
    scene = prepared(given, until=40)
    as_in_a_window()
    scene.sequence_editor.use_prefetch = True
    seen: list[bool] = []
    for name in ("lay", "remove"):
        vars(head_strip)[name] = _watched(getattr(head_strip, name), seen)
    facts: dict[str, Any] = {}
    bpy.ops.ed.undo_push(message="before")

    press(ops.synthesize)
    ticks(lambda: any(now.done for _, _, now in jobs.overview()))
    facts["at work"] = _on()
    bpy.ops.wm.save_as_mainfile(filepath=given["saved"], copy=True)
    facts["after saving"] = _on()
    bpy.ops.ed.undo_push(message="the artist's own")
    ticks()
    facts["done"] = [last_job(bpy.context.scene)["state"], _on()]
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()  # to a step from the middle of the job
    facts["undone"] = _on()
    bpy.ops.ed.redo()
    facts["redone"] = _on()

    scene = bpy.context.scene
    scene.likeness.mouth = 0.5
    press(ops.synthesize)
    ticks(lambda: any(now.done for _, _, now in jobs.overview()))
    press(ops.job_cancel)
    ticks()
    facts["cancelled"] = [last_job(bpy.context.scene)["state"], _on()]
    bpy.context.scene.likeness.mouth = 0.6
    press(ops.synthesize)
    ticks(lambda: any(now.done for _, _, now in jobs.overview()))
    worker = pump.worker_pid()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    ticks()
    facts["lost"] = [last_job(bpy.context.scene)["state"], _on()]
    bpy.context.scene.frame_current = 14
    press(ops.test_frame)
    ticks()
    press(ops.test_clear)
    facts["seen"] = sorted({str(each) for each in seen})

    # As an automatic save leaves it, which tells nobody, before Blender crashes.
    head = head_of(bpy.context.scene) is not None
    bpy.app.handlers.save_pre.remove(prefetch._file_is_written)
    with prefetch.still():
        bpy.ops.wm.save_as_mainfile(filepath=given["crashed"], copy=True)
    bpy.app.handlers.save_pre.append(prefetch._file_is_written)
    for name in ("crashed", "saved"):
        bpy.ops.wm.open_mainfile(filepath=given[name], load_ui=False)
        facts[f"opened {name}"] = [_on(), head]
    prefetch.begin("a job")
    facts["before unregistering"] = _on()
    blender_addon.unregister()
    facts["unregistered"] = _on()
    bpy.ops.wm.open_mainfile(filepath=given["saved"], load_ui=False)
    facts["without the add-on"] = _on()
    blender_addon.register()
    scene = bpy.context.scene
    scene.sequence_editor.use_prefetch = False
    with prefetch.still():
        pass
    facts["never on"] = _on()
    return facts


def _on() -> bool:
    return bool(bpy.context.scene.sequence_editor.use_prefetch)


def _watched(real: Any, seen: list[bool]) -> Any:
    def watched(*arguments: Any) -> Any:
        seen.append(_on())
        return real(*arguments)

    return watched


def many(given: dict[str, Any]) -> dict[str, Any]:
    """Syntheses one after the other as in a window, a frame rendered while each runs and after."""
    scene = prepared(given, until=24)
    as_in_a_window()
    scene.sequence_editor.use_prefetch = True
    scene.likeness.tier = "draft"
    ended: list[list[Any]] = []
    for k in range(given["count"]):
        scene = bpy.context.scene
        scene.likeness.mouth = 0.3 + 0.02 * (k % 80)
        press(ops.synthesize)
        ticks(lambda: any(now.done for _, _, now in jobs.overview()) or not jobs.overview())
        _render(given, k)
        ticks()
        _render(given, k)
        files = strip_facts(bpy.context.scene)["head"]["files"]
        ended.append([last_job(bpy.context.scene)["state"], _on(), len(set(files))])
    return {"ended": ended}


def _render(given: dict[str, Any], k: int) -> None:
    path = Path(given["folder"]) / "still.png"
    output.render_still(bpy.context.scene, path, 12 + k % 12)


if __name__ == "__main__":
    go_through(globals())
