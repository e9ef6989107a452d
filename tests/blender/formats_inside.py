# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: head frames as PNG of 8 and 16 bits and as EXR, and their renders.

    python formats_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy

from blender_addon import versions
from blender_addon.sequencer import output, placement
from tests.blender.steps_inside import go_through, head_of, last_job, ops, prepared, strip_facts

FRAME = 14  # the take's frame 2


def formats(given: dict[str, Any]) -> dict[str, Any]:
    """One head strip: a part of it, then all of it in each format in turn; a render of each."""
    scene = prepared(given)
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    facts: dict[str, Any] = {"part": _part(scene, given)}
    scene = bpy.context.scene
    for form in given["formats"]:
        scene.likeness.format = form
        ops.synthesize()
        head = head_of(scene)
        there = placement.read_placement(Path(bpy.path.abspath(head.directory)))
        still = Path(given["folder"]) / f"{form} rendered.png"
        output.render_still(scene, still, FRAME)
        # The next format takes this one's place.
        source = there.folder / head.elements[FRAME - 12].filename
        frame = Path(shutil.copy(source, still.with_name(f"{form}{source.suffix}")))
        facts[form] = {
            "space": head.colorspace_settings.name, "alpha": head.alpha_mode,
            "files": strip_facts(scene)["head"]["files"], "job": last_job(scene)["message"],
            "still": str(still), "frame": str(frame), "box": list(there.box),
        }  # fmt: skip
    return facts


def person(given: dict[str, Any]) -> dict[str, Any]:
    """The cut-out person over a blue plate, then the head over its portrait again."""
    scene = prepared(given)
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    facts: dict[str, Any] = {}
    for layer, still in (("person", given["blue"]), ("head", given["back"])):
        scene.likeness.layer = layer
        ops.synthesize()
        scene = bpy.context.scene
        there = versions.strips(scene.sequence_editor)
        if layer == "person":
            there["actor"].channel = 9
            there["actor"].mute = True
            there.new_image(
                name="plate", filepath=given["plate"], channel=1, frame_start=FRAME,
                fit_method="ORIGINAL",
            )  # fmt: skip
        under = next(s for s in there if str(s.get("likeness", "")).startswith("portrait:"))
        facts[layer] = {"files": strip_facts(scene)["head"]["files"], "muted": under.mute}
        output.render_still(scene, Path(still), FRAME)
    return facts


def _part(scene: Any, given: dict[str, Any]) -> list[str]:
    """Two frames as EXR, then a reload; a frame that is not made yet is rendered."""
    scene.likeness.format, scene.likeness.range = "exr", "PREVIEW"
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = 12, 13
    ops.synthesize()
    versions.set_span(head_of(scene), 12, 18)  # the artist draws the handle out
    scene.likeness.range = "STRIP"
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath, load_ui=False)
    scene = bpy.context.scene
    files: list[str] = strip_facts(scene)["head"]["files"]
    output.render_still(scene, Path(given["pending"]), 16)
    return files


if __name__ == "__main__":
    go_through(globals())
