# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the panel Delivery."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from .. import registration, versions
from ..storage import folders
from ..worker import jobs
from ..worker.operator_parts import StepOperator, attempt
from . import label, signing


class LIKENESS_OT_sign_frames(StepOperator):
    """Sign the active take's head frames: a contact sheet beside them lists them all"""

    bl_idname = "likeness.sign_frames"
    bl_label = "Sign Frames"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, signing.sign, context, "")


class _OfFile(StepOperator):
    """Asks for a file."""

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.filepath = self.filepath or folders.to_browse()
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class LIKENESS_OT_sign_delivery(_OfFile):
    """Sign a rendered movie; the signed one is written beside it"""

    bl_idname = "likeness.sign_delivery"
    bl_label = "Sign Delivery"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, signing.sign, context, self.filepath)


class LIKENESS_OT_verify(_OfFile):
    """Look which marks a file, or a folder of frames, carries"""

    bl_idname = "likeness.verify"
    bl_label = "Verify"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, signing.verify, context, self.filepath)


class LIKENESS_OT_label_add(StepOperator):
    """Lay a label above all strips that says what is seen"""

    bl_idname = "likeness.label_add"
    bl_label = "Add Label"

    words: StringProperty(name="Words", default=label.WORDS)
    corner: EnumProperty(name="Corner", items=label.CORNERS, default="BOTTOM_RIGHT")
    seconds: FloatProperty(
        name="Seconds", description="From the first frame on; 0: always", min=0, default=0
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return set(context.window_manager.invoke_props_dialog(self, width=300))

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = versions.sequencer_scene(context)
        return attempt(self, label.add_label, scene, self.words, self.corner, self.seconds)


CLASSES = (
    LIKENESS_OT_sign_frames,
    LIKENESS_OT_sign_delivery,
    LIKENESS_OT_verify,
    LIKENESS_OT_label_add,
)


def register() -> None:
    registration.register_classes(*CLASSES)
    jobs.KINDS[signing.SIGN] = jobs.Kind("Sign", signing.apply_sign)
    jobs.KINDS[signing.VERIFY] = jobs.Kind("Verify", signing.apply_verify)


def unregister() -> None:
    jobs.KINDS.pop(signing.SIGN, None)
    jobs.KINDS.pop(signing.VERIFY, None)
    registration.unregister_classes(*CLASSES)
