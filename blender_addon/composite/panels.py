# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 4 in the sidebar: what is made, in what form, and where it lies."""

from __future__ import annotations

from typing import Any

import bpy

from .. import hints, registration, versions
from ..panel_parts import StepPanel, active_of, big_button, draw_hint
from ..properties import settings
from ..sequencer import head_strip
from ..worker import status
from . import synthesis


class LIKENESS_PT_composite(StepPanel):
    bl_label = "Composite"
    bl_order = 3

    def draw(self, context: Any) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(chosen, "layer")
        if chosen.layer != "box":
            column.prop(chosen, "own_matte")
            column.prop(chosen, "own_plate")
        for name in ("range", "format", "feather", "match"):
            column.prop(chosen, name)
        if chosen.match == "picture":
            column.prop(chosen, "match_picture")
        if chosen.match != "off":
            column.prop(chosen, "match_strength")
        column.prop(chosen, "matte")
        if chosen.matte and chosen.layer != "box":
            column.prop(chosen, "matte_kind")
        column.prop(chosen, "sound")
        active = active_of(chosen.portraits, chosen.portrait_index)
        missing = hints.for_output(scene, active)
        draw_hint(layout, missing)
        if not bpy.data.filepath:
            layout.label(text="Save the file to keep frames beside it", icon="INFO")
        big_button(layout, "likeness.synthesize", "RENDER_ANIMATION", missing)
        status.draw_jobs(layout, context, (synthesis.KIND,))
        take = active_of(chosen.takes, chosen.take_index)
        if active is not None and take is not None:
            tag = synthesis.head_tag(active, take)
            if head_strip.find(scene, tag) is not None:
                row = layout.row(align=True)
                row.operator("likeness.align", icon="MOD_MESHDEFORM")
                row.operator("likeness.open_output", text="", icon="FILE_FOLDER")


CLASSES = (LIKENESS_PT_composite,)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
