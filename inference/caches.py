# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what was made once is kept for the next time: folders of the user's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from inference.outputs import FolderKind, OwnedFolder, claim_folder

FOLDER_VARIABLE = "LIKENESS_CACHE"  # names another folder


def cache_folder(kind: str) -> Path:
    """The folder of one kind of kept thing, in LIKENESS_CACHE or in the system's place for caches.

    It may be missing. What lies in it can be removed at any time.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser() / kind
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        return base / "Likeness" / "Cache" / kind
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "Likeness" / kind
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "likeness" / kind


def claim_cache(kind: str, holds: FolderKind) -> OwnedFolder:
    """The same folder, ours to write into; made for its user alone where it is missing.

    Raises OSError or LikenessError where it cannot be had.
    """
    folder = cache_folder(kind)
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
    return claim_folder(folder, holds)
