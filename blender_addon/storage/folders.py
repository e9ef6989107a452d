# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Likeness keeps what it makes: beside the .blend, or beside the cache until it is saved.

    <blend's folder>/likeness/<portrait>-<id>/            its pictures, its person
    <blend's folder>/likeness/<portrait>-<id>/<take>-<id>/  head frames
    <blend's folder>/likeness/takes/                       tracks and performances
Test frames, thumbnails and landmarks of portraits lie in the cache: they can be made again.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import bpy

from ..errors import InputError
from .cache import cache_folder

NAME = "likeness"


def project() -> Path:
    """The folder for what belongs to the .blend. Absolute; it need not exist yet."""
    if bpy.data.filepath:
        return Path(bpy.path.abspath("//")) / NAME
    return unsaved_project()


def unsaved_project() -> Path:
    """The folder for what belongs to a .blend that was never saved."""
    # Beside the cache, not in it: cleaning the cache must not take an artist's takes.
    return cache().with_name("likeness_unsaved")


def to_browse() -> str:
    """The folder in which a file is chosen first, as a file browser takes it: with no file name.

    Left alone, the browser offers the .blend itself.
    """
    home = Path(bpy.path.abspath("//")) if bpy.data.filepath else Path.home()
    return str(home).rstrip(os.sep) + os.sep


def cache(*parts: str) -> Path:
    """A folder for what can be made again, from the preferences; made if absent."""
    return cache_folder(*parts)


def safe_name(text: str) -> str:
    """A name for a file or folder on every system; letters of any language stay."""
    kept = re.sub(r"[^\w\- ]+", "_", text).strip(" ._")
    return kept[:48].rstrip() or "unnamed"


def stored(path: Path) -> str:
    """The path as the .blend keeps it: relative to itself where it can be moved along with it."""
    home = Path(bpy.path.abspath("//")) if bpy.data.filepath else None
    if home is not None and path.is_relative_to(home):
        return "//" + path.relative_to(home).as_posix()
    return str(path)


def absolute(text: str) -> Path:
    """A path as the .blend keeps it, made absolute."""
    # normpath: relative paths of Blender's own begin with as many /.. as it takes.
    return Path(os.path.normpath(Path(bpy.path.abspath(text)).absolute()))


def existing(text: str, what: str) -> Path:
    """The file that a stored path names; InputError when it is not there any more."""
    if not text:
        raise InputError(f"there is no {what} yet")
    path = absolute(text)
    if not path.is_file():
        raise InputError(f"{path}: the {what} is not there any more; put it back or choose again")
    return path


def writable(folder: Path) -> Path:
    """Make a folder; InputError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); save the file elsewhere"
        ) from None
    return folder
