# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with a delivery: a label over the edit, a signature, and a look at what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import cv2
import pytest

from blender_addon import versions
from blender_addon.delivery import label
from blender_addon.sequencer import output
from inference.provenance.facts import COMPOSITE, SOURCE_TYPES, parse_packet
from inference.provenance.xmp import find_xmp
from tests.blender.shoot import Shoot, absolute, head_of, refused, said

pytestmark = [pytest.mark.blender, pytest.mark.footage]
ops = bpy.ops.likeness


def test_frames_are_signed_and_told_and_an_edited_one_too(shoot: Shoot) -> None:
    scene = shoot.prepared(until=14)
    assert "there are no head frames yet" in refused(ops.sign_frames)
    ops.synthesize()
    folder = absolute(head_of(scene).directory)
    assert ops.sign_frames() == {"FINISHED"}
    assert said(scene) == "credentials.png: signed"
    assert ops.verify(filepath=str(folder)) == {"FINISHED"}
    assert "signature present: made on this machine; 2 files are as they were" in said(scene)
    assert "consent present: HISTORIC" in said(scene)
    frame = next(Path(folder).glob("head_*.png"))
    frame.write_bytes(frame.read_bytes()[:-30])
    ops.verify(filepath=str(folder))
    assert "signature broken: 1 of 2 files were changed" in said(scene)
    ops.verify(filepath=str(shoot.picture))
    assert said(scene) == f"{shoot.picture.name}: no mark found"
    assert "no file was chosen" in refused(ops.verify)


def test_a_label_lies_above_all_and_is_changed_not_doubled(shoot: Shoot) -> None:
    scene = shoot.scene()
    scene.frame_start, scene.frame_end = 1, 40
    assert ops.label_add(corner="TOP_LEFT") == {"FINISHED"}
    assert ops.label_add(words="AI GENERATED", seconds=1) == {"FINISHED"}
    strips = versions.all_strips(scene.sequence_editor)
    (strip,) = [each for each in strips if each.get(label.TAG)]
    assert (strip.type, strip.text, versions.span(strip)) == ("TEXT", "AI GENERATED", (1, 26))
    assert strip.channel > max(each.channel for each in strips if each != strip)
    assert (strip.anchor_x, strip.anchor_y) == ("RIGHT", "BOTTOM")
    assert "the label has no words" in refused(ops.label_add, words=" ")


def test_what_is_rendered_with_a_head_says_what_it_is(shoot: Shoot, tmp_path: Path) -> None:
    scene = shoot.prepared(until=14)
    scene.frame_start, scene.frame_end = 12, 13
    render(scene, tmp_path / "before.mp4")
    assert find_xmp(tmp_path / "before.mp4") is None  # there is no head in it yet
    ops.synthesize()
    before = (tmp_path / "before.mp4").read_bytes()
    bpy.ops.render.render()  # one picture to look at: no movie is written
    assert (tmp_path / "before.mp4").read_bytes() == before
    render(scene, tmp_path / "after.mp4")
    output.set_still(scene)
    scene.render.filepath = str(tmp_path / "still_####")
    bpy.ops.render.render(animation=True)
    for name in ("after.mp4", "still_0012.png", "still_0013.png"):
        facts = parse_packet(find_xmp(tmp_path / name) or b"")
        assert facts["DigitalSourceType"] == SOURCE_TYPES + COMPOSITE, name
    assert cv2.imread(str(tmp_path / "still_0013.png")) is not None
    assert cv2.VideoCapture(str(tmp_path / "after.mp4")).read()[0]


def render(scene: Any, path: Path) -> None:
    """As an artist does, with Blender's own button."""
    output.set_movie(scene)
    scene.render.filepath, scene.render.use_file_extension = str(path), True
    bpy.ops.render.render(animation=True)
