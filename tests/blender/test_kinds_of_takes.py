# SPDX-License-Identifier: GPL-3.0-or-later
"""Edited curves, the puppet's face, and a clip of the person, through the four steps."""

from __future__ import annotations

import math

import bpy
import pytest

from blender_addon.controls import curves
from blender_addon.performance import edits
from blender_addon.storage import recordings
from inference.performance.taking.livelink_map import COEFFICIENTS
from tests.blender.shoot import Shoot, absolute, key_alone, ops, refused, said, strip_facts

pytestmark = [pytest.mark.blender, pytest.mark.footage]


def test_edited_curves_make_just_their_frames_anew(shoot: Shoot) -> None:
    scene = shoot.prepared()
    take = scene.likeness.takes[0]
    ops.synthesize()
    assert said(scene).startswith("6 frames made")
    assert "press Edit as Curves first" in refused(ops.take_curves_keep)
    ops.take_curves()
    empty = edits.controls_of(scene, take)
    # In the Graph Editor.
    assert empty.select_get() and bpy.context.view_layer.objects.active == empty
    assert [round(value, 3) for value in curves.span_of(empty)] == [12, 1]
    scene.frame_set(15)
    key_alone(empty, "jaw_open", 1.0, 15)
    ops.take_curves_keep()
    assert take.edited
    ops.synthesize()
    assert said(scene).startswith("1 frame made, 5 kept")
    ops.curves_drop()
    ops.synthesize()
    assert said(scene).startswith("1 frame made, 5 kept")
    assert "no edited curves" in refused(ops.curves_drop)


def test_the_puppets_face_is_a_take(shoot: Shoot) -> None:
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    ops.consent_record(who="Lisa", basis="HISTORIC", note="Painted by Leonardo, 1503")
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.location, camera.rotation_euler = (0, -1, 0), (math.pi / 2, 0, 0)
    assert "puppet" in refused(ops.capture_viewport, what="PUPPET")
    ops.puppet_add()
    face = bpy.context.view_layer.objects.active
    jaw = face.data.shape_keys.key_blocks["jaw_open"]
    for frame, jaw.value in ((20, 0.0), (23, 1.0)):
        jaw.keyframe_insert("value", frame=frame)
    ops.capture_viewport(what="PUPPET", name="speech", object=face.name, first=20, last=23)
    take = scene.likeness.takes[0]
    assert (take.name, take.frames, take.start) == ("speech", 4, 20) and take.performance
    ops.synthesize()
    head = strip_facts(scene)["head"]
    assert head["span"] == [20, 24]
    assert head["files"] == [f"head_{index:06d}.png" for index in range(4)]


def test_a_clip_of_the_person_gives_a_portrait_of_several_pictures(shoot: Shoot) -> None:
    scene = shoot.scene()
    assert "no movie strip" in refused(ops.portrait_from_clip, strip="lisa.jpg")
    ops.portrait_from_clip(strip="actor")
    [portrait] = scene.likeness.portraits
    assert portrait.name == shoot.clip.stem
    assert 2 <= len(portrait.pictures) <= 8
    assert portrait.pictures[0].name == "01-leads.png"
    assert all(len(picture.faces) == 1 for picture in portrait.pictures)
    first = [picture.path for picture in portrait.pictures]
    ops.portrait_from_clip(strip="actor")  # another folder: nothing is overwritten
    assert len(scene.likeness.portraits) == 2
    second = scene.likeness.portraits[1]
    assert not set(first) & {picture.path for picture in second.pictures}


def test_a_phones_recording_is_a_take(shoot: Shoot) -> None:
    """Its jaw opens; it needs no footage, and is not cleaned."""
    scene = shoot.scene()
    names = [*COEFFICIENTS, "HeadYaw", "HeadPitch", "HeadRoll"]
    lines = [f"Timecode,BlendshapeCount,{','.join(names)}"]
    for frame in range(30):
        values = ",".join(f"{frame / 30 if name == 'JawOpen' else 0:.4f}" for name in names)
        lines.append(f"07:44:57:{frame:02}.000,{len(names)},{values}")
    file = shoot.folder / "Slate_1_iPhone.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ops.take_import(filepath=str(file))
    (take,) = scene.likeness.takes
    assert (take.name, take.start, take.track) == ("Slate_1_iPhone", scene.frame_start, "")
    made = recordings.load_performance(absolute(take.performance))
    jaw = made.controls[:, made.names.index("jaw_open")]
    assert len(made) == take.frames and jaw[-1] > jaw[0] + 0.5
    ops.take_curves()
    assert "is used as it is" in refused(ops.take_update)
    assert "no take; choose a phone's CSV" in refused(ops.take_import, filepath=str(shoot.picture))
    file.write_text("Timecode,nothing\n", encoding="utf-8")
    assert refused(ops.take_import, filepath=str(file))
    assert len(scene.likeness.takes) == 1
