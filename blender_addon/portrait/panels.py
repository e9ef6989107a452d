# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1 in the sidebar: pictures, faces, consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from .. import registration, versions
from ..panel_parts import StepPanel, active_of, draw_hint, draw_list
from ..properties import LikenessPicture, LikenessPortrait, settings
from ..storage import folders
from ..worker import status
from . import clips, portraits
from .hints import for_portrait_strip, is_movie

_THUMBNAIL = 5.0  # units of the interface
_pictures: Any = None  # previews by path; Blender's own collection, made when first needed


class LIKENESS_UL_portraits(bpy.types.UIList):
    """The portraits: a name, and whether consent is recorded."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        item: LikenessPortrait,
        _icon: int,
        _active: Any,
        _property: str,
    ) -> None:
        layout.prop(item, "name", text="", emboss=False, icon="USER")
        missing = portraits.consent_missing(item)
        layout.label(text="", icon="UNLOCKED" if missing else "LOCKED")


class LIKENESS_UL_pictures(bpy.types.UIList):
    """The pictures of one person; the first leads."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        item: LikenessPicture,
        _icon: int,
        _active: Any,
        _property: str,
        index: int,
    ) -> None:
        layout = layout.row()
        layout.active = item.use or not index
        icon = thumbnail(item.faces[0].thumbnail) if len(item.faces) == 1 else 0
        if icon:
            layout.label(text=item.name, icon_value=icon)
        else:
            layout.label(text=item.name, icon="IMAGE_DATA" if index else "KEYTYPE_KEYFRAME_VEC")
        row = layout.row()
        row.alignment = "RIGHT"
        if words := portraits.words_on(item, leads=not index):
            row.label(text=words)
        if index:
            row.prop(item, "use", text="")


class LIKENESS_PT_portrait(StepPanel):
    bl_label = "Portrait"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        active = active_of(chosen.portraits, chosen.portrait_index)
        missing = for_portrait_strip(scene)
        row = layout.row(align=True)
        from_strip = row.row(align=True)
        from_strip.enabled = not missing
        from_strip.operator("likeness.portrait_from_strip", icon="SEQ_SEQUENCER")
        row.operator("likeness.portrait_from_files", icon="FILE_FOLDER")
        from_clip = layout.row()
        from_clip.enabled = is_movie(scene)
        from_clip.operator("likeness.portrait_from_clip", icon="FILE_MOVIE")
        if active is None:
            draw_hint(layout, missing)
        else:
            draw_list(layout, "portraits", chosen, "portrait_index", "likeness.portrait_remove")
            _draw_pictures(layout, active)
            _draw_consent(layout, active)
        status.draw_jobs(layout, context, (portraits.KIND, clips.STILLS))


def _draw_pictures(layout: bpy.types.UILayout, active: LikenessPortrait) -> None:
    if len(active.pictures) > 1:
        draw_list(layout, "pictures", active, "picture_index", "likeness.picture_remove")
    picture = active_of(active.pictures, active.picture_index)
    if picture is not None and picture.faces:
        if len(picture.faces) > 1:
            layout.label(text="Choose a face:" if not picture.face else "Face:")
        grid = layout.grid_flow(row_major=True, columns=0, even_columns=True, align=True)
        for face in picture.faces:
            cell = grid.column(align=True)
            icon = thumbnail(face.thumbnail)
            if icon:
                cell.template_icon(icon_value=icon, scale=_THUMBNAIL)
            if len(picture.faces) > 1:
                pressed = picture.face == face.number
                button = cell.operator(
                    "likeness.face_choose", text=str(face.number), depress=pressed
                )
                button.number = face.number
    row = layout.row()
    row.operator("likeness.portrait_from_files", text="Add Pictures", icon="ADD").extend = True


def _draw_consent(layout: bpy.types.UILayout, active: LikenessPortrait) -> None:
    missing = portraits.consent_missing(active)
    row = layout.row(align=True)
    if missing:
        row.label(text=missing, icon="UNLOCKED")
        layout.operator("likeness.consent_record", icon="GREASEPENCIL")
    else:
        bases: Any = active.bl_rna.properties["consent_basis"]
        basis = bases.enum_items[active.consent_basis].name
        row.label(text=f"{active.consent_who}: {basis}", icon="LOCKED")
        row.operator("likeness.consent_record", text="", icon="GREASEPENCIL")


def thumbnail(path: str) -> int:
    """The icon of a picture; 0 where there is none, as without a window."""
    global _pictures
    if bpy.app.background or not path or not Path(path).is_file():
        return 0
    if _pictures is None:
        _pictures = bpy.utils.previews.new()
    if path not in _pictures:
        _pictures.load(path, str(folders.absolute(path)), "IMAGE")
    return int(_pictures[path].icon_id)


CLASSES = (LIKENESS_UL_portraits, LIKENESS_UL_pictures, LIKENESS_PT_portrait)


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    global _pictures
    registration.unregister_classes(*CLASSES)
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
        _pictures = None
