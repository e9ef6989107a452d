# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: goes through the four steps as a script does, and reports.

    python steps_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report. The add-on is registered from the
source tree, the worker is the real one.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

import blender_addon
from blender_addon import preferences, versions
from blender_addon.composite import synthesis as composite
from blender_addon.performance import curves as edited_curves
from blender_addon.performance import edits as take_edits
from blender_addon.sequencer import head_strip, output, placement
from blender_addon.worker import jobs

ops = bpy.ops.likeness


def setup(given: dict[str, Any], fps: int = 25, until: int = 18) -> Any:
    """A saved file: the actor's clip at 10 to `until`, the portrait above it at 5 to 40."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = fps
    scene.sequence_editor_create()
    versions.edit_in_every_workspace(scene)
    collection = versions.strips(scene.sequence_editor)
    actor = collection.new_movie(
        name="actor", filepath=given["clip"], channel=1, frame_start=10, fit_method="ORIGINAL"
    )
    versions.set_span(actor, 12, until)
    still = collection.new_image(
        name="lisa.jpg", filepath=given["picture"], channel=2, frame_start=5, fit_method="ORIGINAL"
    )
    versions.set_span(still, 5, 40)
    width, height = still.elements[0].orig_width, still.elements[0].orig_height
    scene.render.resolution_x, scene.render.resolution_y = width // 2 * 2, height // 2 * 2
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(given["folder"]) / "shot é.blend"))
    return scene


def refused(operator: Callable[..., Any], **how: Any) -> str:
    """The line with which an operator says no; "" when it did not."""
    try:
        operator(**how)
    except RuntimeError as error:
        return " ".join(str(error).replace("Error:", "").split())
    return ""


def strip_facts(scene: Any) -> dict[str, Any]:
    """What lies on the sequencer, by the kind of its tag."""
    facts: dict[str, Any] = {}
    for strip in versions.strips(scene.sequence_editor):
        kind = str(strip.get(head_strip.TAG, strip.name)).partition(":")[0]
        facts[kind] = {
            "name": strip.name, "channel": strip.channel, "span": versions.span(strip),
            "content": [versions.content_start(strip), versions.content_length(strip)],
            "mute": strip.mute, "type": strip.type,
        }  # fmt: skip
        if strip.type == "IMAGE":
            facts[kind]["files"] = [element.filename for element in strip.elements]
            facts[kind]["offset"] = [strip.transform.offset_x, strip.transform.offset_y]
            facts[kind]["modifiers"] = len(strip.modifiers)
    return facts


def last_job(scene: Any) -> dict[str, str]:
    item = scene.likeness_jobs[-1]
    return {"kind": item.kind, "state": item.state, "message": item.message}


def prepared(given: dict[str, Any], **how: Any) -> Any:
    """The scene after Portrait, consent and Performance."""
    scene = setup(given, **how)
    ops.portrait_from_strip(strip="lisa.jpg")
    ops.consent_record(who="Lisa del Giocondo", basis="HISTORIC")
    ops.capture_footage(source="STRIP", strip="actor")
    return scene


def head_of(scene: Any) -> Any:
    found = scene.likeness
    return head_strip.find(scene, composite.head_tag(found.portraits[0], found.takes[0]))


def walk(given: dict[str, Any]) -> dict[str, Any]:
    """The artist's way, with a look at every step."""
    scene = setup(given)
    facts: dict[str, Any] = {"done": []}
    facts["done"].append(list(ops.portrait_from_strip(strip="lisa.jpg")))
    portrait = scene.likeness.portraits[0]
    picture = portrait.pictures[0]
    facts["portrait"] = {
        "name": portrait.name, "faces": len(picture.faces), "face": picture.face,
        "size": list(picture.size), "sha256": picture.sha256,
        "thumbnail": Path(picture.faces[0].thumbnail).is_file(),
        "points": Path(picture.faces[0].points).is_file(),
    }  # fmt: skip
    facts["done"].append(list(ops.capture_footage(source="STRIP", strip="actor")))
    take = scene.likeness.takes[0]
    facts["take"] = {
        "name": take.name, "frames": take.frames, "start": take.start, "pace": take.pace,
        "rate": list(take.rate), "offset": take.offset, "inout": [take.first, take.last],
        "track": take.track, "performance": take.performance, "neutral": take.neutral_found,
    }  # fmt: skip
    scene.frame_current = 14
    facts["done"].append(list(ops.test_frame()))
    facts["tested"] = strip_facts(scene)
    facts["no consent"] = refused(ops.synthesize)
    ops.consent_record(who="Lisa del Giocondo", basis="HISTORIC", note="Louvre, 1503")
    facts["done"].append(list(ops.synthesize()))
    facts["synthesized"] = strip_facts(scene)
    facts["job"] = last_job(scene)
    ops.synthesize()
    facts["again"] = last_job(scene)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath, load_ui=False)
    scene = bpy.context.scene
    portrait = scene.likeness.portraits[0]
    facts["reopened"] = {
        "strips": strip_facts(scene), "who": portrait.consent_who, "note": portrait.consent_note,
        "takes": len(scene.likeness.takes),
    }  # fmt: skip
    ops.synthesize()
    facts["reopened"]["job"] = last_job(scene)
    output.set_still(scene)
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    there = placement.read_placement(Path(bpy.path.abspath(head_of(scene).directory)))
    facts["head"] = {"folder": str(there.folder), "box": list(there.box)}
    output.render_still(scene, Path(given["still"]), 14)
    return facts


def edits(given: dict[str, Any]) -> dict[str, Any]:
    """What the artist did to the head strip stays, whatever is synthesized again."""
    scene = prepared(given)
    scene.likeness.range = "PREVIEW"
    facts: dict[str, Any] = {"no range": refused(ops.synthesize)}
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = 13, 14
    ops.synthesize()
    facts["part"] = strip_facts(scene)
    scene.frame_preview_start, scene.frame_preview_end = 100, 110
    facts["elsewhere"] = refused(ops.synthesize)
    scene.likeness.range = "STRIP"
    ops.synthesize()
    facts["whole"] = strip_facts(scene)

    head = head_of(scene)
    head.transform.offset_x += 7
    head.modifiers.new("grade", "BRIGHT_CONTRAST")
    versions.set_span(head, 14, 18)
    ops.synthesize()
    facts["trimmed"] = strip_facts(scene)
    head = head_of(scene)
    versions.set_content_start(head, versions.content_start(head) + 20)
    head.name = "my head"
    take = scene.likeness.takes[0]
    take.first = 1
    ops.synthesize()
    facts["moved"] = strip_facts(scene)
    ops.align()
    facts["aligned"] = strip_facts(scene)
    take.first = 0
    scene.likeness.mouth = 0.5
    ops.synthesize()
    facts["other mouth"] = last_job(scene)
    return facts


def matte(given: dict[str, Any]) -> dict[str, Any]:
    """The matte's strip comes, follows the head, and goes with undo."""
    scene = prepared(given)
    ops.synthesize()
    head_of(scene).transform.offset_x += 9
    scene.likeness.matte = True
    bpy.ops.ed.undo_push(message="before")
    ops.synthesize("EXEC_DEFAULT", True)
    facts: dict[str, Any] = {"first": strip_facts(scene)}
    bpy.ops.ed.undo()
    facts["undone"] = strip_facts(bpy.context.scene)
    bpy.ops.ed.redo()
    scene = bpy.context.scene
    facts["redone"] = strip_facts(scene)
    head = head_of(scene)
    versions.set_span(head, 14, 18)
    scene.likeness.matte = False
    scene.likeness.mouth = 0.5
    ops.synthesize()
    facts["again"] = strip_facts(scene)
    facts["count"] = len(versions.strips(scene.sequence_editor))
    return facts


def rates(given: dict[str, Any]) -> dict[str, Any]:
    """A clip of 25 frames a second on a timeline of 50, from the file."""
    scene = setup(given, fps=50)
    ops.portrait_from_files(filepath=given["picture"])
    ops.consent_record(who="Lisa del Giocondo", basis="HISTORIC")
    scene.frame_start = 101
    ops.capture_footage(source="FILE", filepath=given["short"])
    scene.likeness.range = "TAKE"
    ops.synthesize()
    return {"strips": strip_facts(scene), "pace": scene.likeness.takes[0].pace}


def plate(given: dict[str, Any]) -> dict[str, Any]:
    """A frame of a movie strip is the portrait."""
    scene = setup(given)
    scene.frame_current = 15
    ops.portrait_from_strip(strip="actor")
    picture = scene.likeness.portraits[0].pictures[0]
    kept = Path(bpy.path.abspath(picture.path))
    return {"there": kept.is_file(), "path": picture.path, "size": list(picture.size)}


def couple(given: dict[str, Any]) -> dict[str, Any]:
    """Two faces in one picture, and a clip of the Movie Clip Editor."""
    scene = setup(given)
    ops.portrait_from_files(filepath=given["two"])
    picture = scene.likeness.portraits[0].pictures[0]
    facts: dict[str, Any] = {
        "boxes": [list(face.box) for face in picture.faces], "face": picture.face,
        "thumbnails": len({face.thumbnail for face in picture.faces}),
    }  # fmt: skip
    clip = bpy.data.movieclips.load(given["short"])
    clip.frame_start = 30
    ops.capture_footage(source="CLIP", clip=clip.name)
    take = scene.likeness.takes[0]
    facts["take"] = [take.name, take.frames, take.start]
    scene.frame_current = 31
    facts["which"] = refused(ops.test_frame)
    ops.face_choose(number=2)
    ops.test_frame()
    facts["asked"] = json.loads(scene.likeness_jobs[-1].request)["portrait_face"]
    facts["strips"] = strip_facts(scene)
    strip = head_strip.find(scene, f"test:{scene.likeness.portraits[0].uid}")
    facts["offset"] = strip.transform.offset_x
    return facts


def refusals(given: dict[str, Any]) -> dict[str, Any]:
    """What cannot be done is said in a line, and nothing has changed."""
    scene = setup(given)
    facts: dict[str, Any] = {"at first": refused(ops.synthesize)}
    facts["test at first"] = refused(ops.test_frame)
    facts["no strip"] = refused(ops.portrait_from_strip, strip="nobody")
    facts["wrong strip"] = refused(ops.capture_footage, source="STRIP", strip="lisa.jpg")
    facts["no file"] = refused(ops.capture_footage, source="FILE", filepath="/no/movie.mp4")
    facts["no movie"] = refused(ops.capture_footage, source="FILE", filepath=given["picture"])
    facts["no clip"] = refused(ops.capture_footage, source="CLIP")
    facts["no picture"] = refused(ops.portrait_from_files, filepath="/no/picture.png")
    facts["a movie"] = refused(ops.portrait_from_files, filepath=given["clip"])
    facts["no face"] = refused(ops.portrait_from_files, filepath=given["blank"])
    facts["empty"] = [len(scene.likeness.portraits), len(scene.likeness.takes)]
    ops.portrait_from_strip(strip="lisa.jpg")
    facts["known"] = [list(ops.portrait_from_strip(strip="lisa.jpg")),
                      len(scene.likeness.portraits)]  # fmt: skip
    facts["no take"] = refused(ops.test_frame)
    facts["no name"] = refused(ops.consent_record, who=" ")
    facts["face 7"] = refused(ops.face_choose, number=7)
    ops.capture_footage(source="STRIP", strip="actor")
    scene.frame_current = 90
    facts["off the take"] = refused(ops.test_frame)
    facts["neutral off"] = refused(ops.take_set, what="NEUTRAL")
    facts["ticks"] = ticks(scene.likeness)
    facts["nothing to clear"] = refused(ops.test_clear)
    facts["no head"] = refused(ops.align)
    ops.consent_record(who="Lisa", basis="HISTORIC")
    ops.portrait_from_files(filepath=given["second"], extend=True)
    facts["other pictures"] = refused(ops.synthesize)
    return facts


def ticks(chosen: Any) -> list[Any]:
    """The two ticks that stand for special numbers: as they are, off, and on again."""
    take, found = chosen.takes[0], []
    for on in (None, False, True):
        if on is not None:
            chosen.largest_face = take.find_neutral = on
        found.append([chosen.largest_face, chosen.capture_face, take.find_neutral, take.neutral])
    return [*found, take.neutral_found]


def gone(given: dict[str, Any]) -> dict[str, Any]:
    """Files and strips that went missing meanwhile."""
    folder = Path(given["folder"])
    mine = folder / "mine.jpg"
    shutil.copy(given["picture"], mine)
    scene = prepared({**given, "picture": str(mine)})
    facts: dict[str, Any] = {}

    real = jobs.KINDS["synthesize"]

    def delete_strip_first(context: Any, where: Any, ticket: Any, result: Any) -> str:
        collection = versions.strips(where.sequence_editor)
        collection.remove(collection["lisa.jpg"])
        return real.apply(context, where, ticket, result)

    jobs.KINDS["synthesize"] = jobs.Kind(real.label, delete_strip_first)
    facts["strip deleted"] = refused(ops.synthesize)
    jobs.KINDS["synthesize"] = real
    ops.synthesize()
    facts["laid on a new one"] = strip_facts(scene)
    facts["kept"] = last_job(scene)["message"]

    def remove_portrait_first(context: Any, where: Any, ticket: Any, result: Any) -> str:
        ops.portrait_remove()
        return real.apply(context, where, ticket, result)

    changed = bytearray(mine.read_bytes())
    changed[-3] ^= 1
    mine.write_bytes(bytes(changed))
    facts["other picture"] = refused(ops.synthesize)
    mine.rename(folder / "away.jpg")
    facts["picture gone"] = refused(ops.synthesize)
    (folder / "away.jpg").rename(mine)
    ops.consent_record(who="Lisa", basis="HISTORIC")
    take = scene.likeness.takes[0]
    track, performance = take.track, take.performance
    for stored in (track, performance):
        path = Path(bpy.path.abspath(stored))
        path.rename(path.with_suffix(".away"))
    facts["take gone"] = refused(ops.synthesize)
    for stored in (track, performance):
        path = Path(bpy.path.abspath(stored))
        path.with_suffix(".away").rename(path)
    jobs.KINDS["synthesize"] = jobs.Kind(real.label, remove_portrait_first)
    facts["portrait removed"] = refused(ops.synthesize)
    return facts


def elsewhere(given: dict[str, Any]) -> dict[str, Any]:
    """Saved under another name in another folder, everything is still found."""
    scene = prepared(given)
    ops.synthesize()
    before = [scene.likeness.takes[0].track, scene.likeness.takes[0].source]
    other = Path(given["folder"]) / "other" / "deep"
    other.mkdir(parents=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(other / "copy.blend"), copy=True)
    same = [scene.likeness.takes[0].track, scene.likeness.takes[0].source] == before
    bpy.ops.wm.save_as_mainfile(filepath=str(other / "moved.blend"))
    moved = scene.likeness.takes[0].track
    facts: dict[str, Any] = {"same": same, "relative": moved}
    facts["found"] = Path(bpy.path.abspath(moved)).is_file()
    for name in ("copy.blend", "moved.blend"):
        bpy.ops.wm.open_mainfile(filepath=str(other / name), load_ui=False)
        scene = bpy.context.scene
        scene.frame_current = 14
        facts[name] = [list(ops.test_frame()), scene.likeness.takes[0].track]
    return facts


def sound(given: dict[str, Any]) -> dict[str, Any]:
    """The footage's sound lies beside the head, in step with it, once."""
    scene = setup(given, fps=24)
    ops.portrait_from_strip(strip="lisa.jpg")
    ops.consent_record(who="Lisa", basis="HISTORIC")
    scene.frame_start = 6
    ops.capture_footage(source="FILE", filepath=given["loud"])
    scene.likeness.takes[0].first = 5
    ops.synthesize()
    facts: dict[str, Any] = {"strips": strip_facts(scene)}
    ops.synthesize()
    facts["count"] = sum(s.type == "SOUND" for s in versions.strips(scene.sequence_editor))
    return facts


def curves(given: dict[str, Any]) -> dict[str, Any]:
    """Edited curves make just their frames anew; dropped, they are as before."""
    scene = prepared(given)
    ops.synthesize()
    facts: dict[str, Any] = {"first": last_job(scene)["message"]}
    facts["nothing to keep"] = refused(ops.take_curves_keep)
    ops.take_curves()
    empty = take_edits.controls_of(scene, scene.likeness.takes[0])
    active = bpy.context.view_layer.objects.active
    facts["shown"] = empty.select_get() and active == empty  # in the Graph Editor
    facts["span"] = [round(value, 3) for value in edited_curves.span_of(empty)]
    scene.frame_set(15)
    empty["jaw_open"] = 1.0
    empty.keyframe_insert('["jaw_open"]', frame=15)
    ops.take_curves_keep()
    facts["edited"] = bool(scene.likeness.takes[0].edited)
    ops.synthesize()
    facts["after"] = last_job(scene)["message"]
    ops.curves_drop()
    ops.synthesize()
    facts["dropped"] = last_job(scene)["message"]
    facts["again"] = refused(ops.curves_drop)
    return facts


def person(given: dict[str, Any]) -> dict[str, Any]:
    """The portrait's own model: made, compared, used, deleted."""
    scene = setup(given)
    ops.portrait_from_strip(strip="lisa.jpg")
    facts: dict[str, Any] = {"nothing": refused(ops.before_after)}
    begin: Callable[..., str] = jobs.start
    able = preferences.has_torch
    preferences.has_torch = lambda: False
    facts["no torch"] = refused(ops.personalize)
    preferences.has_torch = able

    def shortly(context: Any, kind: str, request: dict[str, Any], *rest: Any) -> str:
        if "command" in request:
            request["command"] += ["--steps", "1", "--minutes", "0.1"]
        return begin(context, kind, request, *rest)

    vars(jobs)["start"] = shortly
    ops.personalize()
    vars(jobs)["start"] = begin
    facts["job"] = last_job(scene)
    facts["folder"] = scene.likeness.portraits[0].person
    facts["compared"] = list(ops.before_after())
    ops.capture_footage(source="STRIP", strip="actor")
    scene.frame_current = 14
    ops.test_frame()
    facts["used"] = json.loads(scene.likeness_jobs[-1].request).get("person", "")
    ops.person_remove()
    facts["deleted"] = refused(ops.before_after)
    ops.test_frame()
    facts["then"] = json.loads(scene.likeness_jobs[-1].request)["tier"]
    return facts


def puppet(given: dict[str, Any]) -> dict[str, Any]:
    """A face of the 3D scene is a take as well."""
    scene = setup(given)
    ops.portrait_from_strip(strip="lisa.jpg")
    ops.consent_record(who="Lisa", basis="HISTORIC")
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.location, camera.rotation_euler = (0, -1, 0), (math.pi / 2, 0, 0)
    facts: dict[str, Any] = {"no puppet": refused(ops.capture_viewport, what="PUPPET")}
    ops.puppet_add()
    face = bpy.context.view_layer.objects.active
    keys = face.data.shape_keys.key_blocks
    for frame, value in ((20, 0.0), (23, 1.0)):
        keys["jaw_open"].value = value
        keys["jaw_open"].keyframe_insert("value", frame=frame)
    ops.capture_viewport(what="PUPPET", name="speech", object=face.name, first=20, last=23)
    take = scene.likeness.takes[0]
    facts["take"] = [take.name, take.frames, take.start, bool(take.performance)]
    ops.synthesize()
    facts["strips"] = strip_facts(scene)
    return facts


def go_through(scenarios: dict[str, Any]) -> None:
    """Run the scenario that the command line names; does not return."""
    name, arguments, report = sys.argv[1:]
    code = 1
    try:
        blender_addon.register()
        result = scenarios[name](json.loads(Path(arguments).read_text(encoding="utf-8")))
        result["version"] = list(bpy.app.version)
        blender_addon.unregister()
        Path(report).write_text(json.dumps(result), encoding="utf-8")
        code = 0
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender 4.5 as a library may hang when Python ends


if __name__ == "__main__":
    go_through(globals())
