# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators that put a take into the artist's hands, and those that record the viewport."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from .. import registration, versions
from ..errors import InputError
from ..operator_parts import UNDO, attempt
from ..properties import active_take, new_uid
from ..puppet import operators as viewport
from ..storage import folders, recordings
from . import edits, takes

_WHAT = (
    ("PUPPET", "Puppet", "The puppet's own vertices: exact, at any range"),
    ("RENDER", "Any Character", "Render the 3D view and find the face in the pictures"),
)


class LIKENESS_OT_capture_viewport(bpy.types.Operator):
    """Keep what a face does in the 3D scene, seen through the camera, as a take"""

    bl_idname = "likeness.capture_viewport"
    bl_label = "Capture Viewport"
    bl_options = UNDO

    what: EnumProperty(name="What", items=_WHAT)
    name: StringProperty(description="The take's name; empty: one is found", options={"SKIP_SAVE"})
    object: StringProperty(description="The puppet; empty: the active or only one")
    camera: StringProperty(description="The camera; empty: the scene's")
    first: IntProperty(description="First frame of the scene")
    last: IntProperty(default=-1, description="Last frame; below the first: the scene's range")

    def execute(self, context: Any) -> set[str]:
        done = attempt(self, self._capture, context)
        if bpy.app.background or done != {"FINISHED"}:
            return done
        # What goes on from here makes the undo step, when it has ended.
        return {"INTERFACE"}

    def _capture(self, context: Any) -> str:
        name = folders.safe_name(
            self.name or ("puppet" if self.what == "PUPPET" else context.scene.name)
        )
        mode = "EXEC_DEFAULT" if bpy.app.background else "INVOKE_DEFAULT"
        how = {"camera": self.camera, "first": self.first, "last": self.last}
        # The unique part comes second, so that the take is named by what stands before it.
        stem = f"{name}.{new_uid()}"
        try:
            if self.what == "PUPPET":
                path = takes.take_file(stem, recordings.TRACK_SUFFIX)
                bpy.ops.likeness.viewport_capture(
                    mode, filepath=str(path), object=self.object, **how
                )
            else:
                path = takes.take_file(stem, ".mp4")
                bpy.ops.likeness.viewport_render(mode, filepath=str(path), **how)
        except RuntimeError as error:
            raise InputError(" ".join(str(error).split()[1:])) from None
        return ""


class LIKENESS_OT_take_curves(bpy.types.Operator):
    """Show the take's controls and head pose as curves of an Empty, in the Graph Editor"""

    bl_idname = "likeness.take_curves"
    bl_label = "Edit as Curves"
    bl_options = UNDO

    def execute(self, context: Any) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, edits.load_curves, context, scene)


class LIKENESS_OT_take_curves_keep(bpy.types.Operator):
    """Use the curves as they are now; just the frames that they change are made again"""

    bl_idname = "likeness.take_curves_keep"
    bl_label = "Keep Edits"
    bl_options = UNDO

    def execute(self, context: Any) -> set[str]:
        return attempt(self, edits.keep_curves, versions.sequencer_scene(context))


class LIKENESS_OT_curves_drop(bpy.types.Operator):
    """Synthesize from the take as it was cleaned, without the curves' edits; their file stays"""

    bl_idname = "likeness.curves_drop"
    bl_label = "Drop Edited Curves"
    bl_options = UNDO

    def execute(self, context: Any) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, lambda: takes.drop_curves(active_take(scene)))


class LIKENESS_OT_take_markers(bpy.types.Operator):
    """Show landmarks of the take as tracking markers on its footage, in the Movie Clip Editor"""

    bl_idname = "likeness.take_markers"
    bl_label = "Add Markers"
    bl_options = UNDO

    def execute(self, context: Any) -> set[str]:
        return attempt(self, edits.add_markers, versions.sequencer_scene(context))


class LIKENESS_OT_take_markers_apply(bpy.types.Operator):
    """Put the landmarks where the markers were moved to, and clean the take again"""

    bl_idname = "likeness.take_markers_apply"
    bl_label = "Apply Markers"
    bl_options = UNDO

    def execute(self, context: Any) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, edits.apply_markers, context, scene)


CLASSES = (
    LIKENESS_OT_capture_viewport, LIKENESS_OT_take_curves, LIKENESS_OT_take_curves_keep,
    LIKENESS_OT_curves_drop, LIKENESS_OT_take_markers, LIKENESS_OT_take_markers_apply,
)  # fmt: skip


def register() -> None:
    registration.register_classes(*CLASSES)
    if takes.recorded not in viewport.finished:
        viewport.finished.append(takes.recorded)


def unregister() -> None:
    if takes.recorded in viewport.finished:
        viewport.finished.remove(takes.recorded)
    registration.unregister_classes(*CLASSES)
