# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of Live. None of them leaves an undo step: they change nothing in the file."""

from __future__ import annotations

import time

import bpy

from .. import registration, versions
from ..errors import InputError
from ..worker import pump
from . import session


class _LiveOperator(bpy.types.Operator):
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return versions.sequencer_scene(context) is not None


class LIKENESS_OT_live_start(_LiveOperator):
    """Let the chosen source drive the active portrait now, over the preview"""

    bl_idname = "likeness.live_start"
    bl_label = "Start"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            session.start(context)
        except InputError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class LIKENESS_OT_live_stop(_LiveOperator):
    """End it; what was recorded becomes a take"""

    bl_idname = "likeness.live_stop"
    bl_label = "Stop"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        run = session.current()
        session.stop()
        if run is not None and bpy.app.background:
            pump.wait(run.job)
            if session.last_words():
                self.report({"ERROR"}, session.last_words())
        return {"FINISHED"}


class LIKENESS_OT_live_recenter(_LiveOperator):
    """The actor's face as it is now counts as being at rest"""

    bl_idname = "likeness.live_recenter"
    bl_label = "Recenter"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.recenter()
        return {"FINISHED"}


_CLASSES = (LIKENESS_OT_live_start, LIKENESS_OT_live_stop, LIKENESS_OT_live_recenter)


def wait_for_picture(seconds: float) -> bool:
    """For scripts without a window: has a picture come before the time was up?"""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run = session.current()
        if run is None or run.feed.serial:
            return run is not None
        pump.tick()
        time.sleep(0.02)
    return False


def register() -> None:
    registration.register_classes(*_CLASSES)


def unregister() -> None:
    registration.unregister_classes(*_CLASSES)
