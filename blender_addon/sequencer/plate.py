# SPDX-License-Identifier: GPL-3.0-or-later
"""A strip's own picture as Blender shows it, written as a PNG: colours, range and alpha its own.

Decoding a movie or an OpenEXR a second time would give other colours than Blender's: it knows the
file's colour space and the one that the artist chose. So Blender renders the strip once more,
alone, at its own size, without transform, grade and effects, in a scene for that only. The picture
holds the numbers in the file's own colour space, which the head's strip is given as well: so wide
gamuts lose nothing. What may be brighter than white (floats, HLG, PQ) is written as sRGB, darker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .. import versions
from ..errors import InputError

# Of these the file's numbers are what Blender shows, unless a colour profile is in it.
_PLAIN = (".png", ".jpg", ".jpeg", ".bmp")
_PROFILES = (b"iCCP", b"ICC_PROFILE", b"cICP")
_FLOATS = (".exr", ".hdr")
_MOST_BRIGHT, _MARGIN = 16.0, 1.001
BRIGHTNESS = "likeness_brightness"  # on a portrait's strip: what `write_picture` took out
_OF_MOVIES = (
    "animation_offset_start", "animation_offset_end", "use_reverse_frames", "stream_index",
    "use_deinterlace",
)  # fmt: skip
_HEAD = 1 << 20  # bytes in which a profile begins


def is_plain(path: Path) -> bool:
    """Are the numbers in a picture's file what Blender and the worker both take them for?"""
    if path.suffix.lower() not in _PLAIN:
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return not any(mark in head for mark in _PROFILES)


def write_picture(scene: bpy.types.Scene, strip: bpy.types.Strip, frame: int, path: Path) -> float:
    """Write what an image or movie strip shows at a frame of the timeline, ungraded, as 16 bits.

    Returns the brightness that was taken out so that nothing is brighter than white: what the
    head's strip must be multiplied by, 1 or more. Raises InputError where Blender cannot show it.
    """
    if len(getattr(strip, "retiming_keys", ())):
        # Blender tells nobody which picture a retimed strip shows.
        raise InputError(
            f"the strip '{strip.name}' is retimed; make the portrait before that, or clear the "
            "retiming, make it, and undo the clearing"
        )
    alone = bpy.data.scenes.new("Likeness plate")
    try:
        # A movie's pictures are counted by the scene's rate.
        alone.render.fps, alone.render.fps_base = scene.render.fps, scene.render.fps_base
        copy = _copied(alone, strip, frame)
        size = copy.elements[0].orig_width, copy.elements[0].orig_height
        if not all(size):
            raise InputError(f"Blender cannot read the strip '{strip.name}'; is its file there?")
        _set_up(alone, size, frame)
        _render(alone, path)
        if not is_bright(strip) or _brightest(path) < 1:
            return 1.0
        # Brighter than white: dark enough to see by how much, then as bright as it may be.
        copy.color_multiply = 1 / _MOST_BRIGHT
        _render(alone, path)
        brightness = max(1.0, _MARGIN * _MOST_BRIGHT * _brightest(path))
        copy.color_multiply = 1 / brightness
        _render(alone, path)
        return brightness
    finally:
        bpy.data.scenes.remove(alone)


def is_bright(strip: Any) -> bool:
    """May a strip hold what is brighter than white? Its picture then is sRGB, made darker."""
    space = strip.colorspace_settings.name
    return space.startswith("Rec.2100") or _name_of(strip).suffix.lower() in _FLOATS


def _name_of(strip: Any) -> Path:
    return Path(strip.filepath if strip.type == "MOVIE" else strip.elements[0].filename)


def _render(alone: bpy.types.Scene, path: Path) -> None:
    # Braces are variables in Blender's output paths, doubled ones are braces.
    alone.render.filepath = str(path).replace("{", "{{").replace("}", "}}")
    try:
        bpy.ops.render.render(scene=alone.name, write_still=True)
    except RuntimeError as error:
        reason = " ".join(str(error).replace("Error:", "").split())
        raise InputError(f"Blender cannot show this strip ({reason})") from None
    if not path.is_file():
        raise InputError(
            f"{path}: Blender wrote no picture of the strip; is there room on the disk?"
        )


def _brightest(path: Path) -> float:
    """The largest of a picture's numbers, 0 to 1."""
    image: Any = bpy.data.images.load(str(path))
    try:
        image.colorspace_settings.name = "Non-Color"
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
        return float(pixels.reshape(-1, 4)[:, :3].max())
    finally:
        bpy.data.images.remove(image)


def _copied(alone: bpy.types.Scene, strip: Any, frame: int) -> Any:
    """The same content at the same frames, as it lies in the file."""
    editor = alone.sequence_editor_create()
    if strip.type == "IMAGE":
        element = strip.strip_elem_from_frame(frame) or strip.elements[0]
        copy: Any = versions.strips(editor).new_image(
            name="plate",
            filepath=str(Path(bpy.path.abspath(strip.directory)) / element.filename),
            channel=1,
            frame_start=frame,
            fit_method="ORIGINAL",
        )
        versions.set_span(copy, frame, frame + 1)
    else:
        copy = versions.strips(editor).new_movie(
            name="plate",
            filepath=bpy.path.abspath(strip.filepath),
            channel=1,
            frame_start=round(versions.content_start(strip)),
            fit_method="ORIGINAL",
        )
        for name in _OF_MOVIES:
            if hasattr(strip, name):
                setattr(copy, name, getattr(strip, name))
    copy.colorspace_settings.name = strip.colorspace_settings.name if is_bright(strip) else "sRGB"
    copy.alpha_mode = strip.alpha_mode
    copy.blend_type = "REPLACE"
    return copy


def _set_up(alone: Any, size: tuple[int, int], frame: int) -> None:
    """Let a render write the sequencer's numbers as sRGB, with straight alpha."""
    alone.frame_set(frame)
    render = alone.render
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100
    render.use_sequencer, render.use_compositing = True, False
    render.film_transparent, render.dither_intensity = True, 0
    render.use_stamp = render.use_file_extension = False
    versions.set_file_format(render.image_settings, "IMAGE", "PNG")
    render.image_settings.color_mode, render.image_settings.color_depth = "RGBA", "16"
    alone.sequencer_colorspace_settings.name = "sRGB"
    alone.display_settings.display_device = "sRGB"
    view = alone.view_settings
    view.view_transform, view.look = "Standard", "None"
    view.exposure, view.gamma, view.use_curve_mapping = 0, 1, False
