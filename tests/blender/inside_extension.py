# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: installs an extension's zip and goes through one scene with it.

    python inside_extension.py ZIP FOLDER SCENE

BLENDER_USER_RESOURCES names an empty folder.
Each scene is a function below; what it returns is written to FOLDER/report.json.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

NAME = "bl_ext.user_default.likeness"
PICTURE = Path(__file__).resolve().parents[2] / "inference" / "samples" / "eileen_collins.png"


def part(name: str) -> Any:
    """A module of the installed add-on."""
    return importlib.import_module(f"{NAME}.{name}")


def install(path: str) -> None:
    bpy.ops.preferences.addon_enable(module="bl_pkg")
    bpy.ops.extensions.package_install_files(
        filepath=path, repo="user_default", enable_on_install=True
    )
    assert NAME in bpy.context.preferences.addons


def faces(out: Path, picture: Path = PICTURE) -> dict[str, Any]:
    return {"do": "faces", "picture": str(picture), "out": str(out)}


def add_kind() -> None:
    """A step's job in small: it counts the faces onto the scene."""

    def apply(_context: Any, scene: Any, ticket: Any, result: dict[str, Any]) -> str:
        if ticket.notes.get("gone"):
            raise part("errors").InputError(f"the strip '{ticket.notes['gone']}' is gone")
        if ticket.notes.get("fault"):
            raise ZeroDivisionError("a fault of ours")
        scene["faces"] = len(result["faces"])
        return f"{len(result['faces'])} face"

    part("worker.jobs").KINDS["test"] = part("worker.jobs").Kind("Find faces", apply)


def ticks(until: Callable[[], bool], seconds: float = 60) -> None:
    """What the timer does in a window."""
    limit = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < limit, "it never came"
        assert part("worker.pump").tick() > 0
        time.sleep(0.01)


def states(scene: Any) -> list[list[str]]:
    return [
        [item.state, part("worker.jobs").state(item), item.message] for item in scene.likeness_jobs
    ]


def registering(_folder: Path) -> dict[str, Any]:
    """Twice on, twice off: nothing is left, and it works afterwards."""

    def traces() -> dict[str, Any]:
        handlers = [h for name in dir(bpy.app.handlers) if isinstance(
            handlers := getattr(bpy.app.handlers, name), list) for h in handlers]  # fmt: skip
        keys = bpy.context.window_manager.keyconfigs.addon
        return {
            "classes": sorted(
                name for name in dir(bpy.types)
                if getattr(getattr(bpy.types, name), "__module__", "").startswith(NAME)
            ),
            "handlers": sum(1 for h in handlers if h.__module__.startswith(NAME)),
            "keys": sum(
                item.idname.startswith("likeness.")
                for keymap in (keys.keymaps if keys else ()) for item in keymap.keymap_items
            ),
            "scene": sorted(
                each.identifier for each in bpy.types.Scene.bl_rna.properties
                if "likeness" in each.identifier
            ),
            "timer": bpy.app.timers.is_registered(part("worker.pump").tick),
        }  # fmt: skip

    package = importlib.import_module(NAME)
    first = traces()
    package.register()
    package.register()
    again = traces()
    package.unregister()
    package.unregister()
    off = traces()
    package.register()
    add_kind()
    context = bpy.context
    part("worker.jobs").start(context, "test", faces(_folder))
    return {
        "first": first, "again": again, "off": off, "on": traces(), "states": states(context.scene)
    }  # fmt: skip


def check(_folder: Path) -> dict[str, Any]:
    answer = list(bpy.ops.likeness.check_runtime())
    return {"answer": answer, "lines": list(part("preferences").CHECK.lines)}


def refusals(folder: Path) -> dict[str, Any]:
    """What goes wrong is one line on the list, and in the operator's report."""
    add_kind()
    jobs, errors = part("worker.jobs"), part("errors")
    said = []
    for request, notes in (
        (faces(folder, Path("/no such.png")), {}),
        (faces(folder), {"gone": "Portrait"}),
        (faces(folder), {"fault": True}),
        ({"do": "dance"}, {}),
    ):
        try:
            jobs.start(bpy.context, "test", request, notes)
        except (errors.InputError, errors.JobError) as error:
            said.append(str(error))
    return {"said": said, "states": states(bpy.context.scene)}


def killed(folder: Path) -> dict[str, Any]:
    """The worker is killed while a job runs; the job says so; the next one starts another."""
    add_kind()
    jobs, pump, scene = part("worker.jobs"), part("worker.pump"), bpy.context.scene
    name = jobs.begin(scene, "test", faces(folder), {})
    ticks(lambda: jobs.progress(scene.likeness_jobs[name]).text == "starting")
    first = pump.worker_pid()
    os.kill(first, signal.SIGKILL)
    ticks(lambda: scene.likeness_jobs[name].state != "RUNNING")
    dead = states(scene)
    again = bpy.ops.likeness.job_again(job=name)
    return {
        "dead": dead, "again": list(again), "states": states(scene),
        "other": pump.worker_pid() != first, "faces": scene["faces"],
    }  # fmt: skip


def cancelled(folder: Path) -> dict[str, Any]:
    """A waiting job is cancelled by its cross; the one before it ends well."""
    add_kind()
    jobs, scene = part("worker.jobs"), bpy.context.scene
    first = jobs.begin(scene, "test", faces(folder), {})
    second = jobs.begin(scene, "test", faces(folder), {})
    running = len(jobs.running(scene))
    bpy.ops.likeness.job_cancel(job=second)
    ticks(lambda: not jobs.running(scene))
    ended = [scene.likeness_jobs[name].state for name in (first, second)]
    bpy.ops.likeness.jobs_clear()
    return {"running": running, "ended": ended, "left": len(scene.likeness_jobs)}


def undone(folder: Path) -> dict[str, Any]:
    """Undo takes a result back, redo brings it again; an undone start ends its job."""
    add_kind()
    jobs, pump = part("worker.jobs"), part("worker.pump")

    def scene() -> Any:
        return bpy.data.scenes[0]

    vars(jobs)["inline"] = lambda: False  # as in a window, which has undo steps from the start
    bpy.ops.ed.undo_push(message="before")
    name = jobs.begin(scene(), "test", faces(folder), {})
    bpy.ops.ed.undo_push(message="started")
    ticks(lambda: "faces" in scene())
    applied = states(scene())
    bpy.ops.ed.undo()
    taken_back = ["faces" in scene(), states(scene())]
    bpy.ops.ed.redo()
    brought = [scene().get("faces"), states(scene())]

    bpy.ops.ed.undo_push(message="before the second")
    other = jobs.begin(scene(), "test", faces(folder), {})
    bpy.ops.ed.undo_push(message="second started")
    bpy.ops.ed.undo()
    gone = scene().likeness_jobs.get(other) is None
    ticks(lambda: not pump.busy() and not jobs.overview())
    return {
        "applied": applied, "taken_back": taken_back, "brought": brought, "gone": gone,
        "left": len(scene().likeness_jobs), "name": name,
    }  # fmt: skip


def reopened(folder: Path) -> dict[str, Any]:
    """Saved while a job runs, and opened again: the job says so; late events reach nobody."""
    add_kind()
    jobs, pump = part("worker.jobs"), part("worker.pump")
    jobs.start(bpy.context, "test", faces(folder))
    jobs.begin(bpy.context.scene, "test", faces(folder), {})
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "x.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "x.blend"))
    opened = states(bpy.context.scene)
    ticks(lambda: not pump.busy())
    jobs.start(bpy.context, "test", faces(folder))
    return {"opened": opened, "after": states(bpy.context.scene)}


def held(folder: Path) -> dict[str, Any]:
    """Between save_pre and save_post nothing is applied; a listener's fault stops no tick."""
    add_kind()
    jobs, pump, scene = part("worker.jobs"), part("worker.pump"), bpy.context.scene
    jobs.begin(scene, "test", faces(folder), {})

    def fault(_event: Any) -> None:
        raise ZeroDivisionError("a listener's fault")

    pump.submit(faces(folder), fault)
    pump._save_begins()
    limit = time.monotonic() + 6
    while time.monotonic() < limit:
        pump.tick()
        time.sleep(0.05)
    during = states(scene)
    pump._save_ends()
    ticks(lambda: not pump.busy() and not jobs.running(scene))
    return {"during": during, "after": states(scene)}


def without_runtime(folder: Path) -> dict[str, Any]:
    """A file with jobs, opened where nothing can run: it opens, and one line says what to do."""
    add_kind()
    part("worker.jobs").start(bpy.context, "test", faces(folder))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "x.blend"))
    os.environ.pop("LIKENESS_PYTHON")
    bpy.context.preferences.addons[NAME].preferences.where = "ENVIRONMENT"
    part("worker.pump").stop()
    bpy.ops.wm.open_mainfile(filepath=str(folder / "x.blend"))
    opened = states(bpy.context.scene)
    said = []
    for call in (bpy.ops.likeness.check_runtime, lambda: bpy.ops.likeness.job_again(
        job=bpy.context.scene.likeness_jobs[0].name)):  # fmt: skip
        try:
            call()
        except RuntimeError as error:
            said.append(str(error))
    return {"opened": opened, "said": said, "states": states(bpy.context.scene)}


def cache(folder: Path) -> dict[str, Any]:
    """The cache is cleaned, and only the cache."""
    preferences = part("preferences")
    made = preferences.cache_folder("test", "a")
    record = {"likeness_folder": 1, "holds": "head frames", "files": [r"head_\d{6}\.png"]}
    (made / "likeness.json").write_text(json.dumps(record), encoding="utf-8")
    (made / "head_000001.png").write_bytes(bytes(3 << 20))
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    before = preferences.cache_size()
    bpy.ops.likeness.cache_clean()
    return {
        "before": before, "after": preferences.cache_size(),
        "mine": (folder / "mine.txt").exists(), "where": str(preferences.cache_folder()),
    }  # fmt: skip


if __name__ == "__main__":
    where = Path(sys.argv[2])
    install(sys.argv[1])
    facts = {"version": list(bpy.app.version), **globals()[sys.argv[3]](where)}
    part("worker.pump").stop()
    (where / "report.json").write_text(json.dumps(facts), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # Blender 4.5 as a library may hang when Python ends
