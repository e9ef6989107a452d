# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path of a file that Likeness keeps in the .blend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import bpy

from .controls import curves
from .overlay import drawing
from .properties import settings


@dataclass(frozen=True)
class KeptPath:
    """A path as it is kept, and what keeps another one in its place."""

    text: str
    write: Callable[[str], None]


def kept_paths() -> Iterator[KeptPath]:
    """All of them that are not empty, in every scene of the file's own, in a fixed order."""
    for scene in bpy.data.scenes:
        if scene.library is not None:
            continue
        for owner, name in _properties(scene):
            if text := getattr(owner, name):
                yield KeptPath(text, partial(setattr, owner, name))
        for empty in curves.control_empties(scene):
            yield KeptPath(str(empty[curves.SOURCE]), partial(empty.__setitem__, curves.SOURCE))


def _properties(scene: bpy.types.Scene) -> Iterator[tuple[bpy.types.PropertyGroup, str]]:
    for portrait in settings(scene).portraits:
        yield portrait, "person"
        for picture in portrait.pictures:
            yield picture, "path"
            for face in picture.faces:
                yield face, "thumbnail"
                yield face, "points"
    for take in settings(scene).takes:
        for name in ("source", "track", "performance", "edited"):
            yield take, name
    for layer in drawing.chosen(scene).layers:
        yield layer, "path"
