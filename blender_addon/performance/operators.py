# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of step 2: capture footage, clean and trim takes."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from .. import registration, versions
from ..errors import InputError
from ..items import SOURCES
from ..properties import active_take, settings
from ..storage import folders
from ..worker import jobs
from ..worker.operator_parts import StepOperator, attempt
from . import imports, takes


class LIKENESS_OT_capture_footage(StepOperator):
    """Find the face in every frame of the footage and keep its motion as a take"""

    bl_idname = "likeness.capture_footage"
    bl_label = "Capture Footage"

    source: EnumProperty(name="Source", items=SOURCES, options={"SKIP_SAVE"})
    strip: StringProperty(
        description="Name of the strip; empty: the active one", options={"SKIP_SAVE"}
    )
    clip: StringProperty(description="Name of the clip", options={"SKIP_SAVE"})
    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_movie: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    face: IntProperty(
        name="Face",
        description="Number of the face in the footage; 0: the largest",
        min=0,
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        chosen = settings(versions.sequencer_scene(context))
        self.source, self.face = chosen.source, chosen.capture_face
        if self.source == "FILE":
            self.filepath = folders.to_browse()
            context.window_manager.fileselect_add(self)
            return {"RUNNING_MODAL"}
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._capture, context)

    def _capture(self, context: bpy.types.Context) -> str:
        scene = versions.sequencer_scene(context)
        if self.source == "STRIP":
            footage = takes.footage_of_strip(scene, self.strip)
        elif self.source == "CLIP":
            named = bpy.data.movieclips.get(self.clip) if self.clip else settings(scene).clip
            if self.clip and named is None:
                raise InputError(f"there is no clip '{self.clip}'; open its movie as a clip")
            footage = takes.footage_of_clip(named)
        else:
            footage = takes.footage_of_file(scene, folders.absolute(self.filepath))
        return takes.capture(context, footage, self.face)


class LIKENESS_OT_take_import(StepOperator):
    """A phone's recording (the CSV of Live Link Face), or a performance, as a take"""

    bl_idname = "likeness.take_import"
    bl_label = "Import Phone Take..."

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.csv;*.performance.npz", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.filepath = folders.to_browse()
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = folders.absolute(self.filepath)
        return attempt(self, imports.import_take, context, path)


class LIKENESS_OT_take_update(StepOperator):
    """Make the take's performance again with this neutral frame, smoothing and filling"""

    bl_idname = "likeness.take_update"
    bl_label = "Update Take"

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, lambda: takes.clean(context, active_take(scene)))


class LIKENESS_OT_take_remove(StepOperator):
    """Forget this take; its files and strips stay"""

    bl_idname = "likeness.take_remove"
    bl_label = "Remove Take"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, takes.remove_take, versions.sequencer_scene(context))


class LIKENESS_OT_take_set(StepOperator):
    """Set it to the frame of the take that is due at the playhead"""

    bl_idname = "likeness.take_set"
    bl_label = "Set from Playhead"

    what: EnumProperty(items=[(each, each.capitalize(), "") for each in ("IN", "OUT", "NEUTRAL")])

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, takes.set_from_playhead, scene, self.what)


CLASSES = (
    LIKENESS_OT_capture_footage,
    LIKENESS_OT_take_import,
    LIKENESS_OT_take_update,
    LIKENESS_OT_take_remove,
    LIKENESS_OT_take_set,
)


def register() -> None:
    registration.register_classes(*CLASSES)
    jobs.KINDS[takes.CAPTURE] = jobs.Kind("Capture", takes.apply_capture)
    jobs.KINDS[imports.KIND] = jobs.Kind("Import", imports.apply_import)
    jobs.KINDS[takes.CLEAN] = jobs.Kind("Clean take", takes.apply_clean)


def unregister() -> None:
    for kind in (takes.CAPTURE, imports.KIND, takes.CLEAN):
        jobs.KINDS.pop(kind, None)
    registration.unregister_classes(*CLASSES)
