# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks, mesh and confidence over the sequencer's preview, the clip editor and the 3D view.

What is shown is kept in the scene as names and files, so it is there again after a reload. Drawing
only reads; whatever goes wrong in it, the overlay goes out with one line, and never raises.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)
from numpy.typing import NDArray

from . import curves, versions
from . import overlay_geometry as geometry
from .canonical import read_face
from .errors import InputError
from .head_strip import TAG
from .recordings import (
    PERFORMANCE_SUFFIX,
    POINT_COUNT,
    TRACK_SUFFIX,
    UNREADABLE,
    Performance,
    load_performance,
    load_track,
)
from .registration import register_classes, unregister_classes

_KINDS = (
    ("STRIP", "Strip", "A strip in the sequencer's preview"),
    ("CLIP", "Movie Clip", "A clip in the Movie Clip Editor"),
)
_POINT, _OPACITY = 1.0, 0.9  # half a square's side in pixels of a plain screen
_FAR = 1000.0  # view units: where the view is measured, far apart as Blender rounds to pixels
_KEPT_FILES = 6

# (space's type, what draw_handler_add returned, region's type)
_handlers: list[tuple[Any, Any, str]] = []
_files: dict[tuple[str, int], Recording] = {}
_failed: set[str] = set()


@dataclass(frozen=True)
class Recording:
    """What a layer shows: points (F, 478, 2) in pixels of a picture of `size`; NaN in gaps."""

    points: NDArray[np.float32]
    size: tuple[int, int] | None
    confidence: NDArray[np.float32] | None


def _redraw(_self: Any, _context: Any) -> None:
    _failed.clear()  # a toggle is also how the overlay is tried again
    for manager in bpy.data.window_managers:
        for window in manager.windows:
            for area in window.screen.areas:
                if area.type in {"SEQUENCE_EDITOR", "CLIP_EDITOR", "VIEW_3D"}:
                    area.tag_redraw()


class LikenessOverlayLayer(bpy.types.PropertyGroup):
    """One recording over one strip or clip."""

    path: StringProperty(subtype="FILE_PATH")
    kind: EnumProperty(items=_KINDS)
    target: StringProperty(description="Name or tag of the strip, or name of the clip")
    start: FloatProperty(default=1, description="Frame of the scene on which it begins")
    pace: FloatProperty(default=1, description="Frames of the scene in one frame of it")
    size: IntVectorProperty(size=2, description="Of the picture that the points lie on")


class LikenessOverlay(bpy.types.PropertyGroup):
    """What is drawn, and where."""

    landmarks: BoolProperty(
        name="Landmarks", default=True, update=_redraw,
        description="Points and the lines of eyes, lips and brows",
    )  # fmt: skip
    mesh: BoolProperty(name="Mesh", update=_redraw, description="The triangles between the points")
    confidence: BoolProperty(
        name="Confidence", default=True, update=_redraw,
        description="Colour by how sure the detection is, and say where no face was seen",
    )  # fmt: skip
    preview: BoolProperty(
        name="Preview", default=True, update=_redraw, description="Over the sequencer's preview"
    )
    clip: BoolProperty(
        name="Clip", default=True, update=_redraw, description="Over the Movie Clip Editor"
    )
    view3d: BoolProperty(
        name="3D View", default=True, update=_redraw, description="The control curves' face"
    )
    layers: CollectionProperty(type=LikenessOverlayLayer)


def set_layer(
    scene: Any, name: str, path: str | Path, target: str, kind: str = "STRIP", start: float = 1,
    pace: float = 1.0, size: tuple[int, int] = (0, 0),
) -> None:  # fmt: skip
    """Show a recording over a strip or clip; a layer of that name is replaced.

    path: a track, a performance, or an .npy of points (478, 2 or 3) in pixels of a picture of
    `size`. start, pace: where it begins, and the scene's frames in one of its own.
    """
    layers = scene.likeness_overlay.layers
    layer = layers.get(name) or layers.add()
    layer.name, layer.path, layer.target = name, str(path), target
    layer.kind, layer.start, layer.pace, layer.size = kind, start, pace, size
    _redraw(None, None)


def remove_layer(scene: Any, name: str) -> None:
    """Take a layer away; nothing happens when there is none of that name."""
    layers = scene.likeness_overlay.layers
    if (index := layers.find(name)) >= 0:
        layers.remove(index)
        _redraw(None, None)


def draw_toggles(layout: Any, context: Any) -> None:
    """Two rows of toggles, for a panel: what is drawn, and where."""
    shown = versions.sequencer_scene(context).likeness_overlay
    for names in (("landmarks", "mesh", "confidence"), ("preview", "clip", "view3d")):
        row = layout.row(align=True)
        for name in names:
            row.prop(shown, name, toggle=True)


def read_recording(path: Path, size: tuple[int, int] = (0, 0)) -> Recording:
    """The points of a track, a performance or an .npy. Raises InputError when it is none."""
    if path.name.endswith(TRACK_SUFFIX):
        track = load_track(path)
        return Recording(track.points[..., :2], track.size, None)
    if path.name.endswith(PERFORMANCE_SUFFIX):
        performance = load_performance(path)
        return Recording(
            _composed(performance), performance.size, performance.confidence
        )  # fmt: skip
    try:
        points = np.load(path, allow_pickle=False)
    except UNREADABLE:
        raise InputError(f"{path}: no points can be read from this file") from None
    if points.shape not in {(POINT_COUNT, 2), (POINT_COUNT, 3)}:
        raise InputError(f"{path}: {points.shape} are not the points of a face")
    return Recording(points[None, :, :2].astype(np.float32), size if min(size) > 0 else None, None)


def _composed(performance: Performance) -> NDArray[np.float32]:
    from .head_pose import rotation_matrices

    basis = read_face().basis
    p = performance
    shape = p.neutral + np.tensordot(p.controls, basis, axes=1) + p.residual
    points = np.full(shape.shape, np.nan)
    v = p.valid
    turned = shape[v] @ rotation_matrices(p.rotation[v]).transpose(0, 2, 1)
    points[v] = p.scale[v, None, None] * turned + p.translation[v, None]
    if p.camera == "perspective" and p.focal > 0:
        # These lie before a camera whose axis is the picture's centre.
        centre = np.array([p.size[0] / 2, p.size[1] / 2])
        away = 1 + points[..., 2:] / p.focal
        points[..., :2] = centre + (points[..., :2] - centre) / away
    return points[..., :2].astype(np.float32)


def _recording(layer: Any) -> Recording:
    path = Path(bpy.path.abspath(layer.path))
    try:
        key = str(path), path.stat().st_mtime_ns
    except OSError:
        raise InputError(f"{path}: this recording is gone") from None
    if key not in _files:
        while len(_files) >= _KEPT_FILES:
            _files.pop(next(iter(_files)))
        _files[key] = read_recording(path, tuple(layer.size))
    return _files[key]


def _draw(which: str) -> None:
    """Blender's callback: the region's context decides what is drawn."""
    if which in _failed:
        return
    try:
        _DRAW[which](bpy.context)
    except Exception as error:  # one that raises would fire again with every redraw
        _failed.add(which)
        print(f"Likeness: the overlay is off: {type(error).__name__}: {error}", file=sys.stderr)


def _draw_preview(context: Any) -> None:
    scene = versions.sequencer_scene(context)
    shown = scene.likeness_overlay
    if not shown.preview or scene.sequence_editor is None:
        return
    view = _measured(context.region.view2d, _FAR)
    render = scene.render
    for layer in shown.layers:
        strip = _strip(scene, layer.target) if layer.kind == "STRIP" else None
        # What is not selected is out of the way: landmarks must not hide the result above them.
        if strip is None or strip.mute or not strip.select:
            continue
        begin, end = versions.span(strip)
        if not begin <= scene.frame_current < end:
            continue
        recording = _recording(layer)
        size = _strip_size(strip) or recording.size
        if size is None:
            continue
        place = geometry.StripPlace(
            size, (render.resolution_x, render.resolution_y),
            (strip.transform.offset_x, strip.transform.offset_y),
            (strip.transform.scale_x, strip.transform.scale_y), strip.transform.rotation,
            tuple(strip.transform.origin), (strip.use_flip_x, strip.use_flip_y),
        )  # fmt: skip
        index = geometry.index_at(
            scene.frame_current, layer.start, layer.pace, len(recording.points)
        )
        if index is None:
            continue
        points = recording.points[index].astype(np.float64)
        if recording.size is not None:
            points = points * np.array(size) / recording.size
        _paint(shown, geometry.on_screen(geometry.on_frame(points, place), view), recording, index)


def _draw_clip(context: Any) -> None:
    scene = versions.sequencer_scene(context)
    shown, clip = scene.likeness_overlay, context.space_data.clip
    if not shown.clip or clip is None:
        return
    view = _measured(context.region.view2d, 1.0)
    # The clip's own pictures, from 0, whatever the scene's rate.
    picture = context.space_data.clip_user.frame_current - clip.frame_start
    for layer in shown.layers:
        if layer.kind != "CLIP" or layer.target != clip.name:
            continue
        recording = _recording(layer)
        index = geometry.index_at(picture, layer.start, layer.pace, len(recording.points))
        size = recording.size or tuple(clip.size)
        if index is not None:
            points = geometry.on_clip(recording.points[index], size)
            _paint(shown, geometry.on_screen(points, view), recording, index)


def _draw_view3d(context: Any) -> None:
    scene = context.scene
    shown = scene.likeness_overlay
    if not shown.view3d or not context.space_data.overlay.show_overlays:
        return
    region = context.region
    matrix = np.array(context.region_data.perspective_matrix, np.float64)
    for empty in curves.control_empties(scene):
        if not empty.visible_get():
            continue
        path = curves.source_of(empty)
        performance = _performance(path)
        start, pace = curves.span_of(empty)
        index = geometry.index_at(scene.frame_current, start, pace, len(performance))
        if index is None or not performance.valid[index]:
            continue
        controls = np.array([empty.get(name, 0.0) for name in performance.names])
        world = geometry.face_in_world(
            performance, read_face(), index, controls, np.array(empty.matrix_world, np.float64)
        )
        points = geometry.from_world(world, matrix, (region.width, region.height))
        if points is not None:
            sure = performance.confidence
            _paint(shown, points, Recording(np.empty((0, 0, 2), np.float32), None, sure), index)


def _performance(path: Path) -> Performance:
    key = str(path), path.stat().st_mtime_ns
    if key not in _performances:
        _performances.clear()
        _performances[key] = load_performance(path)
    return _performances[key]


_performances: dict[tuple[str, int], Performance] = {}
_DRAW = {"preview": _draw_preview, "clip": _draw_clip, "view3d": _draw_view3d}


def _paint(shown: Any, points: Any, recording: Recording, index: int) -> None:
    """Draw one face, (478, 2) in pixels of the region; where it is none, say so."""
    import gpu  # not to be had without a window

    sure = None
    if shown.confidence and recording.confidence is not None:
        sure = float(recording.confidence[index])
    if not np.isfinite(points).all():
        if shown.confidence:
            _write("No face in this frame", geometry.colour_of(0))
        return
    colour = geometry.colour_of(sure)
    gpu.state.blend_set("ALPHA")
    try:
        if shown.mesh:
            lines = geometry.segments(points, _pairs()[0])
            _batch(gpu, "LINES", lines, (*colour, 0.25 * _OPACITY))
        if shown.landmarks:
            lines = geometry.segments(points, _pairs()[1])
            _batch(gpu, "LINES", lines, (*colour, 0.6 * _OPACITY))
            half = _POINT * bpy.context.preferences.system.ui_scale
            _batch(gpu, "TRIS", geometry.squares(points, half), (*colour, _OPACITY))
    finally:
        gpu.state.blend_set("NONE")
    if sure is not None:
        _write(f"Confidence {round(100 * sure)}%", colour)


@cache
def _pairs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The mesh's edges and the contours' lines: 3 ms that no redraw should spend again."""
    face = read_face()
    return geometry.edges(face.triangles), geometry.contour_edges(face)


def _batch(gpu: Any, kind: str, corners: Any, colour: tuple[float, ...]) -> None:
    shape = gpu.types.GPUVertFormat()
    shape.attr_add(id="pos", comp_type="F32", len=2, fetch_mode="FLOAT")
    buffer = gpu.types.GPUVertBuf(shape, len(corners))
    buffer.attr_fill("pos", np.ascontiguousarray(corners))
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", colour)
    gpu.types.GPUBatch(type=kind, buf=buffer).draw(shader)


def _write(text: str, colour: tuple[float, float, float]) -> None:
    import blf

    scale = bpy.context.preferences.system.ui_scale
    blf.size(0, 13 * scale)
    blf.color(0, *colour, 1)
    blf.position(0, 16 * scale, 16 * scale, 0)
    blf.draw(0, text)


def _measured(view2d: Any, at: float) -> Any:
    low = view2d.view_to_region(-at, -at, clip=False)
    high = view2d.view_to_region(at, at, clip=False)
    return geometry.affine(low, high, at)


def _strip(scene: Any, target: str) -> Any:
    found = list(versions.strips(scene.sequence_editor))
    tagged = [strip for strip in found if strip.get(TAG) == target]
    return next(iter(tagged or [strip for strip in found if strip.name == target]), None)


def _strip_size(strip: Any) -> tuple[int, int] | None:
    elements = getattr(strip, "elements", None)
    if not elements or not elements[0].orig_width:
        return None
    return elements[0].orig_width, elements[0].orig_height


def add_handlers() -> None:
    """Begin to draw; nothing happens without a window, or when it is done already."""
    if bpy.app.background or _handlers:
        return
    for which, space, region in (
        ("preview", bpy.types.SpaceSequenceEditor, "PREVIEW"),
        ("clip", bpy.types.SpaceClipEditor, "WINDOW"),
        ("view3d", bpy.types.SpaceView3D, "WINDOW"),
    ):
        handle = space.draw_handler_add(_draw, (which,), region, "POST_PIXEL")
        _handlers.append((space, handle, region))


def remove_handlers() -> None:
    """End drawing; safe a second time."""
    while _handlers:
        space, handle, region = _handlers.pop()
        try:
            space.draw_handler_remove(handle, region)
        except (ValueError, ReferenceError, RuntimeError) as error:
            print(f"Likeness: an overlay was gone already ({error})", file=sys.stderr)


_CLASSES = (LikenessOverlayLayer, LikenessOverlay)


def register() -> None:
    register_classes(*_CLASSES)
    bpy.types.Scene.likeness_overlay = PointerProperty(type=LikenessOverlay)
    add_handlers()


def unregister() -> None:
    remove_handlers()
    _files.clear()
    _performances.clear()
    _failed.clear()
    if hasattr(bpy.types.Scene, "likeness_overlay"):
        del bpy.types.Scene.likeness_overlay
    unregister_classes(*_CLASSES)
