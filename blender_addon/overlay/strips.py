# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the sequencer shows a strip's picture, and which strip above hides a part of it."""

from __future__ import annotations

from typing import Any

import bpy

from .. import versions
from ..sequencer.head_strip import TAG
from ..sequencer.strips import PictureStrip
from . import geometry

_SHARES = {"PROXY_25": 25, "PROXY_50": 50, "PROXY_75": 75, "PROXY_100": 100}
_OPAQUE = 0.99  # a strip's opacity from which on nothing is seen through it
_HIDDEN = 0.5  # share of a face's points that must be covered
# Ours with alpha: they lie over a face in order to show it.
_SEE_THROUGH = ("head:", "test:", "matte:", "compare:")


def strip_of(scene: bpy.types.Scene, target: str) -> PictureStrip | None:
    """The strip with that tag, else of that name; None where there is none."""
    found = list(versions.strips(scene.sequence_editor))
    tagged = [strip for strip in found if strip.get(TAG) == target]
    return next(iter(tagged or [strip for strip in found if strip.name == target]), None)


def size_of(strip: bpy.types.Strip) -> tuple[int, int] | None:
    """Width and height of a strip's picture in pixels; None where it has none of its own."""
    elements = getattr(strip, "elements", None)
    if not elements or not elements[0].orig_width:
        return None
    return elements[0].orig_width, elements[0].orig_height


def place_of(
    strip: PictureStrip,
    size: tuple[int, int],
    render: bpy.types.RenderSettings,
    space: bpy.types.SpaceSequenceEditor | None,
) -> geometry.StripPlace:
    """How a sequencer shows a strip's picture of `size`. space: whose preview it is, or None."""
    shown_at = getattr(space, "proxy_render_size", "SCENE")
    percentage = _SHARES.get(shown_at, render.resolution_percentage)
    transform = strip.transform
    return geometry.StripPlace(
        size,
        (render.resolution_x, render.resolution_y),
        (transform.offset_x, transform.offset_y),
        (transform.scale_x, transform.scale_y),
        transform.rotation,
        (transform.origin[0], transform.origin[1]),
        (strip.use_flip_x, strip.use_flip_y),
        percentage,
        versions.pivot_share(percentage),
    )


def is_due(scene: bpy.types.Scene, strip: bpy.types.Strip) -> bool:
    """Is the strip shown at the current frame, as far as the strip itself goes?"""
    begin, end = versions.span(strip)
    off = strip.mute or scene.sequence_editor.channels[strip.channel].mute
    return not off and begin <= scene.frame_current < end


def hidden_by(
    scene: bpy.types.Scene,
    strip: bpy.types.Strip,
    points: geometry.Points,
    space: bpy.types.SpaceSequenceEditor | None = None,
) -> bpy.types.Strip | None:
    """The lowest strip above that hides most of these points, or None.

    points: (N, 2) as `overlay_geometry.on_frame` gives them. Strips whose pixels cannot be known
    beforehand (effects, scenes, metas, text) count as hiding nothing.
    """
    due = [each for each in versions.strips(scene.sequence_editor) if is_due(scene, each)]
    for other in sorted(due, key=lambda each: each.channel):
        if other.channel > strip.channel and _covers(other, points, scene.render, space):
            return other
    return None


def _covers(
    strip: Any,
    points: geometry.Points,
    render: bpy.types.RenderSettings,
    space: bpy.types.SpaceSequenceEditor | None,
) -> bool:
    if strip.type not in {"IMAGE", "MOVIE", "COLOR"} or strip.blend_alpha < _OPAQUE:
        return False
    if str(strip.get(TAG, "")).startswith(_SEE_THROUGH):
        return False
    if strip.blend_type == "REPLACE":
        return True
    size = size_of(strip) if strip.type != "COLOR" else (render.resolution_x, render.resolution_y)
    if strip.blend_type != "ALPHA_OVER" or size is None:
        return False
    crop = strip.crop
    box = (
        crop.min_x, crop.max_y,
        max(0, size[0] - crop.min_x - crop.max_x), max(0, size[1] - crop.min_y - crop.max_y),
    )  # fmt: skip
    corners = geometry.on_frame(geometry.corners(box), place_of(strip, size, render, space))
    return geometry.share_inside(points, corners) > _HIDDEN
