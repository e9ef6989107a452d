# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels of the four steps have in common."""

from __future__ import annotations

from typing import Any

import bpy

from . import versions


class StepPanel(bpy.types.Panel):
    """Where the panels are."""

    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Likeness"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return versions.sequencer_scene(context) is not None


def active_of(collection: Any, index: int) -> Any:
    """The chosen item; None where there is none."""
    return collection[min(max(index, 0), len(collection) - 1)] if collection else None


def draw_list(layout: Any, what: str, owner: Any, index: str, remove: str) -> None:
    """A list of the portraits, pictures or takes, and the button that takes one off it."""
    row = layout.row()
    rows = min(len(getattr(owner, what)), 4)
    row.template_list(f"LIKENESS_UL_{what}", "", owner, what, owner, index, rows=rows)
    row.column(align=True).operator(remove, text="", icon="REMOVE")


def big_button(layout: Any, operator: str, icon: str, missing: str) -> Any:
    """The step's main button, off while something is lacking; returns its row."""
    row = layout.row(align=True)
    row.scale_y = 1.4
    button = row.row(align=True)
    button.enabled = not missing
    button.operator(operator, icon=icon)
    return row


def draw_hint(layout: Any, words: str) -> None:
    """A line with what is lacking; nothing for ""."""
    if words:
        layout.label(text=words, icon="INFO")
