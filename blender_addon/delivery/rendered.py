# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender renders from a sequencer with made heads on it says what it is: MP4, MOV and PNG."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
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


@dataclass
class _Render:
    """The render that runs. packet: what its files are to say; movie: was a frame of one written?

    A single picture that is only looked at writes none, whatever format is chosen.
    """

    packet: str = ""
    movie: bool = False


_now = _Render()


@bpy.app.handlers.persistent
def _begins(scene: bpy.types.Scene, *_: Any) -> None:
    global _now
    _now = _Render()
    with contextlib.suppress(OSError, ValueError):
        _now.packet = packet_of(scene)


@bpy.app.handlers.persistent
def _wrote(scene: bpy.types.Scene, *_: Any) -> None:
    """A picture was written: of a movie it is a frame, which has no file of its own."""
    if scene.render.is_movie_format:
        _now.movie = True
    else:
        _mark(Path(scene.render.frame_path(frame=scene.frame_current)))


@bpy.app.handlers.persistent
def _complete(scene: bpy.types.Scene, *_: Any) -> None:
    if _now.movie:
        _mark(Path(scene.render.frame_path()))
    _ends()


@bpy.app.handlers.persistent
def _ends(*_: Any) -> None:
    global _now
    _now = _Render()


def _mark(path: Path) -> None:
    """A render that cannot be marked stays as it is: it is the artist's."""
    with contextlib.suppress(OSError, ValueError):
        if _now.packet and path.is_file():
            marks.add_to_picture(path, _now.packet) or marks.add_to_movie(path, _now.packet)


_HANDLERS = (
    ("render_init", _begins),
    ("render_write", _wrote),
    ("render_complete", _complete),
    ("render_cancel", _ends),
)


def register() -> None:
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).remove(handler)
