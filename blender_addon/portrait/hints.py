# SPDX-License-Identifier: GPL-3.0-or-later
"""What a portrait still needs, in words that fit into a line of the sidebar.

The panels show it beside a button that is switched off, so that nobody has to press it to learn it.
"" says that nothing is missing.
"""

from __future__ import annotations

import bpy

from ..sequencer import head_strip
from ..sequencer.strips import active_strip


def for_portrait_strip(scene: bpy.types.Scene) -> str:
    """Why no portrait can be taken from the active strip."""
    strip = active_strip(scene)
    if strip is None or strip.type not in {"IMAGE", "MOVIE"}:
        return "Select the portrait's strip"
    if str(strip.get(head_strip.TAG, "")).startswith(head_strip.OURS):
        return "Select the portrait below this strip"
    return ""


def is_movie(scene: bpy.types.Scene) -> bool:
    """Whether the active strip is a clip, in which pictures of a person can be looked for."""
    strip = active_strip(scene)
    return strip is not None and strip.type == "MOVIE"
