# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving elsewhere: the paths that Likeness keeps follow the .blend, as the strips' own do.

Blender makes the paths of strips and pictures relative to the file's new place when it is saved
under another name; those of an add-on it leaves as they are, and they would lead nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from .overlay import drawing
from .properties import settings
from .storage import folders

_PREFIX = "//"
_absolute: list[Path] = []


def paths(scene: bpy.types.Scene) -> Iterator[tuple[bpy.types.PropertyGroup, str]]:
    """Every path of Likeness in a scene, as its owner and the property's name."""
    for portrait in settings(scene).portraits:
        yield portrait, "person"
        for picture in portrait.pictures:
            yield picture, "path"
            for face in picture.faces:
                yield face, "thumbnail"
                yield face, "points"
    for take in settings(scene).takes:
        for name in ("source", "track", "performance", "edited"):
            yield take, name
    for layer in drawing.chosen(scene).layers:
        yield layer, "path"


def relative_to(folder: Path) -> None:
    """Write every relative path again, counted from `folder`; one on another drive is absolute."""
    for owner, name in _relative_ones():
        path = folders.absolute(getattr(owner, name))
        setattr(owner, name, _from(path, folder))


def _from(path: Path, folder: Path) -> str:
    try:
        return _PREFIX + Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return str(path)


def _relative_ones() -> list[tuple[bpy.types.PropertyGroup, str]]:
    return [
        (owner, name)
        for scene in bpy.data.scenes
        if scene.library is None
        for owner, name in paths(scene)
        if getattr(owner, name).startswith(_PREFIX)
    ]


@bpy.app.handlers.persistent
def _save_begins(filepath: str, *_: Any) -> None:
    """The file that is written names everything from its own place."""
    found = _relative_ones()
    _absolute[:] = [folders.absolute(getattr(owner, name)) for owner, name in found]
    if filepath:
        relative_to(Path(filepath).absolute().parent)


@bpy.app.handlers.persistent
def _save_ends(*_: Any) -> None:
    """A copy was saved, or nothing: the file in memory is where it was."""
    home = Path(bpy.data.filepath).parent if bpy.data.filepath else None
    for (owner, name), path in zip(_relative_ones(), _absolute, strict=False):
        setattr(owner, name, _from(path, home) if home else str(path))
    _absolute.clear()


_HANDLERS = (
    ("save_pre", _save_begins),
    ("save_post", _save_ends),
    ("save_post_fail", _save_ends),
)


def register() -> None:
    for name, handler in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if handler not in handlers:
            handlers.append(handler)


def unregister() -> None:
    for name, handler in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if handler in handlers:
            handlers.remove(handler)
