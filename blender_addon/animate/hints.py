# SPDX-License-Identifier: GPL-3.0-or-later
"""What frames still need, in words that fit into a line of the sidebar.

The panels show it beside a button that is switched off, so that nobody has to press it to learn it.
"" says that nothing is missing.
"""

from __future__ import annotations

import bpy

from ..properties import settings


def for_frames(scene: bpy.types.Scene) -> str:
    """Why no head frame can be made."""
    missing = [
        words
        for there, words in (
            (len(settings(scene).portraits), "a portrait"),
            (len(settings(scene).takes), "a performance"),
        )
        if not there
    ]
    return f"Needs {' and '.join(missing)} first" if missing else ""
