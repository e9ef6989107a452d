# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators that put a take into the artist's hands: as curves, and as tracking markers."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty

from .. import registration, versions
from ..controls.presets import BACK, PRESETS
from ..properties import active_take
from ..worker.operator_parts import UNDO, attempt
from . import edits, takes

_BACK = "Key all that was edited to nothing at the playhead: the take goes on there as it is"


class LIKENESS_OT_take_curves(bpy.types.Operator):
    """Put the take on an Empty, to be edited by a few keys over it: what you key is added to it"""

    bl_idname = "likeness.take_curves"
    bl_label = "Edit as Curves"
    bl_options = UNDO

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, edits.load_curves, context, scene)


class LIKENESS_OT_take_preset(bpy.types.Operator):
    """Add this to the take at the playhead, as a few keys over it"""

    bl_idname = "likeness.take_preset"
    bl_label = "Add at Playhead"
    bl_options = UNDO

    preset: EnumProperty(
        name="Preset",
        items=[(key, each.label, each.words) for key, each in PRESETS.items()]
        + [(BACK, "Back to the Take", _BACK)],
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Any) -> str:
        chosen = PRESETS.get(properties.preset)
        return chosen.words if chosen is not None else _BACK

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, edits.add_preset, context, scene, self.preset)


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
    LIKENESS_OT_take_curves, LIKENESS_OT_take_preset, LIKENESS_OT_take_curves_keep,
    LIKENESS_OT_curves_drop,
    LIKENESS_OT_take_markers, LIKENESS_OT_take_markers_apply, LIKENESS_OT_markers_remove,
)  # fmt: skip


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
