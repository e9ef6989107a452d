# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step still needs, in words that fit into a line of the sidebar; "" where it needs nothing.

The panels show it beside a button that is switched off, so that nobody has to press it to learn it.
"""

from __future__ import annotations

import bpy

from .performance import takes as performance
from .portrait import portraits as portrait
from .properties import LikenessPortrait, LikenessTake, settings
from .sequencer import head_strip
from .sequencer.timing import Timing


def for_portrait_strip(scene: bpy.types.Scene) -> str:
    """Why no portrait can be taken from the active strip."""
    strip = _active_strip(scene)
    if strip is None or strip.type not in {"IMAGE", "MOVIE"}:
        return "Select the portrait's strip"
    if str(strip.get(head_strip.TAG, "")).startswith(head_strip.OURS):
        return "Select the portrait below this strip"
    return ""


def for_capture(scene: bpy.types.Scene) -> str:
    """Why footage cannot be captured from the source that is chosen."""
    chosen = settings(scene)
    if chosen.source == "STRIP":
        strip = _active_strip(scene)
        return "" if strip is not None and strip.type == "MOVIE" else "Select the actor's strip"
    return "Choose a clip" if chosen.source == "CLIP" and chosen.clip is None else ""


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


def for_output(scene: bpy.types.Scene, active: LikenessPortrait | None) -> str:
    """Why no frames may be rendered of the active portrait, None where there is none."""
    missing = portrait.consent_missing(active) if active is not None else ""
    return for_frames(scene) or (f"{missing}: see Portrait" if missing else "")


def for_take(take: LikenessTake) -> str:
    """Why the take is not as its sliders say."""
    changed = take.cleaned and take.cleaned != performance.cleaning(take)
    return "Changed: press Update Take" if changed else ""


def found_neutral(scene: bpy.types.Scene, take: LikenessTake) -> str:
    """The neutral frame that was found: as the take counts, and where that is on the timeline."""
    found = take.neutral_found
    due = Timing(take.start, performance.pace_of(scene, take), found, found)
    return f"Found: {found} (timeline {due.span()[0]})"


def used_frames(scene: bpy.types.Scene, take: LikenessTake) -> str:
    """Where the take's in and out lie on the timeline."""
    begin, end = performance.timing_of(scene, take).span()
    return f"In and out: timeline {begin} to {end - 1}"


def _active_strip(scene: bpy.types.Scene) -> bpy.types.Strip | None:
    editor = scene.sequence_editor
    return editor.active_strip if editor is not None else None
