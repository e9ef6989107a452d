# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: what an artist sees and is asked beside the four steps.

python artist_inside.py SCENARIO ARGUMENTS.json REPORT.json
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import bpy

from blender_addon import versions
from blender_addon.composite import synthesis as composite
from blender_addon.errors import InputError
from blender_addon.overlay import drawing as overlay_drawing
from blender_addon.overlay import layers as overlay
from blender_addon.overlay import recordings as overlay_recordings
from blender_addon.puppet import operators as viewport_operators
from blender_addon.sequencer import head_strip, output, placement
from blender_addon.storage import recordings
from tests.blender.faces_inside import stage
from tests.blender.steps_inside import (
    go_through,
    head_of,
    last_job,
    ops,
    prepared,
    refused,
    setup,
)


def consent(given: dict[str, Any]) -> dict[str, Any]:
    """What the note asks for; nothing is kept until it has everything."""
    scene = setup(given)
    ops.portrait_from_strip(strip="lisa.jpg")
    portrait = scene.likeness.portraits[0]
    items = portrait.bl_rna.properties["consent_basis"].enum_items
    dialog = ops.consent_record.get_rna_type().properties["basis"]
    facts: dict[str, Any] = {
        "numbers": {item.identifier: item.value for item in items},
        "begins": [portrait.consent_basis, dialog.default, dialog.enum_items[0].name],
        "nothing": refused(ops.consent_record),
        "no basis": refused(ops.consent_record, who="Lisa"),
        "no name": refused(ops.consent_record, basis="OWN"),
        "chosen to choose": refused(ops.consent_record, who="Lisa", basis="CHOOSE"),
    }
    facts["kept"] = [portrait.consent_who, portrait.consent_sha256]
    facts["done"] = list(ops.consent_record(who="Lisa", basis="OWN"))
    facts["after"] = [portrait.consent_who, portrait.consent_basis]
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath, load_ui=False)
    portrait = bpy.context.scene.likeness.portraits[0]
    facts["reopened"] = [portrait.consent_who, portrait.consent_basis]
    return facts


def layers(scene: Any) -> list[Any]:
    """What is drawn: kind, name's beginning, start, file's ending, and whether it is there."""
    return [
        [layer.kind, layer.name.split(" ")[0].split(":")[0], layer.start,
         ".".join(Path(layer.path).name.split(".")[1:]),
         Path(bpy.path.abspath(layer.path)).is_file()]
        for kind in ("STRIP", "CLIP") for layer in overlay.layers_of(scene, kind)
    ]  # fmt: skip


def crop(given: dict[str, Any]) -> dict[str, Any]:
    """The crop that is drawn is the one that is made."""
    scene = prepared(given)
    (layer,) = (each for each in overlay.layers_of(scene, "STRIP") if each.crop[2])
    facts: dict[str, Any] = {"drawn": list(layer.crop), "target": layer.target}
    facts["shown"] = scene.likeness_overlay.crop
    ops.synthesize()
    there = placement.read_placement(Path(bpy.path.abspath(head_of(scene).directory)))
    return {**facts, "made": list(there.box)}


def views(given: dict[str, Any]) -> dict[str, Any]:
    """Which recordings lie over strip and clip as a take goes through an artist's hands."""
    scene = prepared(given)
    facts: dict[str, Any] = {"captured": layers(scene)}
    take = scene.likeness.takes[0]
    (layer,) = (each for each in overlay.layers_of(scene, "STRIP") if each.take)
    shown = overlay_recordings.recording_of(Path(bpy.path.abspath(layer.path)))
    assert shown.confidence is not None
    facts["confidence"] = [shown.count, len(shown.confidence)]
    actor = versions.strips(scene.sequence_editor)["actor"]
    facts["begins"] = [overlay_drawing.start_of(layer, actor)]
    versions.set_content_start(actor, versions.content_start(actor) + 7)
    facts["begins"].append(overlay_drawing.start_of(layer, actor))
    versions.set_content_start(actor, versions.content_start(actor) - 7)

    ops.take_markers()
    clip = bpy.data.movieclips[0]
    clip.name = "the artist's name"
    facts["markers"] = layers(scene)
    (layer,) = overlay.layers_of(scene, "CLIP")
    facts["clip"] = layer.target == clip[head_strip.TAG]
    ops.take_curves()
    empty = bpy.data.objects["actor face"]
    scene.frame_set(15)
    empty["jaw_open"] = 1.0
    empty.keyframe_insert('["jaw_open"]', frame=15)
    ops.take_curves_keep()
    facts["edited"] = layers(scene)
    ops.curves_drop()
    facts["dropped"] = layers(scene)

    ops.capture_footage(source="STRIP", strip="actor")
    takes = {take.uid: take.name for take in scene.likeness.takes}
    facts["of two"] = []
    for index in (1, 0):
        scene.likeness.take_index = index
        facts["of two"].append(
            [takes[each.take] for each in overlay.layers_of(scene, "STRIP") if each.take]
        )
    other = Path(given["folder"]) / "other"
    other.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(other / "moved.blend"))
    facts["saved elsewhere"] = layers(scene)
    facts["relative"] = [
        each.path for each in scene.likeness_overlay.layers if each.take == take.uid
    ]
    ops.take_remove()
    facts["removed"] = len(scene.likeness_overlay.layers)
    return facts


def late_clip(given: dict[str, Any]) -> dict[str, Any]:
    """A clip that leaves out its file's first pictures: markers and overlay begin with it."""
    scene = setup(given)
    clip = bpy.data.movieclips.load(given["short"])
    clip.frame_offset = 3
    ops.capture_footage(source="CLIP", clip=clip.name)
    take = scene.likeness.takes[0]
    facts: dict[str, Any] = {"take": [take.offset, take.frames], "layers": layers(scene)}
    ops.take_markers()
    chin = clip.tracking.tracks["Likeness chin"].markers
    facts["markers"] = [marker.frame for marker in chin if not marker.mute]
    marker = chin.find_frame(2)
    marker.co = marker.co[0] + 0.02, marker.co[1]
    facts["applied"] = list(ops.take_markers_apply())
    facts["job"] = last_job(scene)
    return facts


def gaps(given: dict[str, Any]) -> dict[str, Any]:
    """The longest gap that is bridged, from the panel's field to the frames."""
    scene = setup(given)
    ops.capture_footage(source="FILE", filepath=given["gappy"])
    take = scene.likeness.takes[0]
    facts: dict[str, Any] = {}
    for fill in (take.fill, 3, 1):
        take.fill = fill
        ops.take_update()
        asked = json.loads(scene.likeness_jobs[-1].request)
        facts[str(fill)] = [asked["fill"], take.gaps, take.filled]
    return facts


def lens(given: dict[str, Any]) -> dict[str, Any]:
    """The actor's lens, from the panel's field to the performance."""
    scene = prepared(given)
    take = scene.likeness.takes[0]
    facts: dict[str, Any] = {}
    for millimetres in (take.lens, 40, 3):
        take.lens = millimetres
        line = refused(ops.take_update)
        made = recordings.load_performance(Path(bpy.path.abspath(take.performance)))
        facts[f"{millimetres:g}"] = [made.camera, made.focal / max(made.size), line]
    return facts


def graded(given: dict[str, Any]) -> dict[str, Any]:
    """The head is graded with its matte as a mask: rendered without and with it."""
    scene = prepared(given)
    scene.likeness.matte = True
    ops.synthesize()
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    chosen = scene.likeness
    tag = composite.matte_tag(chosen.portraits[0], chosen.takes[0])
    matte = head_strip.find(scene, tag)
    portrait = head_strip.find(scene, f"portrait:{chosen.portraits[0].uid}")
    portrait.transform.rotation, portrait.transform.offset_x = 0.2, 25
    portrait.transform.scale_x = portrait.transform.scale_y = 0.8
    ops.align()
    output.render_still(scene, Path(given["plain"]), 14)
    grade = head_of(scene).modifiers.new("grade", "BRIGHT_CONTRAST")
    grade.bright = 40
    grade.input_mask_type = "STRIP"
    grade.input_mask_strip = matte
    output.render_still(scene, Path(given["graded"]), 14)
    # What the mask is, as Blender places it: the matte alone, seen.
    for strip in versions.strips(scene.sequence_editor):
        strip.mute = strip != matte
    matte.blend_type = "REPLACE"
    output.render_still(scene, Path(given["mask"]), 14)
    shutil.copy(Path(bpy.path.abspath(matte.directory)) / matte.elements[2].filename,
                given["file"])  # fmt: skip
    return {"muted": True}


def no_take(given: dict[str, Any]) -> dict[str, Any]:
    """The puppet was recorded, but what should become of it failed: it is kept, and told."""
    stage()
    heard: list[str] = []

    def fails(*_what: Any) -> None:
        raise InputError("the disk\nis full")

    viewport_operators.finished[:] = [fails, lambda kind, path, *_: heard.append(path.name)]
    facts: dict[str, Any] = {"line": refused(ops.viewport_capture, filepath=given["out"])}
    facts["heard"] = heard
    facts["frames"] = len(recordings.load_track(Path(given["out"])))
    facts["beside"] = sorted(path.name for path in Path(given["out"]).parent.glob("*.npz"))
    return facts


if __name__ == "__main__":
    go_through(globals())
