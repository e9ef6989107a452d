# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a take is drawn: over the strip and the movie clip of its footage, as it is used now.

That is as edited by hand, else as cleaned, with its confidence, else as captured.
"""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import versions
from ..overlay import layers as overlay
from ..properties import LikenessTake
from ..sequencer.head_strip import TAG
from ..storage import folders


def show_on_strip(
    scene: bpy.types.Scene, take: LikenessTake, strip: bpy.types.Strip, start: float, pace: float
) -> None:
    """Draw a take over its footage's strip, wherever that is moved.

    start: frame of the timeline on which the take begins. pace: the take's frames in one of the
    timeline's.
    """
    overlay.set_layer(
        scene,
        _name("take", take),
        _file(take),
        str(strip[TAG]),
        start=start - versions.content_start(strip),
        pace=1 / pace,
        take=take.uid,
        mirror=tuple(take.mirror),
    )


def show_on_clip(scene: bpy.types.Scene, take: LikenessTake, clip: bpy.types.MovieClip) -> None:
    """Draw a take over its footage in the Movie Clip Editor."""
    clip[TAG] = clip.get(TAG) or f"footage:{take.uid}"  # known by it under any name
    overlay.set_layer(
        scene,
        _name("clip", take),
        _file(take),
        clip[TAG],
        "CLIP",
        shift_of(take, clip),
        take=take.uid,
        mirror=tuple(take.mirror),
    )


def shift_of(take: LikenessTake, clip: bpy.types.MovieClip) -> int:
    """Picture of a clip, from 0, that a take of its footage begins with."""
    # A clip may leave out the first pictures of its file, from which a take is counted.
    return int(take.offset - clip.frame_offset)


def refresh(scene: bpy.types.Scene, take: LikenessTake) -> None:
    """The take was cleaned, edited or set back: draw what it is now."""
    overlay.show_take_as(scene, take.uid, _file(take))


def hide(scene: bpy.types.Scene, take: LikenessTake) -> None:
    """Draw the take no more."""
    for kind in ("take", "clip"):
        overlay.remove_layer(scene, _name(kind, take))


def _name(kind: str, take: LikenessTake) -> str:
    return f"{kind} {take.uid}"


def _file(take: LikenessTake) -> Path:
    return folders.absolute(take.edited or take.performance or take.track)
