# SPDX-License-Identifier: GPL-3.0-or-later
"""A puppet that moves before a camera that is not straight, and where Blender itself sees it."""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view

from blender_addon.puppet import puppet

SIZE = (321, 240)


def stage(lens: float = 70) -> tuple[Any, Any]:
    """The scene, and its puppet, which moves over frames 1 to 6."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 6
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    bpy.ops.likeness.puppet_add()
    face = puppet.puppets(scene)[0]
    for control, value in (("jaw_open", 1), ("gaze_x", -1), ("smile_left", 0.7)):
        key = face.data.shape_keys.key_blocks[control]
        key.value = 0
        key.keyframe_insert("value", frame=1)
        key.value = value
        key.keyframe_insert("value", frame=6)
    head = face.parent
    head.location, head.rotation_euler = (0.02, 0.05, 0.01), (0.1, -0.2, 0.4)
    head.keyframe_insert("rotation_euler", frame=1)
    head.rotation_euler = (-0.2, 0.1, -0.5)
    head.keyframe_insert("rotation_euler", frame=6)
    data = bpy.data.cameras.new("camera")
    data.lens, data.shift_x, data.shift_y = lens, 0.06, -0.03
    camera = bpy.data.objects.new("camera", data)
    camera.location = (0.2, -0.8, 0.1)
    camera.rotation_euler = (math.radians(84), 0.05, math.radians(14))
    camera.scale = (2, 2, 2)  # does not count
    scene.collection.objects.link(camera)
    scene.camera = camera
    return scene, face


def seen_by_blender(scene: Any, face: Any, frame: int) -> np.ndarray:
    """Pixels of the evaluated vertices by Blender's own function, (478, 2)."""
    scene.frame_set(frame)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = face.evaluated_get(depsgraph)
    matrix = evaluated.matrix_world.copy()
    world = [matrix @ vertex.co for vertex in evaluated.to_mesh().vertices]
    views = [world_to_camera_view(scene, scene.camera, place) for place in world]
    return np.array([(v.x * SIZE[0], (1 - v.y) * SIZE[1]) for v in views])
