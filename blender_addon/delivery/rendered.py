# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender renders from a sequencer with made heads on it says what it is: MP4, MOV and PNG."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..sequencer import head_strip, marks
from ..sequencer.placement import read_placement
from ..storage import folders


def packet_of(scene: bpy.types.Scene) -> str:
    """What a render of the scene is to say of itself; "" where no made head is on its sequencer."""
    if scene.sequence_editor is None or not scene.render.use_sequencer:
        return ""
    for strip in versions.all_strips(scene.sequence_editor):
        if strip.type != "IMAGE" or strip.mute or not str(strip.get(head_strip.TAG, "")):
            continue
        with contextlib.suppress(InputError, OSError):  # a portrait's own strip
            packet = read_placement(folders.absolute(strip.directory)).xmp
            if packet:
                return packet
    return ""


@bpy.app.handlers.persistent
def _wrote(scene: bpy.types.Scene, *_: Any) -> None:
    """A picture was written: of a movie it is a frame, which has no file of its own."""
    if not scene.render.is_movie_format:
        _mark(scene, Path(scene.render.frame_path(frame=scene.frame_current)))


@bpy.app.handlers.persistent
def _complete(scene: bpy.types.Scene, *_: Any) -> None:
    if scene.render.is_movie_format:
        _mark(scene, Path(scene.render.frame_path()))


def _mark(scene: bpy.types.Scene, path: Path) -> None:
    """A render that cannot be marked stays as it is: it is the artist's."""
    with contextlib.suppress(OSError, ValueError):
        packet = packet_of(scene)
        if packet and path.is_file():
            marks.add_to_picture(path, packet) or marks.add_to_movie(path, packet)


def register() -> None:
    bpy.app.handlers.render_write.append(_wrote)
    bpy.app.handlers.render_complete.append(_complete)


def unregister() -> None:
    bpy.app.handlers.render_write.remove(_wrote)
    bpy.app.handlers.render_complete.remove(_complete)
