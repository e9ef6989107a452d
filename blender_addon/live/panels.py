# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Live, beside the four steps."""

from __future__ import annotations

import bpy

from .. import registration, versions
from ..panel_parts import StepPanel, active_of, big_button, draw_hint, draw_lines, letters
from ..properties import settings
from . import session
from .choices import chosen

_ROWS = {"CAMERA": ("camera",), "PHONE": ("host", "port"), "STREAM": ("host", "port", "key")}


class LIKENESS_PT_live(StepPanel):
    bl_label = "Live"
    bl_order = 5
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        choices, run = chosen(scene), session.current()
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.enabled = run is None
        column.prop(choices, "source")
        for name in _ROWS.get(choices.source, ()):
            column.prop(choices, name)
        column.prop(choices, "idle")
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(choices, "mirror")
        column.prop(choices, "smooth", slider=True)
        column.prop(choices, "record")
        if run is None:
            known = settings(scene)
            lacking = active_of(known.portraits, known.portrait_index) is None
            big_button(layout, "likeness.live_start", "PLAY", "portrait" if lacking else "")
            draw_hint(layout, "Choose a portrait in step 1" if lacking else "")
            if session.last_words():
                draw_lines(layout.column(align=True), session.last_words(), "ERROR",
                           letters(context))  # fmt: skip
            return
        row = big_button(layout, "likeness.live_stop", "SNAP_FACE", "")
        row.operator("likeness.live_recenter", text="", icon="PIVOT_CURSOR")
        layout.label(text=words_on(run), icon="REC" if choices.record else "NONE")


def words_on(run: session.Session) -> str:
    """How it goes: pictures a second and delay, or what it is at."""
    if run.asked is not None or not run.feed.serial:
        return run.words
    rate, delay, is_seen = run.feed.figures
    return (
        f"{rate:.0f} a second, {delay:.0f} ms late" if is_seen else f"{rate:.0f} a second, no face"
    )


def register() -> None:
    registration.register_classes(LIKENESS_PT_live)


def unregister() -> None:
    registration.unregister_classes(LIKENESS_PT_live)
