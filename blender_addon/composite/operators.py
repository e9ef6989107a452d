# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of step 4: synthesize, align, and where the frames lie."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty

from .. import registration, versions
from ..errors import InputError
from ..properties import active_portrait, active_take
from ..worker import jobs
from ..worker.operator_parts import StepOperator, attempt
from . import layers_view, synthesis


class LIKENESS_OT_synthesize(StepOperator):
    """Make the head frames of the range; they appear over the portrait as they are made"""

    bl_idname = "likeness.synthesize"
    bl_label = "Synthesize"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, synthesis.synthesize, context)


class LIKENESS_OT_align(StepOperator):
    """Lay the head strip over the portrait strip again, after that was moved or scaled"""

    bl_idname = "likeness.align"
    bl_label = "Align to Portrait"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, synthesis.align, versions.sequencer_scene(context))


class LIKENESS_OT_layer_view(StepOperator):
    """Lay this over the portrait for a look; pressed again it goes away"""

    bl_idname = "likeness.layer_view"
    bl_label = "Look at Layer"

    view: EnumProperty(
        name="View", description="What is shown", items=layers_view.VIEWS, options={"SKIP_SAVE"}
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Any) -> str:
        words = next(words for name, _, words in layers_view.VIEWS if name == properties.view)
        return f"{words}. Lies over the portrait until it is pressed again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, layers_view.toggle, context, self.view)


class LIKENESS_OT_open_output(bpy.types.Operator):
    """Show the folder of the head frames in the system's file browser"""

    bl_idname = "likeness.open_output"
    bl_label = "Open Output Folder"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._open, context)

    def _open(self, context: bpy.types.Context) -> str:
        scene = versions.sequencer_scene(context)
        folder = synthesis.head_folder(scene, active_portrait(scene), active_take(scene))
        if folder is None or not folder.is_dir():
            raise InputError("there are no frames yet; synthesize first")
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(folder))
        return str(folder)


CLASSES = (
    LIKENESS_OT_synthesize,
    LIKENESS_OT_align,
    LIKENESS_OT_layer_view,
    LIKENESS_OT_open_output,
)


def register() -> None:
    registration.register_classes(*CLASSES)
    jobs.KINDS[synthesis.KIND] = jobs.Kind(
        "Synthesize", synthesis.apply, synthesis.arrived, synthesis.ended, lays_strips=True
    )
    jobs.KINDS[layers_view.KIND] = jobs.Kind("Look", layers_view.apply)


def unregister() -> None:
    jobs.KINDS.pop(synthesis.KIND, None)
    jobs.KINDS.pop(layers_view.KIND, None)
    registration.unregister_classes(*CLASSES)
