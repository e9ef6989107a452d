# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of step 3: a test frame, and the personalized model."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import registration, versions
from ..errors import InputError
from ..properties import active_portrait
from ..storage import folders
from ..worker import jobs
from ..worker.operator_parts import StepOperator, attempt
from . import frames, person, teeth


class LIKENESS_OT_test_frame(StepOperator):
    """Make the frame at the playhead and show it at once; needs no consent note"""

    bl_idname = "likeness.test_frame"
    bl_label = "Test This Frame"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, frames.test_frame, context)


class LIKENESS_OT_test_clear(StepOperator):
    """Take the test frame off the sequencer"""

    bl_idname = "likeness.test_clear"
    bl_label = "Clear"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, frames.clear_test, versions.sequencer_scene(context))


class LIKENESS_OT_teeth_template(StepOperator):
    """Write a picture of the teeth, both rows unrolled, to paint on and to use as Own Teeth"""

    bl_idname = "likeness.teeth_template"
    bl_label = "Export Template"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.filepath = folders.to_browse() + "teeth.png"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._export, context)

    def _export(self, context: bpy.types.Context) -> str:
        path = folders.absolute(self.filepath) if self.filepath else None
        if path is None or path.is_dir():
            raise InputError("name the file that the template is written to, such as teeth.png")
        return teeth.export_template(context, path)


class LIKENESS_OT_personalize(StepOperator):
    """Fine-tune the network on this portrait's pictures; takes some minutes"""

    bl_idname = "likeness.personalize"
    bl_label = "Personalize"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, person.personalize, context)


class LIKENESS_OT_person_remove(StepOperator):
    """Delete the personalized model of this portrait from the disk"""

    bl_idname = "likeness.person_remove"
    bl_label = "Delete Personalized Model"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, person.drop_person, versions.sequencer_scene(context))


class LIKENESS_OT_before_after(bpy.types.Operator):
    """Open the picture that compares the personalized model with the general one"""

    bl_idname = "likeness.before_after"
    bl_label = "Before / After"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._open, context)

    def _open(self, context: bpy.types.Context) -> str:
        path = person.before_after(active_portrait(versions.sequencer_scene(context)))
        if path is None:
            raise InputError("there is no comparison yet; personalize first")
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(path))
        return str(path)


CLASSES = (
    LIKENESS_OT_test_frame,
    LIKENESS_OT_test_clear,
    LIKENESS_OT_teeth_template,
    LIKENESS_OT_personalize,
    LIKENESS_OT_person_remove,
    LIKENESS_OT_before_after,
)


def register() -> None:
    registration.register_classes(*CLASSES)
    jobs.KINDS[frames.TEST] = jobs.Kind("Test frame", frames.apply_test, lays_strips=True)
    jobs.KINDS[teeth.TEMPLATE] = jobs.Kind("Export template", teeth.apply_template)
    jobs.KINDS[person.PERSONALIZE] = jobs.Kind("Personalize", person.apply_personalize)


def unregister() -> None:
    for kind in (frames.TEST, teeth.TEMPLATE, person.PERSONALIZE):
        jobs.KINDS.pop(kind, None)
    registration.unregister_classes(*CLASSES)
