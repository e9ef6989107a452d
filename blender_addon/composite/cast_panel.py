# SPDX-License-Identifier: GPL-3.0-or-later
"""Several portraits at once in the sidebar: who plays what, one button, one bar, what failed."""

from __future__ import annotations

from typing import Any

import bpy

from .. import registration, versions
from ..panel_parts import StepPanel, big_button, draw_hint, draw_lines, letters
from ..portrait import portraits
from ..properties import LikenessPortrait, settings
from ..worker import jobs, status
from ..worker.operator_parts import StepOperator, attempt
from . import cast, synthesis


class LIKENESS_OT_synthesize_all(StepOperator):
    """Make the head frames of every portrait that is ticked, each with the take that it plays"""

    bl_idname = "likeness.synthesize_all"
    bl_label = "Synthesize All"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, cast.synthesize, context)


class LIKENESS_OT_synthesize_all_cancel(bpy.types.Operator):
    """End what is not made yet of all portraits; frames that are finished are kept"""

    bl_idname = "likeness.synthesize_all_cancel"
    bl_label = "Cancel All"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, cast.cancel, versions.sequencer_scene(context))


class LIKENESS_UL_cast(bpy.types.UIList):
    """The portraits, and the take that each plays."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: LikenessPortrait,
        _icon: int,
        _active: Any,
        _property: str,
    ) -> None:
        row = layout.row(align=True)
        row.prop(item, "in_cast", text="")
        missing = portraits.consent_missing(item)
        row.label(text=item.name, icon="UNLOCKED" if missing else "LOCKED")
        row.prop_search(item, "plays", data, "takes", text="", icon="ACTION")


class LIKENESS_PT_cast(StepPanel):
    bl_label = "Several Portraits"
    bl_parent_id = "LIKENESS_PT_composite"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 1

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        scene = versions.sequencer_scene(context)
        return scene is not None and len(settings(scene).portraits) > 1

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        layout.template_list(
            "LIKENESS_UL_cast", "", chosen, "portraits", chosen, "portrait_index", rows=3
        )
        draw_hint(layout, "Without a take of its own: the active one")
        if open_ones := len(cast.without_consent(scene)):
            layout.operator(
                "likeness.consent_sheet", icon="GREASEPENCIL", text=f"Record Consent: {open_ones}"
            )
        missing = "" if cast.members(scene) and len(chosen.takes) else "Needs a performance first"
        big_button(layout, "likeness.synthesize_all", "RENDER_ANIMATION", missing)
        now = cast.progress(scene)
        if now is not None:
            row = layout.row(align=True)
            part = now.done / now.total if now.total else 0.0
            row.progress(factor=min(part, 1.0), type="BAR", text=status.bar_text("All", now))
            row.operator("likeness.synthesize_all_cancel", text="", icon="X")
        for line in cast.failures(scene):
            draw_lines(layout, line, "ERROR", letters(context))


CLASSES = (
    LIKENESS_OT_synthesize_all, LIKENESS_OT_synthesize_all_cancel, LIKENESS_UL_cast,
    LIKENESS_PT_cast,
)  # fmt: skip


def register() -> None:
    registration.register_classes(*CLASSES)
    jobs.KINDS[synthesis.CAST] = jobs.Kind(
        "Synthesize", synthesis.apply, synthesis.arrived, synthesis.ended, lays_strips=True
    )


def unregister() -> None:
    jobs.KINDS.pop(synthesis.CAST, None)
    registration.unregister_classes(*CLASSES)
