# SPDX-License-Identifier: GPL-3.0-or-later
"""All that Likeness keeps in a file, as plain data that can be compared."""

from __future__ import annotations

import math
from typing import Any

import bpy

from blender_addon import versions
from blender_addon.storage import folders


def state() -> dict[str, Any]:
    """All that Likeness keeps in the file, and what it made outside of its own properties."""
    scene = bpy.context.scene
    strips = {
        strip.name: [
            strip.type,
            strip.channel,
            versions.span(strip),
            versions.content_start(strip),
            strip.mute,
            strip.get("likeness", ""),
            [round(value, 4) for value in (strip.transform.offset_x, strip.transform.offset_y)],
            [element.filename for element in strip.elements] if strip.type == "IMAGE" else [],
        ]
        for strip in versions.strips(scene.sequence_editor)
    }
    things = {thing.name: [thing.type, _curves(thing)] for thing in bpy.data.objects}
    clips = {
        clip.name: [
            (track.name, track.hide, len(track.markers), _sum(track))
            for track in clip.tracking.tracks
        ]
        for clip in bpy.data.movieclips
    }
    return {
        "likeness": _values(scene.likeness),
        "strips": strips,
        "things": things,
        "clips": clips,
        "jobs": [[job.kind, job.state, job.message] for job in scene.likeness_jobs],
        "camera": scene.camera.name if scene.camera else "",
    }


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
