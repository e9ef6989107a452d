# SPDX-License-Identifier: GPL-3.0-or-later
"""One button, one undo step: what its job brings joins the step that the button made.

A button's operator leaves an undo step with the button's name. Later its job brings frames, then
its end. An operator whose undo group has that name applies them, and Blender puts the new state in
the step's place as long as nothing else came after it. What the artist did meanwhile keeps a step
of its own; what the job brings then is one more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy

from ..errors import InputError
from ..sequencer import prefetch

_LATER = "Likeness result"  # of a job that no button began

_begun = ""
_work: Callable[[], object] | None = None
_joiners: dict[str, type[bpy.types.Operator]] = {}


@contextmanager
def begun_by(name: str) -> Iterator[None]:
    """Jobs that are started in the block belong to the undo step of this name."""
    global _begun
    before, _begun = _begun, name
    try:
        yield
    finally:
        _begun = before


def current() -> str:
    """The undo step that a job which starts now belongs to."""
    return _begun or _LATER


def can_join() -> bool:
    """Is there a window, and nobody in the middle of a drag, whose step would mix with ours?"""
    windows = bpy.context.window_manager.windows
    return bool(windows) and not any(len(window.modal_operators) for window in windows)


def join(step: str, work: Callable[[], object]) -> None:
    """Do `work` as part of the undo step of this name where that is the last, else as a new one.

    For the timer, in a window. An InputError of the work leaves no step; who waits for the job
    hears of it at its end.
    """
    global _work
    joiner = _joiners.get(step) or _new_joiner(step)
    name = joiner.bl_idname.partition(".")[2]
    operator = getattr(bpy.ops.likeness, name)  # type: ignore[attr-defined]
    _work = work
    try:
        with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
            operator("EXEC_DEFAULT", True)
    finally:
        _work = None


def _new_joiner(step: str) -> type[bpy.types.Operator]:
    """Blender knows an operator's undo group from its class alone: each step has an operator."""

    def execute(_self: bpy.types.Operator, _context: bpy.types.Context) -> set[str]:
        if _work is None:
            return {"CANCELLED"}
        try:
            with prefetch.still(), begun_by(step):
                _work()
        except InputError:
            return {"CANCELLED"}
        return {"FINISHED"}

    name = re.sub(r"\W+", "_", step.lower())
    members = {
        "__doc__": "Apply what a job of Likeness brought", "bl_idname": f"likeness.join_{name}",
        "bl_label": step, "bl_options": {"INTERNAL", "UNDO_GROUPED"}, "bl_undo_group": step,
        "execute": execute,
    }  # fmt: skip
    joiner = type(f"LIKENESS_OT_join_{name}", (bpy.types.Operator,), members)
    bpy.utils.register_class(joiner)
    _joiners[step] = joiner
    return joiner


def register() -> None:
    """Nothing to do: steps get their operators when they are first joined."""


def unregister() -> None:
    while _joiners:
        bpy.utils.unregister_class(_joiners.popitem()[1])
