# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels of the four steps have in common."""

from __future__ import annotations

import textwrap
from typing import Any, TypeVar

import bpy

from . import versions

Item = TypeVar("Item", bound=bpy.types.PropertyGroup)


class StepPanel(bpy.types.Panel):
    """Where the panels are."""

    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Likeness"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return versions.sequencer_scene(context) is not None


def active_of(collection: bpy.types.bpy_prop_collection[Item], index: int) -> Item | None:
    """The chosen item; None where there is none."""
    return collection[min(max(index, 0), len(collection) - 1)] if collection else None


def draw_list(
    layout: bpy.types.UILayout, what: str, owner: bpy.types.PropertyGroup, index: str, remove: str
) -> None:
    """A list of the portraits, pictures or takes, and the button that takes one off it."""
    row = layout.row()
    rows = min(len(getattr(owner, what)), 4)
    row.template_list(f"LIKENESS_UL_{what}", "", owner, what, owner, index, rows=rows)
    row.column(align=True).operator(remove, text="", icon="REMOVE")


def big_button(
    layout: bpy.types.UILayout, operator: str, icon: Any, missing: str
) -> bpy.types.UILayout:
    """The step's main button, off while something is lacking; returns its row."""
    row = layout.row(align=True)
    row.scale_y = 1.4
    button = row.row(align=True)
    button.enabled = not missing
    button.operator(operator, icon=icon)
    return row


def draw_hint(layout: bpy.types.UILayout, words: str) -> None:
    """A line with what is lacking; nothing for ""."""
    if words:
        layout.label(text=words, icon="INFO")


def letters(context: bpy.types.Context) -> int:
    """How many letters fit into a line of the region, about."""
    region = getattr(context, "region", None)
    scale = bpy.context.preferences.system.ui_scale
    return max(24, int(region.width / (7.5 * scale)) - 6) if region else 60


def draw_lines(layout: bpy.types.UILayout, text: str, icon: Any, width: int = 90) -> None:
    """A long line in several labels: Blender cuts labels off."""
    for k, line in enumerate(textwrap.wrap(text, width)):
        layout.label(text=line, icon=icon if k == 0 else "BLANK1")
