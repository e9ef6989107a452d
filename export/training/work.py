# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a timed training keeps its work when nobody says where: a private folder, found again."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

from inference.errors import InputError
from inference.files import file_error


def default_work(data: Path, out: Path) -> Path:
    """The folder of the trainings of `data` into `out`, the same at every call; it is made.

    It lies in this user's own cache, not where others could put something there beforehand.
    Raises InputError when it is somebody else's.
    """
    names = "\0".join(os.path.realpath(path) for path in (data, out))
    token = hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    folder = _cache() / "likeness" / f"run-{token}"
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        check_private(folder.parent)
        check_private(folder)
    except OSError as error:
        raise file_error(error, folder / "work") from error
    return folder


def check_private(folder: Path) -> None:
    """Raises InputError when others may write there, or when it is a link or not this user's."""
    found = folder.lstat()
    own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    # Windows keeps a user's folders apart by other means than these bits.
    shared = sys.platform != "win32" and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or not own or shared:
        raise InputError(
            f"{folder}: is a link, not your own, or open to others; name a folder of "
            "your own with --work"
        )


def _cache() -> Path:
    try:
        home = Path.home()
    except RuntimeError:
        raise InputError(
            "there is no home folder to keep the work in; name a folder with --work"
        ) from None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else home / ".cache"
