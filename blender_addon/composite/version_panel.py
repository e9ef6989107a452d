# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of versions below step 4: when each was made, what changed, and which one is used."""

from __future__ import annotations

import bpy

from .. import registration, versions
from ..panel_parts import StepPanel, active_of, draw_lines, letters
from ..properties import settings
from ..sequencer import head_strip
from ..storage import folders
from . import synthesis, version_choice

_MOST = 8


class LIKENESS_PT_versions(StepPanel):
    bl_label = "Versions"
    bl_parent_id = "LIKENESS_PT_composite"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        scene = versions.sequencer_scene(context)
        if scene is None:
            return False
        chosen = settings(scene)
        portrait = active_of(chosen.portraits, chosen.portrait_index)
        take = active_of(chosen.takes, chosen.take_index)
        return bool(portrait and take and version_choice.listed(scene, portrait, take))

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        portrait = active_of(chosen.portraits, chosen.portrait_index)
        take = active_of(chosen.takes, chosen.take_index)
        if portrait is None or take is None:
            return
        found = version_choice.listed(scene, portrait, take)
        used = version_choice.shown(scene, synthesis.head_tag(portrait, take))
        other = head_strip.find(scene, synthesis.compare_tag(portrait, take))
        compared = folders.absolute(other.directory) if other is not None else None
        for version in found[:_MOST]:
            is_used = version.folder == used
            when = version.begun.strftime("%d %b %H:%M") if version.begun else ""
            row = layout.row(align=True)
            row.label(text=version.name, icon="RADIOBUT_ON" if is_used else "RADIOBUT_OFF")
            if not is_used:
                if used is not None:
                    row.operator(
                        "likeness.version_compare",
                        text="Compare",
                        depress=version.folder == compared and not other.mute,
                    ).version = version.name
                row.operator("likeness.version_use", text="Use").version = version.name
            # Below, since beside the buttons there is no room for it.
            words = ": ".join(part for part in (when, version.note) if part)
            draw_lines(layout, words, "BLANK1", letters(context))
        if len(found) > _MOST:
            layout.label(text=f"and {len(found) - _MOST} earlier ones", icon="BLANK1")
        row = layout.row(align=True)
        if other is not None:
            row.operator("likeness.version_compare_end", icon="X")
        if len(found) > 1:
            row.operator("likeness.versions_clean", text="Clean Up...", icon="TRASH")


CLASSES = (LIKENESS_PT_versions,)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    registration.unregister_classes(*CLASSES)
