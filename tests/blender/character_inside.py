# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: a face in the 3D scene that is no puppet, found in rendered frames.

    python character_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from blender_addon.storage import recordings
from blender_addon.worker import jobs
from tests.blender.steps_inside import go_through, last_job, ops, refused, setup, strip_facts

SIZE = (320, 240)
FIRST, LAST = 3, 8


def character(given: dict[str, Any]) -> dict[str, Any]:
    """A photograph on a plane that moves, turns and comes nearer: its face is a take."""
    scene = setup(given)
    ops.portrait_from_strip(strip="lisa.jpg")
    picture = scene.likeness.portraits[0].pictures[0]
    landmarks = np.load(bpy.path.abspath(picture.faces[0].points))
    plane = _photograph(given["picture"])
    _move(plane)
    _camera(scene)
    scene.frame_set(5)
    ops.capture_viewport(what="RENDER", name="some one", first=FIRST, last=LAST)
    take = scene.likeness.takes[0]
    track = recordings.load_track(Path(bpy.path.abspath(take.track)))
    facts: dict[str, Any] = {
        "take": [take.name, take.frames, take.start, list(take.rate), bool(take.performance)],
        "source": Path(bpy.path.abspath(take.source)).name, "size": list(track.size),
        "valid": track.valid.tolist(), "frame": scene.frame_current,
        "found": track.points[..., :2].tolist(),
        "true": [_seen(scene, plane, landmarks, picture.size, frame).tolist()
                 for frame in range(FIRST, LAST + 1)],
    }  # fmt: skip
    scene.frame_set(6)
    ops.test_frame()
    facts["strips"] = strip_facts(scene)
    return facts


def refusals(given: dict[str, Any]) -> dict[str, Any]:
    """No camera, no face, a movie that is not whole, a search that is cancelled."""
    scene = setup(given)
    how = {"what": "RENDER", "first": 1, "last": 2}
    lines = {"no camera": refused(ops.capture_viewport, **how)}
    _camera(scene)
    lines["no such camera"] = refused(ops.capture_viewport, camera="none", **how)
    lines["no face"] = refused(ops.capture_viewport, **how)
    _photograph(given["picture"])

    def cut_off(*_: Any) -> None:
        for part in Path(given["folder"]).rglob("likeness-*.part.mp4"):
            part.write_bytes(part.read_bytes()[:100])

    bpy.app.handlers.render_complete.append(cut_off)
    lines["not whole"] = refused(ops.capture_viewport, **how)
    bpy.app.handlers.render_complete.remove(cut_off)

    real = jobs.KINDS["capture"]
    jobs.KINDS["capture"] = jobs.Kind(
        real.label, real.apply, lambda _scene, ticket, _event: jobs.cancel(ticket.id)
    )
    lines["cancelled"] = refused(ops.capture_viewport, **how)
    jobs.KINDS["capture"] = real
    return {
        "lines": lines, "takes": len(scene.likeness.takes), "job": last_job(scene)["state"],
        "size": [scene.render.resolution_x, scene.render.resolution_y],
        "left": [path.name for path in Path(given["folder"]).rglob("likeness-*.part*")],
        "sequencer": scene.render.use_sequencer,
    }  # fmt: skip


def _photograph(path: str) -> Any:
    """An upright plane of one unit's height that shines as the picture does."""
    image = bpy.data.images.load(path)
    half = image.size[0] / image.size[1] / 2
    mesh = bpy.data.meshes.new("photograph")
    corners = [(-half, 0, -0.5), (half, 0, -0.5), (half, 0, 0.5), (-half, 0, 0.5)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    places = mesh.uv_layers.new().data
    for corner, place in zip(places, [(0, 0), (1, 0), (1, 1), (0, 1)], strict=True):
        corner.uv = place
    material = bpy.data.materials.new("photograph")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    texture, light = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeEmission")
    texture.image = image
    links.new(texture.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    mesh.materials.append(material)
    plane = bpy.data.objects.new("photograph", mesh)
    bpy.context.scene.collection.objects.link(plane)
    return plane


def _move(plane: Any) -> None:
    for frame, place, turn in (
        (FIRST, (-0.1, 0.1, -0.1), (0, -0.1, -0.1)),
        (LAST, (0.1, -0.3, 0.05), (0.1, 0.1, 0.2)),
    ):
        plane.location, plane.rotation_euler = place, turn
        plane.keyframe_insert("location", frame=frame)
        plane.keyframe_insert("rotation_euler", frame=frame)


def _camera(scene: Any) -> None:
    """Straight before the origin; the picture is small and quick to render."""
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location, camera.rotation_euler = (0, -2.4, 0), (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 8, False
    scene.view_settings.view_transform = "Standard"


def _seen(scene: Any, plane: Any, landmarks: Any, size: Any, frame: int) -> Any:
    """Where Blender's own function sees the photograph's landmarks, (478, 2) pixels, y down."""
    scene.frame_set(frame)
    width, height = size
    places = [
        plane.matrix_world @ Vector(((x - width / 2) / height, 0, 0.5 - y / height))
        for x, y, _ in landmarks.tolist()
    ]
    views = [world_to_camera_view(scene, scene.camera, place) for place in places]
    return np.array([(view.x * SIZE[0], (1 - view.y) * SIZE[1]) for view in views])


if __name__ == "__main__":
    go_through(globals())
