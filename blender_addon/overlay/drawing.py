# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws landmarks, mesh, confidence and crop over the preview, the clip editor and the 3D view.

Drawing only reads. Whatever goes wrong in it, the overlay goes out with one line, and never raises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import versions
from ..controls import curves
from ..errors import InputError
from ..puppet import puppet
from ..sequencer.head_strip import TAG
from ..storage.canonical import read_face
from . import geometry
from .recordings import Recording, performance_of, recording_of
from .strips import hidden_by, is_due, place_of, size_of, strip_of

if TYPE_CHECKING:
    from .layers import LikenessOverlay, LikenessOverlayLayer

_POINT, _OPACITY = 1.0, 0.9  # half a square's side in pixels of a plain screen
_EDGE, _SHADE = 0.75, 1.75  # half the crop's line, and of the dark one under it, in such pixels
_LETTERS, _SMALL, _MARGIN = 13, 11, 16  # likewise
_FAR = 1000.0  # view units: where the view is measured, far apart as Blender rounds to pixels

Colour = tuple[float, float, float]
Layers = Callable[[bpy.types.Scene, str], Iterable["LikenessOverlayLayer"]]

# (space's type, what draw_handler_add returned, region's type)
_handlers: list[tuple[Any, Any, str]] = []
_failed: set[str] = set()


def add_handlers(layers: Layers) -> None:
    """Begin to draw; nothing happens without a window, or when it is done already.

    layers(scene, kind): what is to be drawn over strips ("STRIP") and clips ("CLIP").
    """
    if bpy.app.background or _handlers:
        return
    for which, space, region in (
        ("preview", bpy.types.SpaceSequenceEditor, "PREVIEW"),
        ("clip", bpy.types.SpaceClipEditor, "WINDOW"),
        ("view3d", bpy.types.SpaceView3D, "WINDOW"),
    ):
        handle = space.draw_handler_add(draw, (which, layers), region, "POST_PIXEL")
        _handlers.append((space, handle, region))


def remove_handlers() -> None:
    """End drawing; safe a second time."""
    _failed.clear()
    while _handlers:
        space, handle, region = _handlers.pop()
        try:
            space.draw_handler_remove(handle, region)
        except (ValueError, ReferenceError, RuntimeError) as error:
            print(f"Likeness: an overlay was gone already ({error})", file=sys.stderr)


def redraw() -> None:
    """Draw again wherever the overlay is seen, also where it went out."""
    _failed.clear()
    for manager in bpy.data.window_managers:
        for window in manager.windows:
            for area in window.screen.areas:
                if area.type in {"SEQUENCE_EDITOR", "CLIP_EDITOR", "VIEW_3D"}:
                    area.tag_redraw()


def draw(which: str, layers: Layers) -> None:
    """Blender's callback: the region's context decides what is drawn."""
    if which in _failed:
        return
    try:
        _DRAW[which](bpy.context, layers)
    except Exception as error:  # one that raises would fire again with every redraw
        _failed.add(which)
        print(f"Likeness: the overlay is off: {type(error).__name__}: {error}", file=sys.stderr)


def chosen(scene: bpy.types.Scene) -> LikenessOverlay:
    """What is drawn in this scene, and where."""
    return scene.likeness_overlay  # type: ignore[attr-defined]


def _draw_preview(context: bpy.types.Context, layers: Layers) -> None:
    scene = versions.sequencer_scene(context)
    shown = chosen(scene)
    if not shown.preview or scene.sequence_editor is None:
        return
    space: Any = context.space_data
    view = measured(context.region.view2d, _FAR)
    # Blender stretches the frame to the pixels' shape.
    view[0, 0] *= scene.render.pixel_aspect_x / scene.render.pixel_aspect_y
    words = _Words()
    for layer in layers(scene, "STRIP"):
        strip = strip_of(scene, layer.target)
        # What is not selected is out of the way: landmarks must not hide the result above them.
        if strip is None or not strip.select or not is_due(scene, strip):
            continue
        recording = _recording(layer)
        if recording is None:
            continue
        size = size_of(strip) or recording.size
        if size is None:
            continue
        index = geometry.index_at(
            scene.frame_current, start_of(layer, strip), layer.pace, recording.count
        )
        if index is None:
            continue
        place = place_of(strip, size, scene.render, space)
        zoom = np.array(size) / (recording.size or size)
        points = geometry.mirrored(recording.points(index) * zoom, size, tuple(layer.mirror))
        points = geometry.on_frame(points, place)
        above = hidden_by(scene, strip, points, space)
        if above is not None:
            # Over another face the points would look like a wrong detection.
            words.lines.append((f"{strip.name}: hidden by {above.name}", geometry.PLAIN))
            continue
        seen = geometry.on_screen(points, view)
        _paint(shown, seen, recording.confidence, index, words)
        words.name(strip.name, seen)
        if shown.crop and layer.crop[2] > 0:
            corners = geometry.on_frame(geometry.corners(tuple(layer.crop)) * zoom, place)
            _paint_crop(geometry.on_screen(corners, view))
    words.write()


def start_of(layer: LikenessOverlayLayer, strip: bpy.types.Strip) -> float:
    """The frame of the timeline on which a layer begins: a take goes along with its strip."""
    return float(layer.start + (versions.content_start(strip) if layer.take else 0))


def _draw_clip(context: bpy.types.Context, layers: Layers) -> None:
    scene = versions.sequencer_scene(context)
    space: Any = context.space_data
    shown, clip = chosen(scene), space.clip
    if not shown.clip or clip is None:
        return
    view = measured(context.region.view2d, 1.0)
    # The clip's own pictures, from 0, whatever the scene's rate.
    picture = space.clip_user.frame_current - clip.frame_start
    words = _Words()
    for layer in layers(scene, "CLIP"):
        recording = _recording(layer) if layer.target in (clip.get(TAG), clip.name) else None
        if recording is None:
            continue
        index = geometry.index_at(picture, layer.start, layer.pace, recording.count)
        if index is not None:
            size = recording.size or tuple(clip.size)
            points = geometry.mirrored(recording.points(index), size, tuple(layer.mirror))
            points = geometry.on_clip(points, size)
            _paint(shown, geometry.on_screen(points, view), recording.confidence, index, words)
    words.write()


def _draw_view3d(context: bpy.types.Context, _layers: Layers) -> None:
    scene = context.scene
    shown = chosen(scene)
    space: Any = context.space_data
    if not shown.view3d or not space.overlay.show_overlays:
        return
    region, words = context.region, _Words()
    matrix = np.array(context.region_data.perspective_matrix, np.float64)
    for empty in shown_empties(scene):
        performance = performance_of(curves.source_of(empty))
        start, pace = curves.span_of(empty)
        index = geometry.index_at(scene.frame_current, start, pace, len(performance))
        if index is None:
            continue
        controls = np.array([empty.get(name, 0.0) for name in performance.names])
        world = geometry.face_in_world(
            performance, read_face(), index, controls, np.array(empty.matrix_world, np.float64)
        )
        points = geometry.from_world(world, matrix, (region.width, region.height))
        if points is not None:
            # How sure a capture was says nothing here, where an animator looks.
            _paint(shown, points, None, index, words)


def shown_empties(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The control Empties whose faces are drawn in the 3D view.

    Not beside a puppet: it shows the curves that it follows, and another take's face beside the one
    that is animated is drawn only while its Empty is selected.
    """
    found = [empty for empty in curves.control_empties(scene) if empty.visible_get()]
    if not puppet.puppets(scene):
        return found
    followed = puppet.followed(scene)
    return [empty for empty in found if empty.select_get() and empty not in followed]


_DRAW = {"preview": _draw_preview, "clip": _draw_clip, "view3d": _draw_view3d}


class _Words:
    """Lines of text for the region's lower left corner, one above the other; names of faces."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Colour]] = []
        self.names: list[tuple[str, float, float]] = []

    def name(self, text: str, points: NDArray[np.floating]) -> None:
        """A small text to the right of the topmost point of (N, 2); none where there is no face."""
        if np.isfinite(points).all():
            top = points[points[:, 1].argmax()]
            self.names.append((text, float(top[0]), float(top[1])))

    def write(self) -> None:
        import blf  # not to be had without a window

        scale = bpy.context.preferences.system.ui_scale
        blf.size(0, _LETTERS * scale)
        for number, (text, colour) in enumerate(self.lines):
            blf.color(0, *colour, 1)
            blf.position(0, _MARGIN * scale, (_MARGIN + 1.5 * _LETTERS * number) * scale, 0)
            blf.draw(0, text)
        blf.size(0, _SMALL * scale)
        blf.color(0, *geometry.PLAIN, 1)
        for text, x, y in self.names:
            blf.position(0, x, y + 0.5 * _SMALL * scale, 0)
            blf.draw(0, text)


def _paint(
    shown: LikenessOverlay,
    points: geometry.Points,
    confidence: NDArray[np.floating] | None,
    index: int,
    words: _Words,
) -> None:
    """Draw one face, (478, 2) in pixels of the region; where it is none, say so."""
    sure = None
    if shown.confidence and confidence is not None:
        sure = float(confidence[index])
    if not np.isfinite(points).all():
        if shown.confidence:
            words.lines.append(("No face in this frame", geometry.colour_of(0)))
        return
    colour = geometry.colour_of(sure)
    if shown.mesh:
        _batch("LINES", geometry.segments(points, _pairs()[0]), (*colour, 0.25 * _OPACITY))
    if shown.landmarks:
        _batch("LINES", geometry.segments(points, _pairs()[1]), (*colour, 0.6 * _OPACITY))
        half = _POINT * bpy.context.preferences.system.ui_scale
        _batch("TRIS", geometry.squares(points, half), (*colour, _OPACITY))
    if sure is not None:
        words.lines.append((f"Confidence {round(100 * sure)}%", colour))


def _paint_crop(corners: geometry.Points) -> None:
    """Draw the crop's frame, corners (4, 2) in pixels of the region: light, seen on light too."""
    scale = bpy.context.preferences.system.ui_scale
    _batch("TRIS", geometry.frame(corners, _SHADE * scale), (0, 0, 0, 0.5))
    _batch("TRIS", geometry.frame(corners, _EDGE * scale), (*geometry.PLAIN, _OPACITY))


@cache
def _pairs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The mesh's edges and the contours' lines: 3 ms that no redraw should spend again."""
    face = read_face()
    return geometry.edges(face.triangles), geometry.contour_edges(face)


def _batch(kind: str, corners: NDArray[np.floating], colour: tuple[float, ...]) -> None:
    import gpu  # not to be had without a window

    types: Any = gpu.types  # these are made by calls that their own types do not have

    shape = types.GPUVertFormat()
    shape.attr_add(id="pos", comp_type="F32", len=2, fetch_mode="FLOAT")
    buffer = types.GPUVertBuf(shape, len(corners))
    buffer.attr_fill("pos", np.ascontiguousarray(corners))
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", colour)
    gpu.state.blend_set("ALPHA")
    try:
        types.GPUBatch(type=kind, buf=buffer).draw(shader)
    finally:
        gpu.state.blend_set("NONE")


def measured(view2d: bpy.types.View2D, at: float) -> geometry.Points:
    """How a region shows its view, for `geometry.on_screen`; `at`: view units, far apart."""
    low = view2d.view_to_region(-at, -at, clip=False)
    high = view2d.view_to_region(at, at, clip=False)
    return geometry.affine((low[0], low[1]), (high[0], high[1]), at)


def _recording(layer: LikenessOverlayLayer) -> Recording | None:
    """What the layer's file holds; None, and one line once, where that cannot be shown."""
    if layer.path in _failed:
        return None
    try:
        return recording_of(Path(bpy.path.abspath(layer.path)), tuple(layer.size))
    except InputError as error:
        _failed.add(layer.path)
        print(f"Likeness: not drawn: {error}", file=sys.stderr)
        return None
