# SPDX-License-Identifier: GPL-3.0-or-later
"""What the overlay shows: its toggles, and the recordings that lie over strips and clips.

It is kept in the scene as names and files, so it is there again after a reload; the drawing is in
`overlay_drawing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    BoolVectorProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from .. import versions
from ..properties import settings
from ..registration import register_classes, unregister_classes
from ..storage import folders
from . import drawing, recordings

_KINDS = (
    ("STRIP", "Strip", "A strip in the sequencer's preview"),
    ("CLIP", "Movie Clip", "A clip in the Movie Clip Editor"),
)
# What is drawn, then where: rows of a panel that may be narrow.
_ROWS = (("landmarks", "mesh"), ("confidence", "crop"), ("preview", "clip", "view3d"))


def _redraw(_self: LikenessOverlay, _context: bpy.types.Context) -> None:
    drawing.redraw()


class LikenessOverlayLayer(bpy.types.PropertyGroup):
    """One recording over one strip or clip."""

    path: StringProperty(subtype="FILE_PATH", options={"PATH_SUPPORTS_BLEND_RELATIVE"})
    kind: EnumProperty(items=_KINDS)
    target: StringProperty(description="Tag or name of the strip or clip")
    start: FloatProperty(
        default=1,
        description="Frame of the scene on which it begins; a take's is counted from "
        "the strip's or the clip's first picture",
    )
    pace: FloatProperty(default=1, description="Frames of the scene in one frame of it")
    size: IntVectorProperty(size=2, description="Of the picture that the points lie on")
    crop: IntVectorProperty(
        size=4, description="Left, top, width and height of the part that the network sees"
    )
    take: StringProperty(description="Tag of the take that it shows, where it is one")
    mirror: BoolVectorProperty(
        size=2, description="Whether the recording sees its picture mirrored, across and down"
    )


class LikenessOverlay(bpy.types.PropertyGroup):
    """What is drawn, and where."""

    landmarks: BoolProperty(
        name="Landmarks",
        default=True,
        update=_redraw,
        description="Points and the lines of eyes, lips and brows",
    )
    mesh: BoolProperty(name="Mesh", update=_redraw, description="The triangles between the points")
    confidence: BoolProperty(
        name="Confidence",
        default=True,
        update=_redraw,
        description="Colour by how sure the detection is, and say where no face was seen",
    )
    crop: BoolProperty(
        name="Crop",
        default=True,
        update=_redraw,
        description="The part of the portrait that is made again; what lies outside stays",
    )
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
    scene: bpy.types.Scene,
    name: str,
    path: str | Path,
    target: str,
    kind: str = "STRIP",
    start: float = 1,
    pace: float = 1.0,
    size: tuple[int, int] = (0, 0),
    crop: tuple[int, int, int, int] = (0, 0, 0, 0),
    take: str = "",
    mirror: tuple[bool, bool] = (False, False),
) -> None:
    """Show a recording over a strip or clip; a layer of that name is replaced.

    path: a track, a performance, or an .npy of points (478, 2 or 3) in pixels of a picture of
    `size`. start, pace: where it begins, and the scene's frames in one of its own; of a take from
    the strip's or clip's first picture on. crop: in pixels of that picture; no width: none.
    mirror: whether the recording sees that picture mirrored, across and down.
    """
    layers = drawing.chosen(scene).layers
    layer = layers.get(name) or layers.add()
    layer.name, layer.path, layer.target = name, folders.stored(Path(path)), target
    layer.kind, layer.start, layer.pace, layer.size = kind, start, pace, size
    layer.crop, layer.take, layer.mirror = crop, take, mirror
    drawing.redraw()


def show_take_as(scene: bpy.types.Scene, take: str, path: Path) -> None:
    """Another file says from now on what a take looks like, wherever it is drawn."""
    for layer in drawing.chosen(scene).layers:
        if layer.take == take:
            layer.path = folders.stored(path)
    drawing.redraw()


def remove_layer(scene: bpy.types.Scene, name: str) -> None:
    """Take a layer away; nothing happens when there is none of that name."""
    layers = drawing.chosen(scene).layers
    if (index := layers.find(name)) >= 0:
        layers.remove(index)
        drawing.redraw()


def layers_of(scene: bpy.types.Scene, kind: str) -> Iterator[LikenessOverlayLayer]:
    """The layers to draw. Of several takes on one strip or clip the active one, else the newest."""
    known = settings(scene).takes
    index = min(max(settings(scene).take_index, 0), len(known) - 1)
    active = known[index].uid if known else ""
    takes: dict[str, LikenessOverlayLayer] = {}
    for layer in drawing.chosen(scene).layers:
        if layer.kind == kind and not layer.take:
            yield layer
        elif layer.kind == kind and (
            layer.target not in takes or layer.take == active or takes[layer.target].take != active
        ):
            takes[layer.target] = layer
    yield from takes.values()


def draw_toggles(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Rows of toggles, for a panel: what is drawn, and where."""
    shown = drawing.chosen(versions.sequencer_scene(context))
    for names in _ROWS:
        row = layout.row(align=True)
        for name in names:
            row.prop(shown, name, toggle=True)


_CLASSES = (LikenessOverlayLayer, LikenessOverlay)


def register() -> None:
    register_classes(*_CLASSES)
    bpy.types.Scene.likeness_overlay = PointerProperty(type=LikenessOverlay)  # type: ignore[attr-defined, func-returns-value]
    drawing.add_handlers(layers_of)


def unregister() -> None:
    drawing.remove_handlers()
    recordings.forget()
    if hasattr(bpy.types.Scene, "likeness_overlay"):
        del bpy.types.Scene.likeness_overlay
    unregister_classes(*_CLASSES)
