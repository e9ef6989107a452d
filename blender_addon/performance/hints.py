# SPDX-License-Identifier: GPL-3.0-or-later
"""What a performance still needs, and what was found of it, in words for a line of the sidebar.

The panels show it beside a button that is switched off, so that nobody has to press it to learn it.
"" says that nothing is missing.
"""

from __future__ import annotations

from typing import Any

import bpy

from ..properties import LikenessTake, pace_of, settings
from ..sequencer.strips import active_strip
from ..sequencer.timing import Timing
from . import takes


def for_capture(scene: bpy.types.Scene) -> str:
    """Why footage cannot be captured from the source that is chosen."""
    chosen = settings(scene)
    if chosen.source == "STRIP":
        strip: Any = active_strip(scene)
        moves = strip is not None and (
            strip.type == "MOVIE" or (strip.type == "IMAGE" and len(strip.elements) > 1)
        )
        return "" if moves else "Select the actor's strip"
    return "Choose a clip" if chosen.source == "CLIP" and chosen.clip is None else ""


def for_take(take: LikenessTake) -> str:
    """Why the take is not as its sliders say."""
    return "Changed: press Update Take" if takes.needs_update(take) else ""


def found_neutral(scene: bpy.types.Scene, take: LikenessTake) -> str:
    """Where the neutral frame that was found lies on the timeline."""
    found = take.neutral_found
    due = Timing(take.start, pace_of(scene, take), found, found)
    return f"Found: frame {due.span()[0]}"
