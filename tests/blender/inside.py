# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: opens a .blend, changes what a job says, renders, reports the strips.

    python inside.py JOBS.json
A list of jobs. Each: blend; optional portrait (values for the portrait strip: transform,
use_flip_x, crop_min_x), resolution,
percentage, head (folder: lay its strip over the portrait strip again), nudge (pixels to the right
and up that the head strip is put off by), flat (a picture that takes the portrait's place, the head
muted), frames ({frame number: PNG}), report (JSON).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy

from blender_addon import versions
from blender_addon.sequencer import output, placement, strips


def run(job: dict[str, Any]) -> None:
    bpy.ops.wm.open_mainfile(filepath=job["blend"], load_ui=False)
    scene = bpy.data.scenes["Likeness"]
    found = {strip.name: strip for strip in versions.strips(scene.sequence_editor)}
    portrait, head = found["Likeness portrait"], found["Likeness head"]
    if "resolution" in job:
        scene.render.resolution_x, scene.render.resolution_y = job["resolution"]
    scene.render.resolution_percentage = job.get("percentage", scene.render.resolution_percentage)
    for key, value in job.get("portrait", {}).items():
        if key.startswith("use_flip"):
            setattr(portrait, key, value)
        elif key.startswith("crop_"):
            setattr(portrait.crop, key.removeprefix("crop_"), value)
        else:
            setattr(portrait.transform, key, value)
    if "head" in job:
        there = placement.read_placement(Path(job["head"]))
        strips.follow_portrait(scene, there, portrait, head)
    head.transform.offset_x += job.get("nudge", (0, 0))[0]
    head.transform.offset_y += job.get("nudge", (0, 0))[1]
    if "flat" in job:
        head.mute = True
        portrait.directory = str(Path(job["flat"]).parent)
        portrait.elements[0].filename = Path(job["flat"]).name
    if "report" in job:
        Path(job["report"]).write_text(json.dumps(report(scene, found)), encoding="utf-8")
    for frame, path in job.get("frames", {}).items():
        output.render_still(scene, Path(path), int(frame))


def report(scene: Any, found: dict[str, Any]) -> dict[str, Any]:
    render = scene.render
    return {
        "version": list(bpy.app.version),
        "range": [scene.frame_start, scene.frame_end],
        "rate": [render.fps, render.fps_base],
        "size": [render.resolution_x, render.resolution_y, render.resolution_percentage],
        "view": [scene.view_settings.view_transform, scene.view_settings.look],
        "movie": [render.image_settings.file_format, render.ffmpeg.format, render.ffmpeg.codec],
        "strips": {name: _strip(strip) for name, strip in found.items()},
    }


def _strip(strip: Any) -> dict[str, Any]:
    facts = {
        "type": strip.type, "channel": strip.channel, "span": versions.span(strip),
        "blend": strip.blend_type, "mute": strip.mute,
    }  # fmt: skip
    if strip.type == "IMAGE":
        facts["folder"] = strip.directory
        facts["files"] = [element.filename for element in strip.elements]
        facts["alpha"] = strip.alpha_mode
        facts["space"] = strip.colorspace_settings.name
    if strip.type == "MOVIE":
        facts["file"] = strip.filepath
    return facts


if __name__ == "__main__":
    for each in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        run(each)
    sys.stdout.flush()
    os._exit(0)  # Blender 4.5 as a library may hang when Python ends
