# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: every button where it cannot do its work, and in an empty file.

    python refusals_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

from blender_addon import hints, step_operators, versions
from blender_addon.sequencer import head_strip
from blender_addon.storage import folders
from blender_addon.worker import jobs, pump
from tests.blender.steps_inside import (
    go_through,
    last_job,
    ops,
    prepared,
    refused,
    setup,
    strip_facts,
)


def empty(given: dict[str, Any]) -> dict[str, Any]:
    """Every operator in a file in which there is nothing at all, not even a sequencer."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    names = [name for name in dir(ops) if not name.startswith("join_") and name != "check_runtime"]
    lines = {name: refused(getattr(ops, name)) for name in names}
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    lines["puppet_add in a mesh"] = refused(ops.puppet_add)
    return {
        "lines": lines, "things": sorted(thing.name for thing in bpy.data.objects),
        "jobs": len(scene.likeness_jobs),
    }  # fmt: skip


def browsed(given: dict[str, Any]) -> dict[str, Any]:
    """What the file browser begins with, and its button pressed with nothing chosen."""
    path = Path(given["folder"]) / "shot.blend"
    scene = bpy.context.scene
    scene.likeness.source = "FILE"

    def offered() -> list[str]:
        found: list[str] = []
        button: Any = SimpleNamespace(filepath="", source="", face=0)
        manager = SimpleNamespace(fileselect_add=lambda each: found.append(each.filepath))
        context = SimpleNamespace(window_manager=manager, scene=scene)
        for kind in (
            step_operators.LIKENESS_OT_portrait_from_files,
            step_operators.LIKENESS_OT_capture_footage,
        ):
            kind.invoke(button, context, None)
        return found

    unsaved = offered()
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    saved = offered()
    folder = saved[0]
    return {
        "offered": {"unsaved": unsaved, "saved": saved}, "home": str(Path.home()),
        "folder": str(path.parent),
        "portrait": refused(ops.portrait_from_files, filepath=folder, directory=folder),
        "footage": refused(ops.capture_footage, source="FILE", filepath=folder),
    }  # fmt: skip


def fresh(given: dict[str, Any]) -> dict[str, Any]:
    """From an unsaved file without a sequencer to head frames; then it is saved."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    versions.edit_in_every_workspace(scene)
    ops.portrait_from_files(filepath=given["picture"])
    ops.capture_footage(source="FILE", filepath=given["short"])
    facts: dict[str, Any] = {"not yet": refused(ops.open_output)}
    ops.consent_record(who="Lisa", basis="HISTORIC")
    scene.likeness.range = "SCENE"
    scene.frame_start, scene.frame_end = 1, 2
    ops.synthesize()
    facts["opened"] = list(ops.open_output())
    facts["unsaved"] = [strip_facts(scene), _folder_of_head(scene)]
    path = Path(given["folder"]) / "later.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    facts["other folder"] = [refused(ops.open_output), refused(ops.align)]
    ops.synthesize()
    facts["saved"] = [strip_facts(scene), _folder_of_head(scene), last_job(scene)["message"]]
    blocked = Path(given["folder"]) / "blocked"
    blocked.mkdir()
    (blocked / "likeness").write_text("a file, no folder", encoding="utf-8")
    bpy.ops.wm.save_as_mainfile(filepath=str(blocked / "x.blend"))
    facts["blocked"] = [
        refused(ops.synthesize), refused(ops.take_update),
        refused(ops.capture_footage, source="FILE", filepath=given["short"]),
    ]  # fmt: skip
    return facts


def wrong(given: dict[str, Any]) -> dict[str, Any]:
    """A take and a portrait are there, and something else is not as it should be."""
    scene = setup(given)
    lines = {**_footage(scene, given), **_strips(scene, given)}
    scene = prepared(given)
    take, still = scene.likeness.takes[0], _strip(scene, "lisa.jpg")
    take.first = 2
    used = hints.used_frames(scene, take)
    take.first = 0
    take.neutral = 6
    lines["no such frame"] = refused(ops.take_update)
    take.neutral = -1
    scene.frame_current = 90
    lines["in"] = refused(ops.take_set, what="IN")
    scene.frame_current = 14
    ops.test_frame()
    lines["a result"] = refused(ops.portrait_from_strip, strip="Test frame")
    cleared = [list(ops.test_clear()), "test" in strip_facts(scene)]
    lines["no own model"] = refused(ops.person_remove)

    ops.take_curves()
    ops.take_curves()
    unedited = [list(ops.take_curves_keep()), take.edited,
                len([each for each in bpy.data.objects if each.type == "EMPTY"])]  # fmt: skip
    performance = Path(folders.absolute(take.performance))
    performance.rename(performance.with_suffix(".away"))
    lines["performance gone"] = refused(ops.take_curves_keep)
    lines["nothing to load"] = refused(ops.synthesize)
    performance.with_suffix(".away").rename(performance)
    kept, take.performance = take.performance, ""
    lines["not cleaned"] = refused(ops.take_curves)
    take.performance = kept

    versions.set_span(still, 100, 110)
    lines["no shared frame"] = refused(ops.synthesize)
    versions.set_span(still, 5, 40)
    still.directory, still.elements[0].filename = str(Path(given["other"]).parent), "other.png"
    head_strip.refresh(still)
    lines["another size"] = refused(ops.test_frame)

    jobs.begin(scene, "faces", {"do": "faces", "picture": given["picture"], "out": given["folder"]},
               {"portrait": "", "picture": ""})  # fmt: skip
    lines["busy"] = refused(ops.cache_clean)
    pump.wait(scene.likeness_jobs[-1].name)
    jobs.settle_now(bpy.context)
    lines["job gone"] = refused(ops.job_again, job="nobody")
    jobs.KINDS.pop("faces")
    lines["another version"] = refused(ops.job_again, job=scene.likeness_jobs[-1].name)
    return {"lines": lines, "cleared": cleared, "unedited": unedited,
            "takes": len(scene.likeness.takes), "used": used}  # fmt: skip


def _footage(scene: Any, given: dict[str, Any]) -> dict[str, str]:
    """Footage that cannot be captured."""
    actor, lines = _strip(scene, "actor"), {}
    how = {"source": "STRIP", "strip": "actor"}
    lines["no such face"] = refused(ops.capture_footage, face=7, **how)
    actor.use_reverse_frames = True
    lines["backwards"] = refused(ops.capture_footage, **how)
    actor.use_reverse_frames = False
    versions.set_span(actor, 100, 110)
    lines["none of its own"] = refused(ops.capture_footage, **how)
    actor.filepath = "//gone.mp4"
    lines["strip's file gone"] = refused(ops.capture_footage, **how)
    mine = Path(shutil.copy(given["short"], given["folder"]))
    clip = bpy.data.movieclips.load(str(mine))
    mine.unlink()
    lines["clip's file gone"] = refused(ops.capture_footage, source="CLIP", clip=clip.name)
    still = bpy.data.movieclips.load(given["picture"])
    lines["pictures"] = refused(ops.capture_footage, source="CLIP", clip=still.name)
    lines["no such clip"] = refused(ops.capture_footage, source="CLIP", clip="nobody")
    return lines


def _strips(scene: Any, given: dict[str, Any]) -> dict[str, str]:
    """Strips that no portrait can be made from."""
    mine = Path(shutil.copy(given["other"], Path(given["folder"]) / "mine.png"))
    versions.strips(scene.sequence_editor).new_image(
        name="mine", filepath=str(mine), channel=5, frame_start=1, fit_method="ORIGINAL"
    )
    mine.unlink()
    lines = {"strip's picture gone": refused(ops.portrait_from_strip, strip="mine")}
    lines["strip's movie gone"] = refused(ops.portrait_from_strip, strip="actor")
    versions.new_effect(scene.sequence_editor, "SPEED", _strip(scene, "actor"), "speed", 6)
    lines["an effect"] = refused(ops.portrait_from_strip, strip="speed")
    return lines


def _strip(scene: Any, name: str) -> Any:
    return versions.strips(scene.sequence_editor)[name]


def _folder_of_head(scene: Any) -> str:
    head = next(
        strip for strip in versions.strips(scene.sequence_editor)
        if str(strip.get(head_strip.TAG, "")).startswith("head:")
    )  # fmt: skip
    return str(head.directory)


if __name__ == "__main__":
    go_through(globals())
