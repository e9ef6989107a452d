# SPDX-License-Identifier: GPL-3.0-or-later
"""Movie clips: the one that is meant, and movies opened as clips."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..errors import InputError


def find_clip(context: bpy.types.Context, name: str = "") -> bpy.types.MovieClip:
    """The movie clip of that name; without one the clip editor's, else the only one."""
    if name:
        clip: bpy.types.MovieClip | None = bpy.data.movieclips.get(name)
        if clip is None:
            raise InputError(f"{name}: there is no such movie clip; open the footage as one")
        return clip
    clip = _shown(context)
    if clip is None:
        raise InputError("There is no movie clip; open the footage in the Movie Clip Editor")
    return clip


def load_clip(path: Path) -> bpy.types.MovieClip:
    """The movie as a clip, the one that is there or a new one. InputError when it is no movie."""
    known = set(bpy.data.movieclips)
    try:
        clip = bpy.data.movieclips.load(str(path), check_existing=True)
    except RuntimeError:
        clip = None
    # Blender loads whatever is a file; what it cannot read has no frame rate.
    if clip is None or clip.frame_duration < 1 or clip.fps <= 0:
        if clip is not None and clip not in known:
            bpy.data.movieclips.remove(clip)
        raise InputError(f"{path}: Blender cannot read this movie; give another")
    return clip


def _shown(context: bpy.types.Context) -> bpy.types.MovieClip | None:
    clip = getattr(context, "edit_movieclip", None) or getattr(context.scene, "active_clip", None)
    if clip is None and len(bpy.data.movieclips) == 1:
        clip = bpy.data.movieclips[0]
    return clip
