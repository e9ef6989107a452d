# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3 in the sidebar: strengths, the test frame, the personalized model."""

from __future__ import annotations

import bpy

from .. import registration, versions
from ..panel_parts import StepPanel, active_of, big_button, draw_hint
from ..properties import LikenessPortrait, settings
from ..sequencer import head_strip
from ..worker import jobs, status
from ..worker.launch import has_torch
from . import frames, person, teeth
from .hints import for_frames


class LIKENESS_PT_animate(StepPanel):
    bl_label = "Animate"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        layout.label(text="How strongly it follows the actor:")
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        for region in frames.REGIONS:
            column.prop(chosen, region, slider=True)
        column.separator()
        column.row().prop(chosen, "transfer", expand=True)
        column.prop(chosen, "neutralize")
        column.row().prop(chosen, "tier", expand=True)
        active = active_of(chosen.portraits, chosen.portrait_index)
        missing = for_frames(scene)
        row = big_button(layout, "likeness.test_frame", "RENDER_STILL", missing)
        draw_hint(layout, missing)
        shown = active is not None and head_strip.find(scene, frames.test_tag(active)) is not None
        if shown:
            row.operator("likeness.test_clear", text="", icon="X")
        if shown or not _all_done(scene, frames.TEST):
            status.draw_jobs(layout, context, (frames.TEST,))
        if active is not None:
            _draw_person(layout, active)
            status.draw_jobs(layout, context, (person.PERSONALIZE,))


def _all_done(scene: bpy.types.Scene, kind: str) -> bool:
    return all(job.state == "DONE" for job in jobs.listed(scene) if job.kind == kind)


def _draw_person(layout: bpy.types.UILayout, active: LikenessPortrait) -> None:
    row = layout.row(align=True)
    row.enabled = has_torch()
    row.operator("likeness.personalize", icon="USER")
    if not row.enabled:
        layout.label(text="Needs an environment with torch", icon="INFO")
    if person.person_of(active) is not None:
        row = layout.row(align=True)
        row.prop(active, "use_person")
        if person.before_after(active) is not None:
            row.operator("likeness.before_after", text="", icon="IMAGE_REFERENCE")
        row.operator("likeness.person_remove", text="", icon="TRASH")


class LIKENESS_PT_mouth(StepPanel):
    bl_label = "Mouth"
    bl_parent_id = "LIKENESS_PT_animate"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, True  # to be keyed
        for name in teeth.NAMES:
            column.prop(chosen, f"teeth_{name}", slider=name != "picture")
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(chosen, "own_teeth")
        row = layout.row()
        row.enabled = len(chosen.portraits) > 0
        row.operator("likeness.teeth_template", icon="EXPORT")
        status.draw_jobs(layout, context, (teeth.TEMPLATE,))


CLASSES = (LIKENESS_PT_animate, LIKENESS_PT_mouth)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
