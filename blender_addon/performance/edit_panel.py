# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing a take by hand in the sidebar: its controls, presets at the playhead, markers."""

from __future__ import annotations

from typing import Any

import bpy

from .. import registration, versions
from ..controls import curves, layer
from ..controls.channels import path_of
from ..panel_parts import StepPanel, active_of, draw_hint
from ..properties import settings
from . import edits

_ROWS = 5


class TakePanel(StepPanel):
    """Below the step, where there is a take."""

    bl_parent_id = "LIKENESS_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        scene = versions.sequencer_scene(context)
        return scene is not None and len(settings(scene).takes) > 0


class LIKENESS_UL_controls(bpy.types.UIList):
    """The controls of a take: what each is at the playhead, and whether it is as acted."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: Any,
        _icon: int,
        _active: Any,
        _property: str,
    ) -> None:
        label = item.name.replace("_", " ").capitalize()
        if item.name not in data:
            layout.label(text=label)
            return
        icon: Any = "MODIFIER" if curves.is_shaped(item) else "BLANK1"
        layout.prop(data, path_of(item.name), text=label, icon=icon)


class LIKENESS_PT_edit(TakePanel):
    bl_label = "Edit by Hand"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        take = active_of(settings(scene).takes, settings(scene).take_index)
        empty = edits.controls_of(scene, take)
        row = layout.row(align=True)
        row.operator("likeness.take_curves", icon="GRAPH")
        keep = row.row(align=True)
        keep.enabled = empty is not None
        keep.operator("likeness.take_curves_keep", icon="CHECKMARK")
        layout.operator_menu_enum("likeness.take_preset", "preset", icon="KEY_HLT")
        if empty is not None and layer.is_layered(empty):
            _draw_controls(layout, empty)
        if edits.has_unkept(scene, take):
            draw_hint(layout, "Edited: Synthesize uses it")
        if take.edited:
            row = layout.row()
            row.label(text="Edited curves are used", icon="FCURVE")
            row.operator("likeness.curves_drop", text="", icon="X")
        if take.source:
            row = layout.row(align=True)
            row.operator("likeness.take_markers", icon="TRACKER")
            apply = row.row(align=True)
            apply.enabled = edits.has_markers(take)
            apply.operator("likeness.take_markers_apply", icon="CHECKMARK")


def _draw_controls(layout: bpy.types.UILayout, empty: bpy.types.Object) -> None:
    """The controls at the playhead (I over one keys it), and the chosen one as a whole."""
    layout.template_list(
        "LIKENESS_UL_controls", "", empty, "likeness_controls", empty, "likeness_control_index",
        rows=_ROWS,
    )  # fmt: skip
    layout.label(text="Set one, then I over it: a key over the take", icon="INFO")
    index: int = empty.likeness_control_index  # type: ignore[attr-defined]
    chosen = curves.shapings(empty)
    if chosen:
        column = layout.column(align=True)
        column.prop(chosen[min(index, len(chosen) - 1)], "amplitude")
        column.prop(chosen[min(index, len(chosen) - 1)], "smoothing")


CLASSES = (LIKENESS_UL_controls, LIKENESS_PT_edit)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
