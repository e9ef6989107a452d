# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator that records a face of the 3D scene as a take.

In a window it works between the window's own events, and ESC ends it; a script gets the take at
once.
"""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from .. import registration
from ..errors import InputError, RenderError
from ..properties import new_uid
from ..puppet.recording import PuppetRecording, RenderRecording, frames_of
from ..storage import folders, recordings
from ..worker.operator_parts import UNDO, attempt
from . import takes

_WHAT = (
    ("PUPPET", "Puppet", "The puppet's own vertices: exact, at any range"),
    ("RENDER", "Any Character", "Render the 3D view and find the face in the pictures"),
)


class LIKENESS_OT_capture_viewport(bpy.types.Operator):
    """Keep what a face does in the 3D scene, seen through the camera, as a take"""

    bl_idname = "likeness.capture_viewport"
    bl_label = "Capture Viewport"
    bl_options = UNDO

    what: EnumProperty(name="What", items=_WHAT)
    name: StringProperty(description="The take's name; empty: one is found", options={"SKIP_SAVE"})
    object: StringProperty(description="The puppet; empty: the active or only one")
    camera: StringProperty(description="The camera; empty: the scene's")
    first: IntProperty(description="First frame of the scene")
    last: IntProperty(default=-1, description="Last frame; below the first: the scene's range")

    _recording: PuppetRecording | RenderRecording
    _timer: bpy.types.Timer | None = None

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, self._all_at_once, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        try:
            self._recording = self._new(context)
            self._recording.begin()
        except (InputError, RenderError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        manager = context.window_manager
        self._timer = manager.event_timer_add(self._recording.TICK, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC" and self._recording.ENDS_BY_ESCAPE:
            self.cancel(context)
            self.report({"INFO"}, "Capture cancelled; nothing was written")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            if self._recording.go_on():
                if words := self._recording.words():
                    context.workspace.status_text_set(words)
                return {"PASS_THROUGH"}
        except (InputError, RenderError) as error:
            self.cancel(context)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except BaseException:
            self.cancel(context)  # the scene goes back to its frame, the timer ends
            raise
        self.cancel(context)
        return attempt(self, self._finish)

    def cancel(self, context: bpy.types.Context) -> None:
        self._recording.stop()
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        context.workspace.status_text_set(None)

    def _new(self, context: bpy.types.Context) -> PuppetRecording | RenderRecording:
        """What is asked for, checked."""
        frames = frames_of(context.scene, self.first, self.last)
        puppet = self.what == "PUPPET"
        name = folders.safe_name(self.name or ("puppet" if puppet else context.scene.name))
        # The unique part comes second, so that the take is named by what stands before it.
        stem = f"{name}.{new_uid()}"
        if puppet:
            path = takes.take_file(stem, recordings.TRACK_SUFFIX)
            return PuppetRecording(context, path, self.object, self.camera, frames)
        return RenderRecording(context, takes.take_file(stem, ".mp4"), self.camera, frames)

    def _all_at_once(self, context: bpy.types.Context) -> str:
        self._recording = self._new(context)
        self._recording.run()
        return self._finish()

    def _finish(self) -> str:
        """The recording is written, and becomes a take."""
        recording = self._recording
        line = recording.finish()
        try:
            takes.recorded(recording.path, recording.frames[0], recording.rate)
        except Exception as error:
            # The file is written; what failed afterwards must not undo that.
            reason = " ".join(str(error).split()) or type(error).__name__
            self.report({"ERROR"}, f"{reason} (the recording {recording.path.name} is kept)")
        return line


def register() -> None:
    registration.register_classes(LIKENESS_OT_capture_viewport)


def unregister() -> None:
    registration.unregister_classes(LIKENESS_OT_capture_viewport)
