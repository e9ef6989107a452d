# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 4 in the sidebar: what is made, in what form, and where it lies."""

from __future__ import annotations

import bpy

from .. import registration, versions
from ..panel_parts import StepPanel, active_of, big_button, draw_hint, draw_lines, letters
from ..portrait import portraits
from ..properties import LikenessSettings, settings
from ..sequencer import head_strip
from ..worker import status
from . import layers_view, synthesis
from .hints import for_output


class LIKENESS_PT_composite(StepPanel):
    bl_label = "Composite"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(chosen, "layer")
        if chosen.layer != "box":
            column.prop(chosen, "own_matte")
            column.prop(chosen, "own_plate")
            _draw_layers(column, context, scene, chosen)
        for name in ("range", "format", "feather", "match"):
            column.prop(chosen, name)
        if chosen.match == "picture":
            column.prop(chosen, "match_picture")
        if chosen.match != "off":
            column.prop(chosen, "match_strength")
        column.prop(chosen, "mark")
        column.prop(chosen, "matte")
        if chosen.matte and chosen.layer != "box":
            column.prop(chosen, "matte_kind")
        column.prop(chosen, "sound")
        active = active_of(chosen.portraits, chosen.portrait_index)
        missing = for_output(scene, active)
        draw_hint(layout, missing)
        if not bpy.data.filepath:
            layout.label(text="Save the file to keep frames beside it", icon="INFO")
        take = active_of(chosen.takes, chosen.take_index)
        if active is not None and take is not None and not missing:
            news = ", ".join(synthesis.changed_since(scene, active, take))
            if news:
                draw_lines(layout, f"Changed since: {news}", "FILE_REFRESH", letters(context))
        big_button(layout, "likeness.synthesize", "RENDER_ANIMATION", missing)
        status.draw_jobs(layout, context, (synthesis.KIND, layers_view.KIND))
        if active is not None and take is not None:
            tag = synthesis.head_tag(active, take)
            if head_strip.find(scene, tag) is not None:
                if synthesis.portrait_moved(scene, active, take):
                    draw_hint(layout, "The portrait was moved: press Align")
                row = layout.row(align=True)
                row.operator("likeness.align", icon="MOD_MESHDEFORM")
                row.operator("likeness.open_output", text="", icon="FILE_FOLDER")


def _draw_layers(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    scene: bpy.types.Scene,
    chosen: LikenessSettings,
) -> None:
    """The matte and the plate to look at, and what was said of them."""
    portrait = active_of(chosen.portraits, chosen.portrait_index)
    if portrait is None or not portrait.pictures:
        return
    if portrait.pictures[0].cut_out:
        layout.label(text="Cut out: made whole, its strip is muted", icon="INFO")
    row = layout.row(align=True)
    now = layers_view.shown(scene, portrait)
    row.enabled = portraits.strip_of(scene, portrait) is not None
    for name, label, _ in layers_view.VIEWS:
        row.operator("likeness.layer_view", text=label, depress=name == now).view = name
    words = layers_view.words_of(scene, portrait)
    if words is not None:
        said = words[:1].upper() + words[1:] or "Nothing stands out in the matte"
        icon = "INFO" if words else "CHECKMARK"
        draw_lines(layout, said, icon, letters(context))


CLASSES = (LIKENESS_PT_composite,)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
