# SPDX-License-Identifier: GPL-3.0-or-later
"""The box Mouth of the step Animate: keyed teeth, a plate to paint on, and how it is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import bpy
import cv2
import pytest

from blender_addon.animate import panels, teeth
from tests.blender.shoot import Shoot, ops, refused, said

pytestmark = [pytest.mark.blender, pytest.mark.footage]


def test_an_animated_mouth_makes_its_frames_again_alone(shoot: Shoot) -> None:
    scene = shoot.prepared()
    ops.synthesize()
    scene.frame_current = 13
    for frame, seen in ((14, 1.0), (15, 0.0)):
        scene.likeness.teeth_seen = seen
        scene.keyframe_insert("likeness.teeth_seen", frame=frame)
    ops.synthesize()  # the take's frames 0 to 5 lie at 12 to 17
    assert said(scene).startswith("3 frames made, 3 kept")
    table = Path(json.loads(scene.likeness_jobs[-1].request)["teeth_frames"])
    assert table.read_text() == "frame,seen\n0,1\n3,0\n"
    ops.synthesize()
    assert said(scene).startswith("0 frames made, 6 kept")
    scene.frame_current = 16
    ops.test_frame()
    request = json.loads(scene.likeness_jobs[-1].request)
    assert request["teeth"]["seen"] == 0 and "teeth_frames" not in request

    driver = scene.driver_add("likeness.teeth_gap").driver
    driver.expression = "2.5"
    ops.synthesize()
    assert said(scene).startswith("6 frames made")
    assert scene.frame_current == 16
    assert "0,1,1,0,1,2.5,0\n3,0,1,0,1,2.5,0\n" in table.read_text()

    scene.driver_remove("likeness.teeth_gap")
    table.write_text("the artist's own\n")
    assert "is not a table of teeth" in refused(ops.synthesize)
    assert table.read_text() == "the artist's own\n"


@pytest.mark.only_blender("5.0")  # what is left is the worker's
def test_a_plate_of_teeth_is_exported_and_used(shoot: Shoot, tmp_path: Path) -> None:
    scene = shoot.scene()
    path = tmp_path / "teeth é.png"
    assert "no portrait yet" in refused(ops.teeth_template, filepath=str(path))
    scene = shoot.prepared()
    assert "name the file" in refused(ops.teeth_template, filepath=str(tmp_path))
    ops.teeth_template(filepath=str(path.with_suffix("")))
    assert "paint on it" in said(scene)
    plate = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert plate.shape == (1024, 2048, 4)
    assert "is kept" in refused(ops.teeth_template, filepath=str(path))

    scene.likeness.own_teeth = str(path)
    scene.likeness.range = "TAKE"
    ops.synthesize()
    assert said(scene).startswith("6 frames made")
    opaque = tmp_path / "opaque.png"
    cv2.imwrite(str(opaque), plate[..., :3])
    scene.likeness.own_teeth = str(opaque)
    assert "opaque everywhere" in refused(ops.synthesize)
    scene.likeness.own_teeth = str(tmp_path / "gone.png")
    assert "own plate of teeth is not there any more" in refused(ops.synthesize)
    scene.likeness.own_teeth = ""
    scene.likeness.teeth_picture = 2
    assert "picture 2 is to lend its teeth, but is not there" in refused(ops.synthesize)
    scene.likeness.portraits[0].pictures.add().use = False
    scene.frame_current = 14
    assert "but is switched off" in refused(ops.test_frame)


class _Layout:
    """Stands in for a panel's layout: what is drawn must be there in this Blender."""

    drawn: ClassVar[list[str]] = []
    rule: Any = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"]

    def __getattr__(self, _name: str) -> Any:
        return lambda *_given, **_how: self

    def prop(self, owner: Any, name: str, **_how: Any) -> None:
        assert name in owner.bl_rna.properties
        self.drawn.append(name)

    def operator(self, name: str, icon: str = "NONE", **_how: Any) -> Any:
        assert icon in self.rule.enum_items
        self.drawn.append(name)
        kind, _, word = name.partition(".")
        return getattr(getattr(bpy.ops, kind), word).get_rna_type()


def test_the_box_mouth_is_drawn_with_or_without_a_portrait(shoot: Shoot) -> None:
    for _ in range(2):
        _Layout.drawn.clear()
        panel: Any = SimpleNamespace(layout=_Layout())
        panels.LIKENESS_PT_mouth.draw(panel, bpy.context)
        assert _Layout.drawn[:6] == [f"teeth_{name}" for name in teeth.NAMES]
        assert _Layout.drawn[6:8] == ["own_teeth", "likeness.teeth_template"]
        for name in teeth.NAMES:
            rule = bpy.context.scene.likeness.bl_rna.properties[f"teeth_{name}"]
            assert rule.is_animatable
        shoot.scene()
        ops.portrait_from_strip(strip="lisa.jpg")
