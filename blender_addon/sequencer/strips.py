# SPDX-License-Identifier: GPL-3.0-or-later
"""The strips that Likeness puts on a sequencer: portrait, head frames above it, driver in a corner.

How Blender places a strip's picture (4.5 to 5.2 measured): with `size` the picture's and `out` the
render's size in pixels, s the render percentage / 100, y up,
    pivot = origin * size
    held = size / 2 + h * (pivot - size / 2), h being 1, from 5.2 on s
    p -> held + trunc((out - size) / 2) + s * offset + s * R(rotation) S(scale) (p - pivot)
Two things in it are easily missed: the division is truncated towards zero, and before 5.2 the
pivot's distance from the picture's centre does not shrink with s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from .following import Shift, follow
from .placement import FrameFiles, Placement, centre_offset

PictureStrip = bpy.types.ImageStrip | bpy.types.MovieStrip
CHANNELS = 128  # Blender's own limit
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".exr"}
DRIVER_HEIGHT = 0.24  # of the frame's height, at most
DRIVER_WIDTH = 0.33  # of the frame's width, at most
DRIVER_MARGIN = 0.02  # of the frame's shorter side


def free_channel(
    scene: bpy.types.Scene, start: int, end: int, above: int = 0, among: Any = None
) -> int:
    """The lowest channel above `above` that is empty from frame `start` to before `end`.

    among: the strips of a meta strip; None: those that lie in none.
    """
    taken = {
        strip.channel
        for strip in (versions.strips(_editor(scene)) if among is None else among)
        if versions.span(strip)[0] < end and versions.span(strip)[1] > start
    }
    for channel in range(above + 1, CHANNELS + 1):
        if channel not in taken:
            return channel
    raise InputError(f"{scene.name}: no free channel above channel {above}; remove a strip first")


def active_strip(scene: bpy.types.Scene) -> bpy.types.Strip | None:
    """The strip that is active in the scene's sequencer, if there is one."""
    editor = scene.sequence_editor
    return editor.active_strip if editor is not None else None


def top_channel(scene: bpy.types.Scene, start: int, end: int, among: Any = None) -> int:
    """The highest channel on which something lies from frame `start` to before `end`; 0: none.

    among: as of `free_channel`.
    """
    return max(
        (
            strip.channel
            for strip in (versions.strips(_editor(scene)) if among is None else among)
            if versions.span(strip)[0] < end and versions.span(strip)[1] > start
        ),
        default=0,
    )


def add_portrait_strip(
    scene: bpy.types.Scene, placement: Placement, frame_start: int = 1
) -> bpy.types.ImageStrip:
    """The portrait, unscaled and centred, for as long as its head frames; returns the strip.

    `frame_start` is where index 0 of the track lies on the timeline.
    """
    path = placement.portrait
    if not path.is_file():
        raise InputError(f"{path}: the portrait of these head frames is not there")
    start = frame_start + placement.first
    strip = _picture_strip(scene, "Likeness portrait", [path], start, placement.count, 0)
    found = strip.elements[0].orig_width, strip.elements[0].orig_height
    if found != placement.portrait_size:
        versions.strips(_editor(scene)).remove(strip)
        raise InputError(
            f"{path}: Blender reads {found[0]} x {found[1]} pixels, the head frames were made for "
            f"{placement.portrait_size[0]} x {placement.portrait_size[1]}; "
            "give an upright copy without EXIF rotation, or synthesize again"
        )
    versions.set_end(strip, start + placement.count)
    return strip


def add_still(
    scene: bpy.types.Scene, path: Path, span: tuple[int, int], name: str
) -> bpy.types.ImageStrip:
    """A picture, unscaled and centred, over the frames [begin, end); returns the strip."""
    channel = free_channel(scene, *span)
    strip = _picture_strip(scene, name, [path], span[0], span[1] - span[0], channel - 1)
    versions.set_end(strip, span[1])
    return strip


def add_head_strip(
    scene: bpy.types.Scene,
    placement: Placement,
    files: FrameFiles,
    portrait: PictureStrip,
    frame_start: int = 1,
) -> bpy.types.ImageStrip:
    """The head frames, on a free channel above the portrait strip and exactly over it."""
    paths = [placement.folder / name for name in files.names]
    start = frame_start + placement.first
    strip = _picture_strip(scene, "Likeness head", paths, start, placement.count, portrait.channel)
    found = strip.elements[0].orig_width, strip.elements[0].orig_height
    if found != placement.box[2:]:
        versions.strips(_editor(scene)).remove(strip)
        raise InputError(
            f"{paths[0]}: {found[0]} x {found[1]} pixels, but head.json says "
            f"{placement.box[2]} x {placement.box[3]}; synthesize again"
        )
    strip.blend_type = "ALPHA_OVER"
    strip.alpha_mode = "STRAIGHT" if placement.alpha == "straight" else "PREMUL"
    follow_portrait(scene, placement, portrait, strip)
    return strip


def follow_portrait(
    scene: bpy.types.Scene, placement: Placement, portrait: PictureStrip, head: PictureStrip
) -> None:
    """Lay the head strip over the portrait strip as the artist has placed it.

    Takes over offset, scale, rotation, origin and mirroring as they are now, and what of them is
    animated by drivers; call it again when the portrait strip, the resolution or the resolution
    percentage have changed.
    """
    source, target = portrait.transform, head.transform
    x, y = centre_offset(placement)
    # Blender mirrors the whole frame, after it has placed the strip: nothing else changes.
    head.use_flip_x, head.use_flip_y = portrait.use_flip_x, portrait.use_flip_y
    x, y = x * source.scale_x, y * source.scale_y
    cos, sin = math.cos(source.rotation), math.sin(source.rotation)
    moved = (cos * x - sin * y, sin * x + cos * y)

    render = scene.render
    share = render.resolution_percentage / 100
    offset, origin, slips, pivots = [], [], [], []
    for axis, resolution in enumerate((render.resolution_x, render.resolution_y)):
        out = resolution * render.resolution_percentage // 100
        size, own_size = placement.portrait_size[axis], placement.box[2 + axis]
        slip = _truncation(out - size) - _truncation(out - own_size)
        slips.append(slip / share)
        pivots.append(size / own_size)
        offset.append((source.offset_x, source.offset_y)[axis] + moved[axis] + slips[axis])
        # The same distance between pivot and centre as the portrait's, in pixels: then what Blender
        # does to it at other percentages than 100 is the same for both.
        origin.append(0.5 + (source.origin[axis] - 0.5) * pivots[axis])
    target.offset_x, target.offset_y = offset
    target.origin = origin
    target.scale_x, target.scale_y = source.scale_x, source.scale_y
    target.rotation = source.rotation
    target.filter = source.filter
    less = _crop_like(placement, portrait.crop, head.crop)
    shift = Shift(centre_offset(placement), (slips[0], slips[1]), (pivots[0], pivots[1]), less)
    follow(scene, portrait, head, shift)


def add_driver_strip(
    scene: bpy.types.Scene, source: Path, frame_start: int = 1, above: int = 0
) -> bpy.types.Strip:
    """The driver's clip, small in the lower right corner; its first picture is at `frame_start`.

    `source` is a movie, a folder of pictures, or a path with %d or %06d in its name. A movie of
    another frame rate is kept in time by a speed strip; of a sequence each picture is one frame.
    Returns the strip that shows it: the speed strip where there is one.
    """
    if pictures := _sequence(source):
        strip: PictureStrip = _picture_strip(
            scene, "Likeness driver", pictures, frame_start, len(pictures), above
        )
        shown: bpy.types.Strip = strip
    else:
        strip, shown = _movie_strip(scene, "Likeness driver", source, frame_start, above)
    strip.blend_type = "ALPHA_OVER"
    _into_corner(scene, strip)
    return shown


def make_relative(scene: bpy.types.Scene, folder: Path) -> None:
    """Let the strips name their files from the .blend's `folder` (//...), so that it can move."""
    for strip in versions.strips(_editor(scene)):
        if holder := {"IMAGE": "directory", "MOVIE": "filepath"}.get(strip.type):
            try:
                relative = bpy.path.relpath(getattr(strip, holder), start=str(folder))
            except ValueError:
                continue  # on another drive: the absolute path stays
            setattr(strip, holder, relative)


def _editor(scene: bpy.types.Scene) -> bpy.types.SequenceEditor:
    return scene.sequence_editor or scene.sequence_editor_create()


def _truncation(difference: int) -> float:
    """By how much Blender's whole-number halving of a difference of sizes is off, in pixels."""
    return math.trunc(difference / 2) - difference / 2


def _crop_like(
    placement: Placement, portrait: bpy.types.StripCrop, head: bpy.types.StripCrop
) -> dict[str, int]:
    """Hide what of the head lies beyond the portrait, or over what is cropped of it.

    Returns by how much less each side is cropped than the portrait's.
    """
    (x, y, width, height), (full_width, full_height) = placement.box, placement.portrait_size
    less = {
        "min_x": x, "max_x": full_width - (x + width),
        "max_y": y, "min_y": full_height - (y + height),
    }  # fmt: skip
    for name, pixels in less.items():
        setattr(head, name, max(0, getattr(portrait, name) - pixels))
    return less


def _picture_strip(
    scene: bpy.types.Scene, name: str, paths: Sequence[Path], start: int, length: int, above: int
) -> bpy.types.ImageStrip:
    channel = free_channel(scene, start, start + length, above)
    collection = versions.strips(_editor(scene))
    strip: bpy.types.ImageStrip = collection.new_image(
        name=name, filepath=str(paths[0]), channel=channel, frame_start=start, fit_method="ORIGINAL"
    )
    if not strip.elements[0].orig_width:
        collection.remove(strip)
        raise InputError(f"{paths[0]}: Blender cannot read this picture; give a PNG, JPEG or EXR")
    for path in paths[1:]:
        strip.elements.append(path.name)
    linear = paths[0].suffix.lower() == ".exr"
    space: Any = strip.colorspace_settings  # its words are those of the colour configuration
    space.name = "Linear Rec.709" if linear else "sRGB"
    return strip


def _movie_strip(
    scene: bpy.types.Scene, name: str, path: Path, start: int, above: int
) -> tuple[bpy.types.MovieStrip, bpy.types.Strip]:
    """A movie in time with the scene: the strip of the file, and the one that shows it."""
    if not path.is_file():
        raise InputError(f"{path}: no such movie, folder of pictures or numbered pictures")
    editor = _editor(scene)
    # On the topmost channel until it is known how long it is here, and so which channel is free.
    strip: bpy.types.MovieStrip = versions.strips(editor).new_movie(
        name=name, filepath=str(path), channel=CHANNELS, frame_start=start, fit_method="ORIGINAL"
    )
    pictures = versions.content_length(strip)
    if not strip.elements[0].orig_width or pictures < 1 or strip.fps <= 0:
        versions.strips(editor).remove(strip)
        raise InputError(f"{path}: Blender cannot read this movie; give another, e.g. H.264 in MP4")

    # Blender plays one picture of a movie per frame of the scene, whatever their rates.
    pace = strip.fps * scene.render.fps_base / scene.render.fps
    if abs(pace - 1) * pictures < 0.5:
        strip.channel = free_channel(scene, start, start + pictures, above)
        return strip, strip
    end = start + max(1, round(pictures / pace))
    versions.set_end(strip, end)
    strip.channel = free_channel(scene, start, end, above)
    speed = versions.new_effect(
        editor, "SPEED", strip, f"{name} in time", free_channel(scene, start, end, strip.channel)
    )
    speed.speed_control = "MULTIPLY"
    speed.speed_factor = pace
    speed.use_frame_interpolate = False
    speed.blend_type = "ALPHA_OVER"
    return strip, speed


def _into_corner(scene: bpy.types.Scene, strip: PictureStrip) -> None:
    width, height = strip.elements[0].orig_width, strip.elements[0].orig_height
    frame = scene.render.resolution_x, scene.render.resolution_y
    scale = min(DRIVER_HEIGHT * frame[1] / height, DRIVER_WIDTH * frame[0] / width)
    margin = DRIVER_MARGIN * min(frame)
    transform = strip.transform
    transform.scale_x = transform.scale_y = scale
    transform.offset_x = frame[0] / 2 - margin - width * scale / 2
    transform.offset_y = -(frame[1] / 2 - margin - height * scale / 2)


def _sequence(source: Path) -> list[Path]:
    """The pictures of a folder or of a numbered name, in order; none where `source` is a movie."""
    if source.is_dir():
        found = [path for path in source.iterdir() if path.suffix.lower() in PICTURES]
    elif number := re.fullmatch(r"([^%]*)%(?:0\d+)?d([^%]*)", source.name):
        name = re.compile(re.escape(number[1]) + r"(\d+)" + re.escape(number[2]))
        folder = source.parent.iterdir() if source.parent.is_dir() else ()
        found = [path for path in folder if name.fullmatch(path.name)]
    else:
        return []
    if not found:
        raise InputError(f"{source}: no pictures there; give a movie or the driver's pictures")
    # By the last number in the name, so that frame 10 comes after frame 9.
    return sorted(found, key=lambda path: (_last_number(path.stem), path.name))


def _last_number(name: str) -> int:
    return int((re.findall(r"\d+", name) or [-1])[-1])
