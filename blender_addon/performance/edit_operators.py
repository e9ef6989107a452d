# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators that put a take into the artist's hands: as curves, and as tracking markers."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from .. import registration, versions
from ..properties import active_take
from ..worker.operator_parts import UNDO, attempt
from . import edits, takes


class LIKENESS_OT_take_curves(bpy.types.Operator):
    """Show the take's controls and head pose as curves of an Empty, in the Graph Editor"""

    bl_idname = "likeness.take_curves"
    bl_label = "Edit as Curves"
    bl_options = UNDO

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, edits.load_curves, context, scene)


class LIKENESS_OT_take_curves_keep(bpy.types.Operator):
    """Use the curves as they are now; just the frames that they change are made again"""

    bl_idname = "likeness.take_curves_keep"
    bl_label = "Keep Edits"
    bl_options = UNDO

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, edits.keep_curves, versions.sequencer_scene(context))


class LIKENESS_OT_curves_drop(bpy.types.Operator):
    """Synthesize from the take as it was cleaned, without the curves' edits; their file stays"""

    bl_idname = "likeness.curves_drop"
    bl_label = "Drop Edited Curves"
    bl_options = UNDO

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, lambda: takes.drop_curves(active_take(scene)))


class LIKENESS_OT_take_markers(bpy.types.Operator):
    """Show landmarks of the take as tracking markers on its footage, in the Movie Clip Editor"""

    bl_idname = "likeness.take_markers"
    bl_label = "Add Markers"
    bl_options = UNDO

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, edits.add_markers, versions.sequencer_scene(context))


class LIKENESS_OT_take_markers_apply(bpy.types.Operator):
    """Put the landmarks where the markers were moved to, and clean the take again"""

    bl_idname = "likeness.take_markers_apply"
    bl_label = "Apply Markers"
    bl_options = UNDO

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, edits.apply_markers, context, scene)


class LIKENESS_OT_markers_remove(bpy.types.Operator):
    """Take the Likeness markers off the movie clip; other tracks stay"""

    bl_idname = "likeness.markers_remove"
    bl_label = "Remove Markers"
    bl_options = UNDO

    clip: StringProperty(description="Name of the movie clip; empty: the one that is shown")

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, edits.remove_markers, context, self.clip)


CLASSES = (
    LIKENESS_OT_take_curves, LIKENESS_OT_take_curves_keep, LIKENESS_OT_curves_drop,
    LIKENESS_OT_take_markers, LIKENESS_OT_take_markers_apply, LIKENESS_OT_markers_remove,
)  # fmt: skip


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
