# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the puppet: to add one, to see it, and to let it follow control curves."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ..controls import curves
from ..registration import register_classes, unregister_classes
from ..storage.canonical import read_face
from ..worker.operator_parts import UNDO, attempt
from . import puppet, workspace


class LIKENESS_OT_puppet_add(bpy.types.Operator):
    """Add a face of 478 vertices with a shape key for each control, on an Empty that turns it"""

    bl_idname = "likeness.puppet_add"
    bl_label = "Add Puppet"
    bl_options = UNDO

    name: StringProperty(name="Name", default="Likeness puppet")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, _add, context, self.name)


class LIKENESS_OT_puppet_camera(bpy.types.Operator):
    """Put a camera straight before the puppet's face, and make it the scene's"""

    bl_idname = "likeness.puppet_camera"
    bl_label = "Add Face Camera"
    bl_options = UNDO

    puppet: StringProperty(description="Name of the puppet; empty: the active one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, _camera, context, self.puppet)


class LIKENESS_OT_puppet_follow(bpy.types.Operator):
    """Let the puppet perform what the control curves say: expression and head, live"""

    bl_idname = "likeness.puppet_follow"
    bl_label = "Follow Curves"
    bl_options = UNDO

    puppet: StringProperty(description="Name of the puppet; empty: the active one")
    controls: StringProperty(description="Name of the Empty with the curves; empty: the only one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, _follow, context, self.puppet, self.controls)


class LIKENESS_OT_puppet_release(bpy.types.Operator):
    """Give the puppet's shape keys and head back; it keeps the expression and pose of this frame"""

    bl_idname = "likeness.puppet_release"
    bl_label = "Release"
    bl_options = UNDO

    puppet: StringProperty(description="Name of the puppet; empty: the active one")

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, _release, context, self.puppet)


def draw_puppet(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The puppet's buttons, for a panel."""
    there = puppet.puppets(context.scene)
    row = layout.row(align=True)
    row.operator("likeness.puppet_add", icon="OUTLINER_OB_ARMATURE")
    if there:
        row.operator("likeness.puppet_camera", icon="OUTLINER_OB_CAMERA")
    if there and curves.control_empties(context.scene):
        row = layout.row(align=True)
        row.operator("likeness.puppet_follow", icon="LINKED")
        row.operator("likeness.puppet_release", icon="UNLINKED")


def _add(context: bpy.types.Context, name: str) -> str:
    thing = puppet.add_puppet(context.collection, read_face(), name)
    thing.parent.location = context.scene.cursor.location
    for other in context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    context.view_layer.objects.active = thing
    context.view_layer.update()
    hidden = workspace.hide_cube(context.scene, thing)
    shown = workspace.show(context, thing)
    return (
        f"{thing.name}: its shape keys make the expression, its Empty turns the head"
        f"{f'; animate it in the workspace {shown.name}' if shown is not None else ''}"
        f"{f'; {hidden}, which stood around it, is hidden' if hidden else ''}"
    )


def _camera(context: bpy.types.Context, name: str) -> str:
    thing = puppet.find_puppet(context.scene, name, context.object)
    context.view_layer.update()  # a script may have moved the head just now
    camera = puppet.add_camera(context.collection, thing)
    context.scene.camera = camera
    return f"{camera.name} looks at {thing.name} and is the scene's camera now"


def _follow(context: bpy.types.Context, puppet_name: str, controls_name: str) -> str:
    scene = context.scene
    thing = puppet.find_puppet(scene, puppet_name, context.object)
    controls = curves.find_controls(scene, controls_name, context.object)
    puppet.follow(thing, controls)
    return f"{thing.name} follows {controls.name}"


def _release(context: bpy.types.Context, name: str) -> str:
    thing = puppet.find_puppet(context.scene, name, context.object)
    puppet.release(thing)
    return f"{thing.name} is free"


_CLASSES = (
    LIKENESS_OT_puppet_add,
    LIKENESS_OT_puppet_camera,
    LIKENESS_OT_puppet_follow,
    LIKENESS_OT_puppet_release,
)


def register() -> None:
    register_classes(*_CLASSES)


def unregister() -> None:
    unregister_classes(*_CLASSES)
