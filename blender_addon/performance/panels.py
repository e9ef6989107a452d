# SPDX-License-Identifier: GPL-3.0-or-later
"""The step Performance in the sidebar: capture, takes, trimming, editing, 3D scene, overlay."""

from __future__ import annotations

from typing import Any

import bpy

from .. import registration, versions
from ..overlay import layers as overlay
from ..panel_parts import StepPanel, active_of, big_button, draw_hint, draw_list
from ..properties import LikenessTake, settings
from ..puppet import operators as viewport_operators
from ..puppet import puppet
from ..worker import status
from . import hints, imports, takes
from .edit_panel import TakePanel


class LIKENESS_UL_takes(bpy.types.UIList):
    """The takes, side by side."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        item: LikenessTake,
        _icon: int,
        _active: Any,
        _property: str,
    ) -> None:
        layout.prop(item, "name", text="", emboss=False, icon="ACTION")
        words = layout.row()
        words.alignment = "RIGHT"
        words.label(text=f"{item.last - item.first + 1} frames")


class LIKENESS_PT_performance(StepPanel):
    bl_label = "Performance"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        layout.row().prop(chosen, "source", expand=True)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        if chosen.source == "CLIP":
            column.template_ID(chosen, "clip", open="clip.open")
        column.prop(chosen, "largest_face")
        if not chosen.largest_face:
            column.prop(chosen, "capture_face")
        missing = hints.for_capture(scene)
        big_button(layout, "likeness.capture_footage", "REC", missing)
        draw_hint(layout, missing)
        layout.operator("likeness.take_import", icon="IMPORT")
        active = active_of(chosen.takes, chosen.take_index)
        if active is not None:
            draw_list(layout, "takes", chosen, "take_index", "likeness.take_remove")
            layout.label(text=_take_words(scene, active))
        status.draw_jobs(layout, context, (takes.CAPTURE, imports.KIND, takes.CLEAN))


class LIKENESS_PT_clean(TakePanel):
    bl_label = "Trim and Clean"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        scene = versions.sequencer_scene(context)
        chosen = settings(scene)
        take = active_of(chosen.takes, chosen.take_index)
        column = self.layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(take, "start")
        if take.strip_pace > 0:
            column.prop(take, "real_time")
        for name, what in (("in_frame", "IN"), ("out_frame", "OUT")):
            _draw_frame(column, take, name, what)
        column.prop(take, "find_neutral")
        if take.neutral >= 0:
            _draw_frame(column, take, "neutral_frame", "NEUTRAL")
        elif take.neutral_found >= 0:
            column.label(text=hints.found_neutral(scene, take), icon="CHECKMARK")
        column.separator()
        column.prop(take, "smooth_pose", slider=True)
        column.prop(take, "smooth_expression", slider=True)
        column.prop(take, "fill")
        column.prop(take, "lens")
        draw_hint(self.layout, hints.for_take(take))
        self.layout.operator("likeness.take_update", icon="FILE_REFRESH")


class LIKENESS_PT_viewport(StepPanel):
    bl_label = "From the 3D Scene"
    bl_parent_id = "LIKENESS_PT_performance"
    bl_order = 2
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        viewport_operators.draw_puppet(layout, context)
        there = bool(puppet.puppets(context.scene))
        if there:
            layout.label(text="Animate its shape keys and its Empty", icon="INFO")
        row = layout.row(align=True)
        exact = row.row(align=True)
        exact.enabled = there
        exact.operator(
            "likeness.capture_viewport", text="Capture Puppet", icon="REC"
        ).what = "PUPPET"
        row.operator(
            "likeness.capture_viewport", text="Capture Render", icon="RENDER_ANIMATION"
        ).what = "RENDER"


class LIKENESS_PT_overlay(StepPanel):
    bl_label = "Overlay"
    bl_parent_id = "LIKENESS_PT_performance"
    bl_order = 3
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        overlay.draw_toggles(self.layout, context)


def _draw_frame(layout: bpy.types.UILayout, take: LikenessTake, name: str, what: str) -> None:
    """A frame number, and the eyedropper that takes it from the playhead."""
    row = layout.row(align=True)
    row.prop(take, name)
    row.operator("likeness.take_set", text="", icon="EYEDROPPER").what = what


def _take_words(scene: bpy.types.Scene, take: LikenessTake) -> str:
    rate = take.rate[0] / max(1, take.rate[1])
    words = f"Captured: {take.frames} frames, {rate:.6g} fps"
    if take.gaps:
        words += f", {take.gaps} without a face"
    if take.pace > 0 and abs(take.pace - rate / float(takes.rate_of(scene))) > 1e-3:
        words += f", at {100 * take.pace * float(takes.rate_of(scene)) / rate:.0f}% speed"
    return words


CLASSES = (
    LIKENESS_UL_takes, LIKENESS_PT_performance, LIKENESS_PT_clean, LIKENESS_PT_viewport,
    LIKENESS_PT_overlay,
)  # fmt: skip


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
