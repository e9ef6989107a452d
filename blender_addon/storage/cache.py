# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache: previews, thumbnails and other files that can be made again."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import bpy

from ..choices import PACKAGE, chosen
from ..errors import InputError
from . import ownership

CACHE_VARIABLE = "LIKENESS_CACHE"


def cache_folder(*parts: str) -> Path:
    """A folder below the cache, made where it is absent. Raises InputError."""
    folder = _cache_root().joinpath(*parts)
    try:
        ownership.make_private(_cache_root())
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: the cache folder cannot be made ({error.strerror or error}); "
            "choose another in the add-on's preferences"
        ) from None
    return folder


def cache_size() -> int:
    """Bytes that lie in the cache, and would be removed from it."""
    return sum(
        entry.stat(follow_symlinks=False).st_size
        for folder in _cached()
        for entry in ownership.plain_files(folder)
    )


def clean_cache() -> int:
    """Remove what the worker made in the cache; returns the bytes that it freed.

    What else lies there stays: a folder of the cache is ours only if it says so itself.
    """
    freed = 0
    for folder, kind in _cached().items():
        with contextlib.suppress(InputError):  # another program has a file open
            freed += ownership.remove(folder, kind)
    return freed


def _cached() -> dict[Path, ownership.FolderKind]:
    """The folders of the cache that are ours, and what they hold."""
    root = _cache_root()
    if root.is_symlink():
        return {}
    return {
        folder: kind
        for name, kind in (
            ("test", ownership.FRAMES),
            ("portraits", ownership.FACES),
            ("views", ownership.LAYERS),
        )
        for folder in ownership.plain_folders(root / name)
        if ownership.is_kind(folder, kind)
    }


def _cache_root() -> Path:
    """The cache's own folder, which need not exist yet. InputError where none can be trusted."""
    named = os.environ.get(CACHE_VARIABLE, "") or chosen().cache
    if named:
        # A folder of ours in the one that was named: cleaning must not reach anything else.
        return Path(named).expanduser().absolute() / "likeness_cache"
    if PACKAGE.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(PACKAGE, path="cache", create=True))
    return _own_home() / "likeness_cache"


def _own_home() -> Path:
    """A folder for this person alone, where Blender does not give the add-on one of its own."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "likeness"
    try:
        ownership.make_private(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror or error}); choose a cache folder in the "
            "add-on's preferences"
        ) from None
    return folder
