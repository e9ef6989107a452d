# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of what an artist edits: control curves and tracking markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatProperty, IntProperty, StringProperty

from ..errors import InputError
from ..operator_parts import attempt
from ..registration import register_classes, unregister_classes
from ..storage.canonical import read_face
from ..storage.recordings import PERFORMANCE_SUFFIX, TRACK_SUFFIX, load_track, save_track
from . import curves, markers

UNDO = {"REGISTER", "UNDO"}


class LIKENESS_OT_curves_load(bpy.types.Operator):
    """Put a performance's controls and head pose on an Empty, as curves for the Graph Editor"""

    bl_idname = "likeness.curves_load"
    bl_label = "Edit as Curves"
    bl_options = UNDO

    filepath: StringProperty(subtype="FILE_PATH", description=f"Ends in {PERFORMANCE_SUFFIX}")
    name: StringProperty(description="Name of the Empty; empty: the file's")
    start: FloatProperty(
        default=1, description="Frame of the scene on which the performance begins"
    )
    pace: FloatProperty(
        default=1, min=1e-3, description="Frames of the scene in one frame of the performance"
    )

    def execute(self, context: Any) -> set[str]:
        return attempt(self, _load, context, self.filepath, self.name, self.start, self.pace)


class LIKENESS_OT_curves_save(bpy.types.Operator):
    """Write the performance with the curves as they are; frames that were left alone stay as is"""

    bl_idname = "likeness.curves_save"
    bl_label = "Save Curves"
    bl_options = UNDO

    filepath: StringProperty(
        subtype="FILE_PATH",
        description=f"Ends in {PERFORMANCE_SUFFIX}; empty: beside the performance",
    )
    controls: StringProperty(description="Name of the Empty; empty: the active one")

    def execute(self, context: Any) -> set[str]:
        return attempt(self, _save, context, self.filepath, self.controls)


class LIKENESS_OT_markers_add(bpy.types.Operator):
    """Show some of a track's landmarks as tracking markers of the movie clip, to move by hand"""

    bl_idname = "likeness.markers_add"
    bl_label = "Add Markers"
    bl_options = UNDO

    filepath: StringProperty(subtype="FILE_PATH", description=f"Ends in {TRACK_SUFFIX}")
    clip: StringProperty(description="Name of the movie clip; empty: the one that is shown")
    footage: StringProperty(subtype="FILE_PATH", description="A movie to load as the clip instead")
    offset: IntProperty(description="Picture of the clip, from 0, that the track begins with")

    def execute(self, context: Any) -> set[str]:
        return attempt(
            self, _add, context, self.filepath, self.clip, self.footage, self.offset
        )  # fmt: skip


class LIKENESS_OT_markers_apply(bpy.types.Operator):
    """Write the track with its landmarks where the markers were moved to"""

    bl_idname = "likeness.markers_apply"
    bl_label = "Apply Markers"
    bl_options = UNDO

    filepath: StringProperty(subtype="FILE_PATH", description="The track of the markers")
    out: StringProperty(subtype="FILE_PATH", description=f"The new track; {TRACK_SUFFIX}")
    clip: StringProperty(description="Name of the movie clip; empty: the one that is shown")
    offset: IntProperty(description="Picture of the clip, from 0, that the track begins with")

    def execute(self, context: Any) -> set[str]:
        return attempt(
            self, _apply, context, self.filepath, self.out, self.clip, self.offset
        )  # fmt: skip


class LIKENESS_OT_markers_remove(bpy.types.Operator):
    """Take the Likeness markers off the movie clip; other tracks stay"""

    bl_idname = "likeness.markers_remove"
    bl_label = "Remove Markers"
    bl_options = UNDO

    clip: StringProperty(description="Name of the movie clip; empty: the one that is shown")

    def execute(self, context: Any) -> set[str]:
        return attempt(self, _remove, context, self.clip)


def find_clip(context: Any, name: str = "") -> Any:
    """The movie clip of that name; without one the clip editor's, else the only one."""
    if name:
        clip = bpy.data.movieclips.get(name)
        if clip is None:
            raise InputError(f"{name}: there is no such movie clip; open the footage as one")
        return clip
    clip = _shown(context)
    if clip is None:
        raise InputError("There is no movie clip; open the footage in the Movie Clip Editor")
    return clip


def load_clip(path: Path) -> Any:
    """The movie as a clip, the one that is there or a new one. InputError when it is no movie."""
    known = set(bpy.data.movieclips)
    try:
        clip = bpy.data.movieclips.load(str(path), check_existing=True)
    except RuntimeError:
        clip = None
    # Blender loads whatever is a file; what it cannot read has no frame rate.
    if clip is None or clip.frame_duration < 1 or clip.fps <= 0:
        if clip is not None and clip not in known:
            bpy.data.movieclips.remove(clip)
        raise InputError(f"{path}: Blender cannot read this movie; give another")
    return clip


def _shown(context: Any) -> Any:
    clip = getattr(context, "edit_movieclip", None) or getattr(context.scene, "active_clip", None)
    if clip is None and len(bpy.data.movieclips) == 1:
        clip = bpy.data.movieclips[0]
    return clip


def _load(context: Any, name: str, label: str, start: float, pace: float) -> str:
    path = _file(name, "the performance")
    empty = curves.load_curves(context.scene, path, label, start, pace, read_face())
    for other in context.selected_objects:
        other.select_set(False)
    if empty.name in context.view_layer.objects:
        empty.select_set(True)
        context.view_layer.objects.active = empty
    return f"{empty.name}: its curves are in the Graph Editor"


def _save(context: Any, name: str, controls: str) -> str:
    empty = curves.find_controls(context.scene, controls, context.object)
    source = curves.source_of(empty)
    stem = source.name.removesuffix(PERFORMANCE_SUFFIX).removesuffix(".edited")
    path = _file(name, "") if name else source.with_name(f"{stem}.edited{PERFORMANCE_SUFFIX}")
    edited = curves.save_curves(empty, path)
    return f"{path.name}: {len(edited)} frames were edited"


def _add(context: Any, name: str, clip_name: str, footage: str, offset: int) -> str:
    track = load_track(_file(name, "the track"))
    clip = load_clip(_file(footage, "")) if footage else find_clip(context, clip_name)
    count = markers.add_markers(clip, track, offset)
    return f"{clip.name}: {count} tracks; move their markers, then apply them"


def _apply(context: Any, name: str, out: str, clip_name: str, offset: int) -> str:
    clip = find_clip(context, clip_name)
    track, changed = markers.moved(clip, load_track(_file(name, "the track")), offset)
    save_track(track, _file(out, "the new track"))
    return f"{Path(out).name}: {len(changed)} frames were moved"


def _remove(context: Any, clip_name: str) -> str:
    clip = find_clip(context, clip_name)
    return f"{clip.name}: {markers.remove_markers(clip)} tracks removed"


def _file(name: str, what: str) -> Path:
    if not name:
        raise InputError(f"Name {what or 'the file'}")
    return Path(bpy.path.abspath(name))


_CLASSES = (
    LIKENESS_OT_curves_load,
    LIKENESS_OT_curves_save,
    LIKENESS_OT_markers_add,
    LIKENESS_OT_markers_apply,
    LIKENESS_OT_markers_remove,
)


def register() -> None:
    register_classes(*_CLASSES)


def unregister() -> None:
    unregister_classes(*_CLASSES)
