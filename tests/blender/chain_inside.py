# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: every button once, in the order of work, back and forth again.

    python chain_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from blender_addon import versions
from blender_addon.performance import edits as take_edits
from blender_addon.storage import folders
from tests.blender.steps_inside import go_through, last_job, ops, setup

Step = tuple[str, Callable[[], Any]]


def chain(given: dict[str, Any]) -> dict[str, Any]:
    """After each step the whole state is noted and a copy saved; then undo, redo, and reopen."""
    setup(given)
    bpy.context.scene.frame_current = 14
    bpy.ops.ed.undo_push(message="begin")
    folder = Path(given["folder"])
    names, seen = ["begin"], [state()]
    copies: list[Path] = []
    for name, step in _steps(given):
        step()
        names.append(name)
        seen.append(state())
        copies.append(folder / f"{len(copies)}.blend")
        bpy.ops.wm.save_as_mainfile(filepath=str(copies[-1]), copy=True)
    wrong: dict[str, list[str]] = {"same": _unchanged(names, seen)}
    wrong["undo"] = [name for name, wanted in reversed(list(zip(names[:-1], seen, strict=False)))
                     if _after(bpy.ops.ed.undo) != wanted]  # fmt: skip
    wrong["redo"] = [name for name, wanted in zip(names[1:], seen[1:], strict=True)
                     if _after(bpy.ops.ed.redo) != wanted]  # fmt: skip
    # What is there again is really usable, not only listed.
    ops.synthesize()
    facts: dict[str, Any] = {"then": last_job(bpy.context.scene)["message"]}
    wrong["reopen"] = []
    for name, wanted, copy in zip(names[1:], seen[1:], copies, strict=True):
        bpy.ops.wm.open_mainfile(filepath=str(copy), load_ui=False)
        if state() != wanted:
            wrong["reopen"].append(f"{name}: {_difference(wanted, state())}")
    return {**facts, **wrong}


def state() -> dict[str, Any]:
    """All that Likeness keeps in the file, and what it made outside of its own properties."""
    scene = bpy.context.scene
    strips = {
        strip.name: [
            strip.type, strip.channel, versions.span(strip), versions.content_start(strip),
            strip.mute, strip.get("likeness", ""),
            [round(value, 4) for value in (strip.transform.offset_x, strip.transform.offset_y)],
            [element.filename for element in strip.elements] if strip.type == "IMAGE" else [],
        ]
        for strip in versions.strips(scene.sequence_editor)
    }  # fmt: skip
    things = {thing.name: [thing.type, _curves(thing)] for thing in bpy.data.objects}
    clips = {
        clip.name: [
            (track.name, track.hide, len(track.markers), _sum(track))
            for track in clip.tracking.tracks
        ]
        for clip in bpy.data.movieclips
    }  # fmt: skip
    return {
        "likeness": _values(scene.likeness), "strips": strips, "things": things, "clips": clips,
        "jobs": [[job.kind, job.state, job.message] for job in scene.likeness_jobs],
        "camera": scene.camera.name if scene.camera else "",
    }  # fmt: skip


def _steps(given: dict[str, Any]) -> list[Step]:
    def scene() -> Any:
        return bpy.context.scene

    def take() -> Any:
        return scene().likeness.takes[0]

    def at(frame: int, what: str) -> None:
        scene().frame_current = frame
        press(ops.take_set, what=what)
        scene().frame_current = 14

    def picture_remove() -> None:
        scene().likeness.portraits[0].picture_index = 1
        press(ops.picture_remove)

    def key_and_keep() -> None:
        empty = take_edits.controls_of(scene(), take())
        empty["jaw_open"] = 1.0
        empty.keyframe_insert('["jaw_open"]', frame=15)
        press(ops.take_curves_keep)

    def move_and_apply() -> None:
        marker = bpy.data.movieclips[0].tracking.tracks["Likeness chin"].markers.find_frame(6)
        marker.co = (marker.co[0], marker.co[1] - 0.03)
        press(ops.take_markers_apply)

    def capture_puppet() -> None:
        press(ops.capture_viewport, what="PUPPET", first=20, last=21)

    def move_and_align() -> None:
        versions.strips(scene().sequence_editor)["lisa.jpg"].transform.offset_x += 11
        press(ops.align)

    def synthesize() -> None:
        scene().likeness.matte = True
        press(ops.synthesize)

    return [
        ("portrait", partial(press, ops.portrait_from_strip, strip="lisa.jpg")),
        ("more pictures", partial(
            press, ops.portrait_from_files, filepath=given["second"], extend=True)),
        ("one less", picture_remove),
        ("consent", partial(press, ops.consent_record, who="Lisa", basis="HISTORIC")),
        ("capture", partial(press, ops.capture_footage, source="STRIP", strip="actor")),
        ("in", partial(at, 13, "IN")),
        ("out", partial(at, 16, "OUT")),
        ("neutral", partial(at, 16, "NEUTRAL")),
        ("update", partial(press, ops.take_update)),
        ("curves", partial(press, ops.take_curves)),
        ("keep", key_and_keep),
        ("drop", partial(press, ops.curves_drop)),
        ("markers", partial(press, ops.take_markers)),
        ("apply", move_and_apply),
        ("no markers", partial(press, ops.markers_remove, clip="s_grid_female_ccby4.mp4")),
        ("puppet", partial(press, ops.puppet_add)),
        ("camera", partial(press, ops.puppet_camera)),
        ("follow", partial(press, ops.puppet_follow)),
        ("release", partial(press, ops.puppet_release)),
        ("viewport", capture_puppet),
        ("less takes", partial(press, ops.take_remove)),
        ("test", partial(press, ops.test_frame)),
        ("clear", partial(press, ops.test_clear)),
        ("synthesize", synthesize),
        ("align", move_and_align),
        ("jobs", partial(press, ops.jobs_clear)),
        ("second", partial(press, ops.portrait_from_files, filepath=given["second"])),
        ("less portraits", partial(press, ops.portrait_remove)),
    ]  # fmt: skip


def press(operator: Callable[..., Any], **how: Any) -> None:
    """As a button does: with an undo step."""
    done = operator("EXEC_DEFAULT", True, **how)
    assert done == {"FINISHED"}, (operator, done)


def _after(move: Callable[[], Any]) -> dict[str, Any]:
    try:
        move()
    except RuntimeError:  # there are fewer steps than buttons that were pressed
        return {}
    return state()


def _unchanged(names: list[str], seen: list[dict[str, Any]]) -> list[str]:
    """The steps after which everything was as before: they test nothing."""
    return [name for name, one, two in zip(names[1:], seen, seen[1:], strict=False) if one == two]


def _difference(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    return "; ".join(f"{key}: {wanted[key]} -> {found[key]}" for key in wanted
                     if wanted[key] != found[key])[:1500]  # fmt: skip


def _values(group: Any) -> Any:
    """A property group as plain data, paths made absolute."""
    found: dict[str, Any] = {}
    for each in group.bl_rna.properties:
        if each.identifier == "rna_type":
            continue
        value = getattr(group, each.identifier)
        if each.type == "COLLECTION":
            value = [_values(item) for item in value]
        elif each.type == "POINTER":
            value = value.name if value is not None else ""
        elif getattr(each, "is_array", False):
            value = list(value)
        elif isinstance(value, str) and value.startswith("//"):
            value = str(folders.absolute(value))
        found[each.identifier] = round(value, 5) if isinstance(value, float) else value
    return found


def _curves(thing: Any) -> list[float]:
    bag = versions.channelbag(thing)
    keys = [key.co[1] for curve in (bag.fcurves if bag else ()) for key in curve.keyframe_points]
    shapes = thing.data.shape_keys if thing.type == "MESH" else None
    drivers = shapes.animation_data.drivers if shapes and shapes.animation_data else ()
    return [len(keys), round(math.fsum(keys), 4), len(drivers), len(thing.constraints)]


def _sum(track: Any) -> float:
    return round(math.fsum(marker.co[1] for marker in track.markers), 4)


if __name__ == "__main__":
    go_through(globals())
