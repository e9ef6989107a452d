# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: jobs as in a window, where ticks bring what the worker made.

python ticks_inside.py SCENARIO ARGUMENTS.json REPORT.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

import blender_addon
from blender_addon import preferences, versions
from blender_addon.composite import synthesis as composite
from blender_addon.sequencer import head_strip
from blender_addon.worker import jobs, pump
from tests.blender.steps_inside import go_through, head_of, last_job, ops, prepared, strip_facts

begin_real: Callable[..., str] = jobs.start


def as_in_a_window(show_seconds: float = 0) -> None:
    """From here on operators return at once, and `ticks` does the rest."""
    vars(jobs)["inline"] = lambda: False
    composite.SHOW_SECONDS = show_seconds
    # A window has the step "Original" from the start; Blender crashes without any.
    bpy.ops.ed.undo_push(message="Original")


def ticks(until: Callable[[], Any] = lambda: not jobs.overview(), seconds: float = 240) -> None:
    """Let the timer's turns pass until that is true."""
    limit = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < limit, [str(each) for each in jobs.overview()]
        pump.tick()
        time.sleep(0.02)


def press(operator: Callable[..., Any], **how: Any) -> None:
    """As a button does: with an undo step."""
    operator("EXEC_DEFAULT", True, **how)


def state() -> list[Any]:
    """What a person sees of the file: takes, strips, the model, jobs that are listed."""
    scene = bpy.context.scene
    found = scene.likeness
    return [
        len(found.portraits), [bool(take.performance) for take in found.takes],
        sorted(strip_facts(scene)), bool(found.portraits and found.portraits[0].person),
        len(scene.likeness_jobs),
    ]  # fmt: skip


def undone_at_once(press_it: Callable[[], Any]) -> dict[str, Any]:
    """The states before, after, after one undo, and after one redo."""
    bpy.ops.ed.undo_push(message="the artist's own")
    facts: dict[str, Any] = {"before": state()}
    press_it()
    ticks()
    facts["after"], facts["job"] = state(), last_job(bpy.context.scene)
    bpy.ops.ed.undo()
    facts["undone"] = state()
    bpy.ops.ed.redo()
    facts["redone"] = state()
    return facts


def one_step(given: dict[str, Any]) -> dict[str, Any]:
    """Each button's work goes with one undo, though it came in many ticks."""
    scene = prepared(given, until=60)
    as_in_a_window()
    shown: list[int] = []
    show = composite.show

    def counted(*arguments: Any) -> head_strip.Laid:
        laid = show(*arguments)
        shown.append(laid.made)
        return laid

    vars(composite)["show"] = counted
    facts: dict[str, Any] = {}
    capture = {"source": "STRIP", "strip": "actor"}
    facts["capture"] = undone_at_once(lambda: press(ops.capture_footage, **capture))
    facts["update"] = undone_at_once(lambda: press(ops.take_update))
    facts["synthesize"] = undone_at_once(lambda: press(ops.synthesize))
    facts["shown"] = shown
    folder = Path(bpy.path.abspath(head_of_active().directory))
    facts["on the disk"] = len(list(folder.glob("head_*.png")))
    # Once more from the same button: a step of its own, not a part of the first one's.
    bpy.context.scene.likeness.mouth = 0.5
    facts["again"] = undone_at_once(lambda: press(ops.synthesize))
    scene = bpy.context.scene
    scene.frame_current = 14
    facts["test"] = undone_at_once(lambda: press(ops.test_frame))
    ops.test_clear()
    facts["portrait"] = undone_at_once(
        lambda: press(ops.portrait_from_files, filepath=given["second"])
    )
    return facts


def head_of_active() -> Any:
    scene = bpy.context.scene
    chosen = scene.likeness
    tag = composite.head_tag(
        chosen.portraits[chosen.portrait_index], chosen.takes[chosen.take_index]
    )
    return head_strip.find(scene, tag)


def meanwhile(given: dict[str, Any]) -> dict[str, Any]:
    """An edit while frames are made is a step of its own; then undo goes past the button."""
    scene = prepared(given, until=60)
    as_in_a_window()
    bpy.ops.ed.undo_push(message="before")
    press(ops.synthesize)
    ticks(lambda: head_of(bpy.context.scene) is not None)
    scene = bpy.context.scene
    versions.strips(scene.sequence_editor)["lisa.jpg"].name = "renamed"
    bpy.ops.ed.undo_push(message="the artist's own")
    ticks()
    facts: dict[str, Any] = {"job": last_job(bpy.context.scene), "steps": []}
    for _ in range(3):
        bpy.ops.ed.undo()
        scene = bpy.context.scene
        names = [strip.name for strip in versions.strips(scene.sequence_editor)]
        facts["steps"].append(["renamed" in names, head_of(scene) is not None])
    # Undone while it runs: it ends, and brings nothing any more.
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.likeness.mouth = 0.5
    press(ops.synthesize)
    ticks(lambda: any(now.done for _, _, now in jobs.overview()) or head_of(bpy.context.scene))
    bpy.ops.ed.undo()
    ticks()
    facts["undone while it ran"] = state()
    return facts


def escape(given: dict[str, Any]) -> dict[str, Any]:
    """ESC ends the job of the scene that is edited, and nothing else."""
    scene = prepared(given, until=60)
    as_in_a_window()
    facts: dict[str, Any] = {"at rest": ops.job_cancel.poll()}
    ops.synthesize()
    ticks(lambda: any(now.done for _, _, now in jobs.overview()))
    with bpy.context.temp_override(scene=bpy.data.scenes.new("another")):
        facts["elsewhere"] = [list(ops.job_cancel()), len(jobs.running(scene))]
    facts["here"] = list(ops.job_cancel())
    ticks()
    scene = bpy.context.scene
    facts["job"] = last_job(scene)
    facts["kept"] = head_of(scene) is not None
    keymaps = bpy.context.window_manager.keyconfigs.addon.keymaps
    facts["keys"] = [
        [keymap.name, keymap.space_type, item.type]
        for keymap in keymaps for item in keymap.keymap_items
        if item.idname == "likeness.job_cancel"
    ]  # fmt: skip
    blender_addon.register()  # a second time
    facts["again"] = sum(
        item.idname == "likeness.job_cancel" for each in keymaps for item in each.keymap_items
    )
    return facts


def person(given: dict[str, Any]) -> dict[str, Any]:
    """The portrait's own model goes with one undo as well; its folder stays."""
    prepared(given)

    def shortly(context: Any, kind: str, request: dict[str, Any], *rest: Any) -> str:
        request["command"] += ["--steps", "1", "--minutes", "0.1"]
        return begin_real(context, kind, request, *rest)

    vars(jobs)["start"] = shortly
    assert preferences.has_torch()
    as_in_a_window()
    facts = undone_at_once(lambda: press(ops.personalize))
    person = bpy.context.scene.likeness.portraits[0].person
    facts["folder"] = Path(bpy.path.abspath(person)).is_dir()
    return facts


if __name__ == "__main__":
    go_through(globals())
