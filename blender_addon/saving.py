# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving elsewhere: the paths that Likeness keeps follow the .blend, as the strips' own do.

Blender makes the paths of strips and pictures relative to the file's new place when it is saved
under another name; those of an add-on it leaves as they are, and they would lead nowhere. What was
made before the first save is moved beside the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy

from . import moving
from .kept_paths import kept_paths
from .storage import folders

_PREFIX = "//"
_absolute: list[Path] = []


@bpy.app.handlers.persistent
def _save_begins(filepath: str, *_: Any) -> None:
    """The file that is written names everything from its own place."""
    if not filepath:
        return
    home = Path(filepath).absolute().parent
    moving.move_beside(home)
    _absolute.clear()
    for kept in list(kept_paths()):
        path = folders.absolute(kept.text)
        if kept.text.startswith(_PREFIX) or path.is_relative_to(home):
            written = _from(path, home)
            kept.write(written)
            if written.startswith(_PREFIX):
                _absolute.append(path)


@bpy.app.handlers.persistent
def _save_ends(*_: Any) -> None:
    """A copy was saved, or nothing: the file in memory is where it was."""
    home = Path(bpy.data.filepath).parent if bpy.data.filepath else None
    relative = [kept for kept in kept_paths() if kept.text.startswith(_PREFIX)]
    for kept, path in zip(relative, _absolute, strict=False):
        kept.write(_from(path, home) if home else str(path))
    _absolute.clear()


def _from(path: Path, folder: Path) -> str:
    try:
        return _PREFIX + Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return str(path)


@bpy.app.handlers.persistent
def _state_came(*_: Any) -> None:
    """An undo: what was moved since is where it is now."""
    moving.lead_to_new_place()


@bpy.app.handlers.persistent
def _file_came(*_: Any) -> None:
    moving.lead_to_new_place()  # it may have been saved by a crash before what it shows was moved


_HANDLERS = (
    ("save_pre", _save_begins),
    ("save_post", _save_ends),
    ("save_post_fail", _save_ends),
    ("undo_post", _state_came),
    ("redo_post", _state_came),
    ("load_post", _file_came),
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
