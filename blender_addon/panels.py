# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab "Likeness" of the sequencer: Portrait, Performance, Animate, Composite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from . import (
    animate,
    composite,
    folders,
    head_strip,
    overlay,
    performance,
    portrait,
    preferences,
    registration,
    status,
    take_edits,
    versions,
    viewport_operators,
)
from .properties import settings

_THUMBNAIL = 5.0  # units of the interface
_pictures: Any = None  # previews by path; Blender's own collection, made when first needed


class LIKENESS_UL_portraits(bpy.types.UIList):
    """The portraits: a name, and whether consent is recorded."""

    def draw_item(
        self, _context: Any, layout: Any, _data: Any, item: Any, _icon: int, _active: Any,
        _property: str,
    ) -> None:  # fmt: skip
        layout.prop(item, "name", text="", emboss=False, icon="USER")
        missing = portrait.consent_missing(item)
        layout.label(text="", icon="UNLOCKED" if missing else "LOCKED")


class LIKENESS_UL_pictures(bpy.types.UIList):
    """The pictures of one person; the first moves."""

    def draw_item(
        self, _context: Any, layout: Any, _data: Any, item: Any, _icon: int, _active: Any,
        _property: str, index: int,
    ) -> None:  # fmt: skip
        layout.label(text=item.name, icon="IMAGE_DATA" if index else "KEYTYPE_KEYFRAME_VEC")
        if len(item.faces) > 1:
            layout.label(text=f"{len(item.faces)} faces")


class LIKENESS_UL_takes(bpy.types.UIList):
    """The takes, side by side."""

    def draw_item(
        self, _context: Any, layout: Any, _data: Any, item: Any, _icon: int, _active: Any,
        _property: str,
    ) -> None:  # fmt: skip
        layout.prop(item, "name", text="", emboss=False, icon="ACTION")
        words = layout.row()
        words.alignment = "RIGHT"
        words.label(text=f"{item.last - item.first + 1} frames")


class _Panel(bpy.types.Panel):
    """What the panels have in common: where they are."""

    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Likeness"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return versions.sequencer_scene(context) is not None


class LIKENESS_PT_portrait(_Panel):
    bl_label = "Portrait"
    bl_order = 0

    def draw(self, context: Any) -> None:
        layout, chosen = self.layout, settings(versions.sequencer_scene(context))
        row = layout.row(align=True)
        row.operator("likeness.portrait_from_strip", icon="SEQ_SEQUENCER")
        row.operator("likeness.portrait_from_files", icon="FILE_FOLDER")
        active = _active(chosen.portraits, chosen.portrait_index)
        if active is not None:
            _list(layout, "portraits", chosen, "portrait_index", "likeness.portrait_remove")
            _draw_pictures(layout, active)
            _draw_consent(layout, active)
        status.draw_jobs(layout, context, (portrait.KIND,))


class LIKENESS_PT_performance(_Panel):
    bl_label = "Performance"
    bl_order = 1

    def draw(self, context: Any) -> None:
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
        button = layout.row()
        button.scale_y = 1.4
        button.operator("likeness.capture_footage", icon="REC")
        active = _active(chosen.takes, chosen.take_index)
        if active is not None:
            _list(layout, "takes", chosen, "take_index", "likeness.take_remove")
            layout.label(text=_take_words(scene, active))
        status.draw_jobs(layout, context, (performance.CAPTURE, performance.CLEAN))


class LIKENESS_PT_clean(_Panel):
    bl_label = "Trim and Clean"
    bl_parent_id = "LIKENESS_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        scene = versions.sequencer_scene(context)
        return scene is not None and len(settings(scene).takes) > 0

    def draw(self, context: Any) -> None:
        chosen = settings(versions.sequencer_scene(context))
        take = _active(chosen.takes, chosen.take_index)
        column = self.layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(take, "start")
        for name, what in (("first", "IN"), ("last", "OUT")):
            _draw_frame(column, take, name, what)
        column.prop(take, "find_neutral")
        if take.neutral >= 0:
            _draw_frame(column, take, "neutral", "NEUTRAL")
        elif take.neutral_found >= 0:
            column.label(text=f"Found at frame {take.neutral_found}", icon="CHECKMARK")
        column.separator()
        column.prop(take, "smooth_pose", slider=True)
        column.prop(take, "smooth_expression", slider=True)
        column.prop(take, "fill")
        self.layout.operator("likeness.take_update", icon="FILE_REFRESH")


class LIKENESS_PT_edit(_Panel):
    bl_label = "Edit by Hand"
    bl_parent_id = "LIKENESS_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        scene = versions.sequencer_scene(context)
        return scene is not None and len(settings(scene).takes) > 0

    def draw(self, context: Any) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        take = _active(chosen.takes, chosen.take_index)
        row = layout.row(align=True)
        row.operator("likeness.take_curves", icon="GRAPH")
        keep = row.row(align=True)
        keep.enabled = take_edits.controls_of(scene, take) is not None
        keep.operator("likeness.take_curves_keep", icon="CHECKMARK")
        if take.edited:
            row = layout.row()
            row.label(text="Edited curves are used", icon="FCURVE")
            row.operator("likeness.curves_drop", text="", icon="X")
        if take.source:
            row = layout.row(align=True)
            row.operator("likeness.take_markers", icon="TRACKER")
            apply = row.row(align=True)
            apply.enabled = take_edits.has_markers(take)
            apply.operator("likeness.take_markers_apply", icon="CHECKMARK")


class LIKENESS_PT_viewport(_Panel):
    bl_label = "From the 3D Scene"
    bl_parent_id = "LIKENESS_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout = self.layout
        viewport_operators.draw_puppet(layout, context)
        row = layout.row(align=True)
        row.operator("likeness.capture_viewport", text="Capture Puppet", icon="REC").what = "PUPPET"
        row.operator(
            "likeness.capture_viewport", text="Any Character", icon="RENDER_ANIMATION"
        ).what = "RENDER"


class LIKENESS_PT_overlay(_Panel):
    bl_label = "Overlay"
    bl_parent_id = "LIKENESS_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        overlay.draw_toggles(self.layout, context)


class LIKENESS_PT_animate(_Panel):
    bl_label = "Animate"
    bl_order = 2

    def draw(self, context: Any) -> None:
        layout, chosen = self.layout, settings(versions.sequencer_scene(context))
        layout.label(text="How strongly it follows the actor:")
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        for region in animate.REGIONS:
            column.prop(chosen, region, slider=True)
        column.separator()
        column.row().prop(chosen, "transfer", expand=True)
        column.prop(chosen, "neutralize")
        column.row().prop(chosen, "tier", expand=True)
        row = layout.row(align=True)
        row.scale_y = 1.4
        row.operator("likeness.test_frame", icon="RENDER_STILL")
        active = _active(chosen.portraits, chosen.portrait_index)
        scene = versions.sequencer_scene(context)
        shown = active is not None and head_strip.find(scene, animate.test_tag(active)) is not None
        if shown:
            row.operator("likeness.test_clear", text="", icon="X")
        if shown or not _all_done(scene, animate.TEST):
            status.draw_jobs(layout, context, (animate.TEST,))
        if active is not None:
            _draw_person(layout, active)
            status.draw_jobs(layout, context, (animate.PERSONALIZE,))


class LIKENESS_PT_composite(_Panel):
    bl_label = "Composite"
    bl_order = 3

    def draw(self, context: Any) -> None:
        layout, scene = self.layout, versions.sequencer_scene(context)
        chosen = settings(scene)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        for name in ("range", "format", "feather", "matte", "sound"):
            column.prop(chosen, name)
        active = _active(chosen.portraits, chosen.portrait_index)
        if active is not None and (missing := portrait.consent_missing(active)):
            layout.label(text=f"{missing}: see Portrait", icon="UNLOCKED")
        if not bpy.data.filepath:
            layout.label(text="Save the file to keep frames beside it", icon="INFO")
        row = layout.row()
        row.scale_y = 1.4
        row.operator("likeness.synthesize", icon="RENDER_ANIMATION")
        take = _active(chosen.takes, chosen.take_index)
        if active is not None and take is not None:
            tag = composite.head_tag(active, take)
            if head_strip.find(scene, tag) is not None:
                row = layout.row(align=True)
                row.operator("likeness.align", icon="MOD_MESHDEFORM")
                row.operator("likeness.open_output", text="", icon="FILE_FOLDER")
        status.draw_jobs(layout, context, (composite.KIND,))


def _all_done(scene: Any, kind: str) -> bool:
    return all(job.state == "DONE" for job in scene.likeness_jobs if job.kind == kind)


def _active(collection: Any, index: int) -> Any:
    return collection[min(max(index, 0), len(collection) - 1)] if collection else None


def _list(layout: Any, what: str, owner: Any, index: str, remove: str) -> None:
    row = layout.row()
    rows = min(len(getattr(owner, what)), 4)
    row.template_list(f"LIKENESS_UL_{what}", "", owner, what, owner, index, rows=rows)
    row.column(align=True).operator(remove, text="", icon="REMOVE")


def _draw_frame(layout: Any, take: Any, name: str, what: str) -> None:
    """A frame number, and the eyedropper that takes it from the playhead."""
    row = layout.row(align=True)
    row.prop(take, name)
    row.operator("likeness.take_set", text="", icon="EYEDROPPER").what = what


def _draw_pictures(layout: Any, active: Any) -> None:
    if len(active.pictures) > 1:
        _list(layout, "pictures", active, "picture_index", "likeness.picture_remove")
    picture = _active(active.pictures, active.picture_index)
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


def _draw_consent(layout: Any, active: Any) -> None:
    missing = portrait.consent_missing(active)
    row = layout.row(align=True)
    if missing:
        row.label(text=missing, icon="UNLOCKED")
        layout.operator("likeness.consent_record", icon="GREASEPENCIL")
    else:
        basis = active.bl_rna.properties["consent_basis"].enum_items[active.consent_basis].name
        row.label(text=f"{active.consent_who}: {basis}", icon="LOCKED")
        row.operator("likeness.consent_record", text="", icon="GREASEPENCIL")


def _draw_person(layout: Any, active: Any) -> None:
    row = layout.row(align=True)
    row.enabled = preferences.has_torch()
    row.operator("likeness.personalize", icon="USER")
    if not row.enabled:
        layout.label(text="Needs an environment with torch", icon="INFO")
    if animate.person_of(active) is not None:
        row = layout.row(align=True)
        row.prop(active, "use_person")
        if animate.before_after(active) is not None:
            row.operator("likeness.before_after", text="", icon="IMAGE_REFERENCE")
        row.operator("likeness.person_remove", text="", icon="TRASH")


def _take_words(scene: Any, take: Any) -> str:
    rate = take.rate[0] / max(1, take.rate[1])
    words = f"{take.frames} frames, {rate:.6g} fps"
    if take.gaps:
        words += f", {take.gaps} without a face"
    if take.pace > 0 and abs(take.pace - rate / float(performance.rate_of(scene))) > 1e-3:
        words += f", at {100 * take.pace * float(performance.rate_of(scene)) / rate:.0f}% speed"
    return words


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


CLASSES = (
    LIKENESS_UL_portraits, LIKENESS_UL_pictures, LIKENESS_UL_takes, LIKENESS_PT_portrait,
    LIKENESS_PT_performance, LIKENESS_PT_clean, LIKENESS_PT_edit, LIKENESS_PT_viewport,
    LIKENESS_PT_overlay, LIKENESS_PT_animate, LIKENESS_PT_composite,
)  # fmt: skip


def register() -> None:
    registration.register_classes(*CLASSES)


def unregister() -> None:
    global _pictures
    registration.unregister_classes(*CLASSES)
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
        _pictures = None
