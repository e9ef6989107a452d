# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes out of the sequencer: size, rate, colour, and the rendering itself (PNG, H.264).

Nothing appears under its final name before it is whole.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .. import versions
from ..errors import InputError, RenderError
from ..storage.files import part_of
from . import marks


def set_render(
    scene: bpy.types.Scene,
    size: tuple[int, int],
    rate: Fraction,
    start: int,
    end: int,
    long_side: int = 0,
) -> None:
    """Render size, rate, range [start, end) and colour, so that pixels come out as they went in.

    `size` is the portrait's; where its longer side is above `long_side` (0: never) the resolution
    percentage is lowered. H.264 needs even sizes: the resolution loses the few pixels at the right
    and upper edge that make the rendered size odd; the strips stay where they are on each other.
    """
    render = scene.render
    percentage = min(100, 100 * long_side // max(size)) if long_side else 100
    if percentage < 1 or min(size) * percentage < 200:
        raise InputError(
            f"{size[0]} x {size[1]} pixels: too small to render; "
            "take a larger portrait or a larger size limit"
        )
    render.resolution_x, render.resolution_y = (_even(side, percentage) for side in size)
    render.resolution_percentage = percentage
    render.pixel_aspect_x = render.pixel_aspect_y = 1

    # 29.97 is 30 / 1.001 in Blender: a whole number and a divisor near 1.
    render.fps = math.ceil(rate)
    render.fps_base = _not_below(float(render.fps / rate))
    scene.frame_start, scene.frame_end = start, end - 1
    scene.frame_current = start

    device: Any = scene.display_settings
    space: Any = scene.sequencer_colorspace_settings
    device.display_device = space.name = "sRGB"
    view: Any = scene.view_settings  # its words are those of the colour configuration
    view.view_transform, view.look = "Standard", "None"
    view.exposure, view.gamma = 0, 1
    view.use_curve_mapping = False
    render.dither_intensity = 0
    render.use_sequencer = True
    render.use_compositing = False
    render.use_stamp = False
    render.use_border = False


def set_movie(scene: bpy.types.Scene) -> None:
    """H.264 in MP4, yuv420p, constant quality near the eye's limit; no sound."""
    settings, ffmpeg = scene.render.image_settings, scene.render.ffmpeg
    versions.set_file_format(settings, "VIDEO", "FFMPEG")
    settings.color_mode = "RGB"
    settings.color_depth = "8"
    ffmpeg.format, ffmpeg.codec = "MPEG4", "H264"
    ffmpeg.constant_rate_factor, ffmpeg.ffmpeg_preset = "PERC_LOSSLESS", "GOOD"
    ffmpeg.audio_codec = "NONE"


def set_still(scene: bpy.types.Scene) -> None:
    """PNG, 8 bits, without alpha."""
    settings = scene.render.image_settings
    versions.set_file_format(settings, "IMAGE", "PNG")
    settings.color_mode = "RGB"
    settings.color_depth = "8"


def render_still(scene: bpy.types.Scene, path: Path, frame: int) -> None:
    """Render one frame (Blender's number) as PNG."""
    set_still(scene)
    scene.frame_current = frame
    part = part_of(path)
    try:
        _render(scene, part, write_still=True)
        if not part.is_file() or not part.stat().st_size:
            raise RenderError(f"{path}: Blender wrote no picture; is there room on the disk?")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def render_movie(
    scene: bpy.types.Scene, path: Path, progress: Callable[[int, int], None], xmp: str = ""
) -> None:
    """Render the scene's range as a movie; `progress(frames done, of all)` after each frame.

    xmp: the packet in which it says what it is, as head.json has it.
    """
    set_movie(scene)
    total = scene.frame_end - scene.frame_start + 1
    part, done = part_of(path), 0

    def wrote(*_: Any) -> None:
        nonlocal done
        done += 1
        progress(done, total)

    bpy.app.handlers.render_write.append(wrote)
    try:
        _render(scene, part, animation=True)
        # What a full disk cut short has no index at its end and cannot be read at all.
        found = _movie_length(part)
        if done != total or found != total:
            raise RenderError(
                f"{path}: only {min(done, found)} of {total} frames were written; "
                "is there room on the disk?"
            )
        marks.add_to_movie(part, xmp)
        os.replace(part, path)
    finally:
        bpy.app.handlers.render_write.remove(wrote)
        part.unlink(missing_ok=True)


def _even(side: int, percentage: int) -> int:
    """The largest size up to `side` that is even once Blender has taken the percentage of it."""
    while side * percentage // 100 % 2:
        side -= 1
    return side


def _not_below(value: float) -> float:
    """`value` as the nearest 32-bit number that is not below it."""
    # For the movie Blender cuts decimals off: 13 / 1.04 as 13 / 1.0399999 would become 13 / 1.03.
    single = np.float32(value)
    return float(single if single >= value else np.nextafter(single, np.float32(np.inf)))


def _render(scene: bpy.types.Scene, path: Path, **how: Any) -> None:
    # Braces are variables in Blender's output paths, doubled ones are braces.
    scene.render.filepath = str(path).replace("{", "{{").replace("}", "}}")
    scene.render.use_file_extension = True
    try:
        bpy.ops.render.render(scene=scene.name, **how)
    except RuntimeError as error:
        raise RenderError(f"{path.parent}: Blender could not render ({_line(error)})") from None


def _movie_length(path: Path) -> int:
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError:
        return 0
    length = clip.frame_duration
    bpy.data.movieclips.remove(clip)
    return length


def _line(error: Exception) -> str:
    return " ".join(str(error).replace("Error:", "").split())
