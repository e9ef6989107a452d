# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what was made once is kept for the next time: folders of the user's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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
