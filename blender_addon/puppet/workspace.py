# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the puppet is animated: a workspace with a 3D view that looks at its face."""

from __future__ import annotations

import math
from typing import Any

import bpy

NAME = "Layout"
# Where Blender keeps the workspaces of a new file of its own.
_BUILT_IN = "<startup.blend>"
_AWAY = 0.55  # metres from the eye to the face: it fills most of the view
_LARGEST_CUBE = 2.01  # metres: a new scene's is 2


def show(context: bpy.types.Context, thing: bpy.types.Object) -> bpy.types.WorkSpace | None:
    """Let every 3D view of the workspace Layout look at a puppet's face; None without a window.

    Where the file has no such workspace Blender's own is added; the one that is seen stays.
    """
    window = getattr(context, "window", None)
    if window is None or bpy.app.background:
        return None
    found = _with_view(context)
    if found is None:
        before = window.workspace
        bpy.ops.workspace.append_activate(idname=NAME, filepath=_BUILT_IN)
        found = _with_view(context)
        window.workspace = before
    if found is not None:
        for space in _views(found):
            look_at(space.region_3d, thing)
    return found


def look_at(view: bpy.types.RegionView3D, thing: bpy.types.Object) -> None:
    """Turn a 3D view to a face that looks along -y, near enough to see what it does."""
    place = (thing.parent or thing).matrix_world
    view.view_perspective = "PERSP"
    view.view_location = place.translation
    upright = thing.rotation_euler.copy()  # from looking down to looking along the face's y
    upright.x, upright.y, upright.z = math.pi / 2, 0, 0
    view.view_rotation = place.to_quaternion() @ upright.to_quaternion()
    view.view_distance = _AWAY


def hide_cube(scene: bpy.types.Scene, thing: bpy.types.Object) -> str:
    """Hide a new scene's cube where it stands around the face; its name, or "".

    It is hidden in views and renders, not removed.
    """
    place = (thing.parent or thing).matrix_world.translation
    for other in scene.objects:
        if not _is_cube(other) or other.hide_render:
            continue
        inside = other.matrix_world.inverted() @ place
        corners = [other.bound_box[0], other.bound_box[6]]
        if all(corners[0][k] <= inside[k] <= corners[1][k] for k in range(3)):
            other.hide_viewport = other.hide_render = True
            return str(other.name)
    return ""


def _is_cube(thing: bpy.types.Object) -> bool:
    return (
        thing.type == "MESH"
        and len(thing.data.vertices) == 8
        and all(side <= _LARGEST_CUBE for side in _sides(thing))
        and not thing.children
        and not thing.modifiers
        and thing.animation_data is None
    )


def _with_view(context: bpy.types.Context) -> bpy.types.WorkSpace | None:
    """Layout, else the workspace that is seen, if it has a 3D view."""
    window: Any = context.window
    for workspace in (bpy.data.workspaces.get(NAME), window.workspace):
        if workspace is not None and _views(workspace):
            return workspace
    return None


def _views(workspace: bpy.types.WorkSpace) -> list[Any]:
    areas = [area for screen in workspace.screens for area in screen.areas]
    return [area.spaces.active for area in areas if area.type == "VIEW_3D"]


def _sides(thing: Any) -> tuple[float, ...]:
    return tuple(thing.dimensions)
