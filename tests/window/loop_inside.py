# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a Blender window beside inside_window.py: many syntheses, while Blender prefetches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import bpy

ADDON = "bl_ext.user_default.likeness"
_SECONDS = 0.05  # between two changes of the strips


def prepare(frames: int) -> list[bool]:
    """Leave so many frames of the actor. Is Prefetch Frames on, as the template has it?"""
    scene = bpy.context.scene
    for strip in scene.sequence_editor.strips:
        strip.right_handle = 1 + frames
    scene.frame_end = frames
    scene.likeness.tier = "draft"
    scene.likeness.range = "TAKE"
    return prefetches()


def prefetches() -> list[bool]:
    """Of every scene with strips: is the person's Prefetch Frames on?"""
    return [
        scene.sequence_editor.use_prefetch for scene in bpy.data.scenes if scene.sequence_editor
    ]


def press(name: str, **how: Any) -> list[str]:
    """What a button does, with its undo step."""
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        operator: Callable[..., set[str]] = getattr(bpy.ops.likeness, name)
        return list(operator("EXEC_DEFAULT", True, **how))


def synthesize(mouth: float) -> list[str]:
    """All frames are made again, since the strength differs from the last."""
    bpy.context.scene.likeness.mouth = mouth
    return press("synthesize")


def head_files() -> list[str]:
    """The files of the head strip."""
    for strip in bpy.context.scene.sequence_editor.strips:
        if str(strip.get("likeness", "")).startswith("head:"):
            return [element.filename for element in strip.elements]
    return []


class Changes:
    """Lays the head strip again and again, with more or fewer frames, and takes it away."""

    def __init__(self, count: int) -> None:
        self.left, self.count = count, 0
        self._composite = sys.modules[f"{ADDON}.composite.synthesis"]
        self._head_strip = sys.modules[f"{ADDON}.sequencer.head_strip"]
        self._steps = sys.modules[f"{ADDON}.worker.undo_steps"]
        bpy.app.timers.register(self.turn, persistent=True)

    def turn(self) -> float | None:
        """One change, in an undo step as the add-on makes its own."""
        if not self.left:
            return None
        self.left, self.count = self.left - 1, self.count + 1
        self._steps.join("changes", self._remove if self.count % 3 == 0 else self._lay)
        return _SECONDS

    def _lay(self) -> None:
        scene = bpy.context.scene
        chosen, span = scene.likeness, (1, scene.frame_end + 1)
        self._composite.show(chosen.portraits[0].uid, chosen.takes[0].uid, span, True)
        elements = self._find().elements
        for k in range(self.count % len(elements), len(elements)):
            elements[k].filename = self._head_strip.PENDING

    def _remove(self) -> None:
        self._head_strip.remove(bpy.context.scene, self._find()["likeness"])

    def _find(self) -> Any:
        strips = bpy.context.scene.sequence_editor.strips
        return next(each for each in strips if str(each.get("likeness", "")).startswith("head:"))


_changes: list[Changes] = []


def begin_changes(count: int) -> None:
    _changes[:] = [Changes(count)]


def changes_left() -> int:
    return _changes[0].left


def seconds_at_work() -> float:
    """Processor seconds that Blender has used, in all its threads."""
    return time.process_time()
