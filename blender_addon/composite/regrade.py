# SPDX-License-Identifier: GPL-3.0-or-later
"""Head strips follow their portrait's grade by themselves, as soon as that is changed."""

from __future__ import annotations

from typing import Any

import bpy

from .. import versions
from ..sequencer import grade
from ..sequencer.head_strip import TAG

_GRADED = ("head", "test", "compare")  # how the tags of strips begin that carry a head
_PORTRAIT = "portrait"


def regrade(scene: bpy.types.Scene) -> int:
    """Give every head's strip in the scene the grade of its portrait's; returns how many changed.

    Tags say which belong together: "portrait:UID", and "head:UID:..." above it.
    """
    if scene.sequence_editor is None:
        return 0
    tagged = [
        (str(tag).split(":"), strip)
        for strip in versions.all_strips(scene.sequence_editor)
        if (tag := strip.get(TAG))
    ]
    heads = [(tag[1], strip) for tag, strip in tagged if tag[0] in _GRADED and len(tag) > 1]
    if not heads:
        return 0
    portraits = {tag[1]: strip for tag, strip in tagged if tag[0] == _PORTRAIT and len(tag) > 1}
    return sum(grade.take_on(portraits[uid], head) for uid, head in heads if uid in portraits)


@bpy.app.handlers.persistent
def _changed(scene: bpy.types.Scene, depsgraph: Any = None) -> None:
    """Something was changed: a strip's grade is a part of its scene."""
    if scene.library is not None:
        return
    if depsgraph is None or any(isinstance(each.id, bpy.types.Scene) for each in depsgraph.updates):
        regrade(scene)


def register() -> None:
    handlers = bpy.app.handlers.depsgraph_update_post
    if _changed not in handlers:
        handlers.append(_changed)


def unregister() -> None:
    handlers = bpy.app.handlers.depsgraph_update_post
    if _changed in handlers:
        handlers.remove(_changed)
