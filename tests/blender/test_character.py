# SPDX-License-Identifier: GPL-3.0-or-later
"""Any character: the 3D view is rendered, and the face in it is found where it is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from blender_addon.storage import recordings
from blender_addon.worker import jobs
from tests.blender.shoot import Shoot, absolute, ops, says_no, strip_facts

pytestmark = [pytest.mark.blender, pytest.mark.footage]

SIZE = (320, 240)
FIRST, LAST = 3, 8


def test_a_face_in_the_scene_is_found_where_it_moves(shoot: Shoot) -> None:
    """A photograph on a plane that moves, turns and comes nearer: its face is a take."""
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    picture = scene.likeness.portraits[0].pictures[0]
    landmarks = np.load(absolute(picture.faces[0].points))
    plane = _photograph(shoot.picture)
    _move(plane)
    _camera(scene)
    scene.frame_set(5)
    ops.capture_viewport(what="RENDER", name="some one", first=FIRST, last=LAST)
    assert scene.frame_current == 5  # the scene is back where it was
    take = scene.likeness.takes[0]
    # At the frame of the scene that was asked for, not where the sequencer's strips lie.
    assert (take.name, take.frames, take.start, tuple(take.rate)) == ("some one", 6, 3, (25, 1))
    source = absolute(take.source).name
    assert source.startswith("some one.") and source.endswith(".mp4") and take.performance

    track = recordings.load_track(absolute(take.track))
    assert track.valid.all() and tuple(track.size) == SIZE
    frames = range(FIRST, LAST + 1)
    true = np.array([_seen(scene, plane, landmarks, picture.size, frame) for frame in frames])
    off = np.linalg.norm(track.points[..., :2] - true, axis=2).mean(axis=1)
    way = np.linalg.norm(true - true[0], axis=2).mean(axis=1)
    assert way[-1] > 40
    assert off.max() < 1.6, off  # pixels; the face is some 80 wide
    scene.frame_set(6)
    ops.test_frame()
    test = strip_facts(scene)["test"]
    assert test["span"] == [6, 7] and test["files"] == ["head_000003.png"]


def test_what_gives_no_take_is_one_line(shoot: Shoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """No camera, no face, a movie that is not whole, a search that is cancelled."""
    scene = shoot.scene()

    def refuses(words: str, **how: Any) -> None:
        says_no(words, ops.capture_viewport, what="RENDER", first=1, last=2, **how)

    refuses("The scene has no camera")
    _camera(scene)
    refuses("none: there is no such camera", camera="none")
    refuses("no face was found; use footage in which one is seen larger")
    _photograph(shoot.picture)

    def cut_off(*_: Any) -> None:
        for part in shoot.folder.rglob("likeness-*.part.mp4"):
            part.write_bytes(part.read_bytes()[:100])

    bpy.app.handlers.render_complete.append(cut_off)
    try:
        refuses("The render ended after 0 of 2 frames; nothing was kept")
    finally:
        bpy.app.handlers.render_complete.remove(cut_off)

    real = jobs.KINDS["capture"]
    cancelling = jobs.Kind(
        real.label, real.apply, lambda _scene, ticket, _event: jobs.cancel(ticket.id)
    )
    monkeypatch.setitem(jobs.KINDS, "capture", cancelling)
    refuses("cancelled")
    assert scene.likeness_jobs[-1].state == "CANCELLED"
    assert not scene.likeness.takes
    # The scene is as it was, and nothing half-made is left.
    assert (scene.render.resolution_x, scene.render.resolution_y) == SIZE
    assert scene.render.use_sequencer
    assert not list(shoot.folder.rglob("likeness-*.part*"))


def _photograph(path: Path) -> Any:
    """An upright plane of one unit's height that shines as the picture does."""
    image = bpy.data.images.load(str(path))
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
