# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made before the file was saved moves beside it, when it is saved first.

Until then it lies beside the cache. It is moved before the file is written, so that the file names
its new place. An undo brings back states that name the old one: they are led to the new one too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import bpy

from . import versions
from .kept_paths import kept_paths
from .properties import settings
from .sequencer import prefetch
from .storage import folders
from .storage.files import part_of
from .worker import jobs

_TAKES = "takes"

# Where each thing lay before, and where it lies now.
_moved: dict[Path, Path] = {}


def move_beside(home: Path) -> None:
    """Move what this file uses of the unsaved project into `home`, the .blend's folder.

    Nothing is moved while a job writes there, and nothing that cannot be: it stays where it is, the
    file goes on naming that, and the next save tries again.
    """
    if jobs.overview():
        return
    unsaved = folders.unsaved_project()
    for old in sorted(set(_things(unsaved))):
        new = home / folders.NAME / old.relative_to(unsaved)
        if old.exists() and not os.path.lexists(new) and _move(old, new):
            _moved[old] = new
    lead_to_new_place()


def lead_to_new_place() -> None:
    """Let everything in the file that names an old place name the new one."""
    if not _moved:
        return
    found = [
        (write, new / path.relative_to(old))
        for path, write in _all_paths()
        for old, new in _moved.items()
        if path.is_relative_to(old) and not path.exists()
    ]
    if found:
        with prefetch.still():
            for write, path in found:
                write(folders.stored(path))


def _things(unsaved: Path) -> Iterator[Path]:
    """The folders of portraits and the files of takes that the file has in the unsaved project."""
    for path, _ in _all_paths():
        if path.is_relative_to(unsaved):
            parts = path.relative_to(unsaved).parts
            if len(parts) > 1:
                yield unsaved.joinpath(*parts[: 2 if parts[0] == _TAKES else 1])
    for scene in _own_scenes():
        for portrait in settings(scene).portraits:
            yield unsaved / portrait.slug


def _all_paths() -> Iterator[tuple[Path, Callable[[str], None]]]:
    """Every path of ours, of strips and of clips, and what writes another."""
    for kept in kept_paths():
        yield folders.absolute(kept.text), kept.write
    for scene in _own_scenes():
        editor = scene.sequence_editor
        for strip in versions.all_strips(editor) if editor is not None else ():
            name = {"IMAGE": "directory", "MOVIE": "filepath"}.get(strip.type)
            if name:
                yield folders.absolute(getattr(strip, name)), partial(setattr, strip, name)
    for data in (*bpy.data.movieclips, *bpy.data.sounds, *bpy.data.images):
        if data.library is None and data.filepath:
            yield folders.absolute(data.filepath), partial(setattr, data, "filepath")


def _own_scenes() -> list[bpy.types.Scene]:
    return [scene for scene in bpy.data.scenes if scene.library is None]


def _move(old: Path, new: Path) -> bool:
    """Rename, or copy to another drive and remove after that; was it moved?"""
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            old.rename(new)
        except OSError:
            _copy_over(old, new)
    except OSError:
        return False
    return True


def _copy_over(old: Path, new: Path) -> None:
    """Whole or not at all; the old one goes last."""
    part = part_of(new)
    try:
        if old.is_dir():
            shutil.copytree(old, part, symlinks=True)
        else:
            shutil.copy2(old, part, follow_symlinks=False)
        part.rename(new)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)
        raise
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)
