# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the puppet and of capturing the viewport.

In a window a capture takes a few frames at a time and ESC ends it; without one it runs to its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from ..errors import InputError, RenderError
from ..operator_parts import attempt
from ..performance import curves
from ..registration import register_classes, unregister_classes
from ..storage.canonical import read_face
from ..storage.files import part_of, written_whole
from ..storage.recordings import TRACK_SUFFIX, check_target, save_track
from . import puppet, viewport

UNDO = {"REGISTER", "UNDO"}
_SLICE = 0.05  # seconds of work in a tick of the window
_TICK = 0.02  # seconds between ticks

# Called with kind ("track" or "movie"), file, Blender's first frame and rate when a capture is
# written, inside the operator's own undo step.
finished: list[Callable[[str, Path, int, Fraction], None]] = []


class LIKENESS_OT_puppet_add(bpy.types.Operator):
    """Add a face of 478 vertices with a shape key for each control, on an Empty that turns it"""

    bl_idname = "likeness.puppet_add"
    bl_label = "Add Puppet"
    bl_options = UNDO

    name: StringProperty(name="Name", default="Likeness puppet")

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: Any) -> set[str]:
        return attempt(self, _add, context, self.name)


class LIKENESS_OT_puppet_camera(bpy.types.Operator):
    """Put a camera straight before the puppet's face, and make it the scene's"""

    bl_idname = "likeness.puppet_camera"
    bl_label = "Add Face Camera"
    bl_options = UNDO

    puppet: StringProperty(description="Name of the puppet; empty: the active one")

    def execute(self, context: Any) -> set[str]:
        return attempt(self, _camera, context, self.puppet)


class LIKENESS_OT_puppet_follow(bpy.types.Operator):
    """Let the puppet perform what the control curves say: expression and head, live"""

    bl_idname = "likeness.puppet_follow"
    bl_label = "Follow Curves"
    bl_options = UNDO

    puppet: StringProperty(description="Name of the puppet; empty: the active one")
    controls: StringProperty(description="Name of the Empty with the curves; empty: the only one")

    def execute(self, context: Any) -> set[str]:
        return attempt(self, _follow, context, self.puppet, self.controls)


class LIKENESS_OT_puppet_release(bpy.types.Operator):
    """Give the puppet's shape keys and head back; it keeps the expression and pose of this frame"""

    bl_idname = "likeness.puppet_release"
    bl_label = "Release"
    bl_options = UNDO

    puppet: StringProperty(description="Name of the puppet; empty: the active one")

    def execute(self, context: Any) -> set[str]:
        return attempt(self, _release, context, self.puppet)


class LIKENESS_OT_viewport_capture(bpy.types.Operator):
    """Take the puppet's vertices, seen through the camera, as landmarks: exact, no detection"""

    bl_idname = "likeness.viewport_capture"
    bl_label = "Capture Puppet"
    bl_options = UNDO

    filepath: StringProperty(subtype="FILE_PATH", description=f"Ends in {TRACK_SUFFIX}")
    object: StringProperty(description="Name of the puppet; empty: the active one")
    camera: StringProperty(description="Name of the camera; empty: the scene's")
    first: IntProperty(description="First frame of the scene")
    last: IntProperty(default=-1, description="Last frame; below the first: the scene's own range")

    _frames: Iterator[viewport.Seen] | None = None

    def invoke(self, context: Any, event: Any) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        if not self._begin(context):
            return {"CANCELLED"}
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        if event.type == "ESC":
            self._end(context)
            self.report({"INFO"}, "Capture cancelled; nothing was written")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            until = time.monotonic() + _SLICE
            while time.monotonic() < until:
                if not self._step():
                    self._end(context)
                    return self._written(context)
        except (InputError, RenderError) as error:
            self._end(context)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except BaseException:
            self._end(context)  # the scene goes back to its frame, the timer ends
            raise
        done, total = len(self._seen), self._range[1] - self._range[0] + 1
        context.workspace.status_text_set(f"Capturing frame {done} of {total}    ESC: cancel")
        return {"RUNNING_MODAL"}

    def cancel(self, context: Any) -> None:
        self._end(context)

    def execute(self, context: Any) -> set[str]:
        if not self._begin(context):
            return {"CANCELLED"}
        try:
            while self._step():
                pass
        except InputError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            self._frames = None
        return self._written(context)

    def _begin(self, context: Any) -> bool:
        """Resolve and check what was asked for; the reason for a refusal is reported."""
        try:
            self._path = _out(self.filepath, TRACK_SUFFIX)
            check_target(self._path)
            self._range = _range(context.scene, self.first, self.last)
            self._name = puppet.find_puppet(context.scene, self.object, context.object).name
            viewport.find_camera(context.scene, self.camera)
            rigid = read_face().regions["region_rigid"]
        except InputError as error:
            self.report({"ERROR"}, str(error))
            return False
        self._scene = context.scene.name
        self._seen: list[viewport.Seen] = []
        self._frames = viewport.capture_frames(
            self._scene, self._name, self.camera, *self._range, rigid
        )
        return True

    def _step(self) -> bool:
        """Capture one frame more; False after the last."""
        assert self._frames is not None
        seen = next(self._frames, None)
        if seen is not None:
            self._seen.append(seen)
        return seen is not None

    def _written(self, context: Any) -> set[str]:
        return attempt(self, self._write)

    def _write(self) -> str:
        scene = bpy.data.scenes[self._scene]
        rate = viewport.rate_of(scene)
        track = viewport.track_of(self._seen, rate, f"{self._name} in {self._scene}")
        save_track(track, self._path)
        _announce(self, "track", self._path, self._range[0], rate)
        unseen = int((~track.valid).sum())
        behind = f", {unseen} of them behind the camera" if unseen else ""
        return f"{len(track)} frames of {self._name} captured{behind}"

    def _end(self, context: Any) -> None:
        if self._frames is not None:
            self._frames.close()  # type: ignore[attr-defined]
            self._frames = None
        if getattr(self, "_timer", None) is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        context.workspace.status_text_set(None)


class LIKENESS_OT_viewport_render(bpy.types.Operator):
    """Render the scene's 3D view as footage, so that any character's face can be found in it"""

    bl_idname = "likeness.viewport_render"
    bl_label = "Render as Footage"
    bl_options = UNDO

    filepath: StringProperty(subtype="FILE_PATH", description="Ends in .mp4")
    camera: StringProperty(description="Name of the camera; empty: the scene's")
    first: IntProperty(description="First frame of the scene")
    last: IntProperty(default=-1, description="Last frame; below the first: the scene's own range")

    def invoke(self, context: Any, event: Any) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        if bpy.app.is_job_running("RENDER"):
            self.report({"ERROR"}, "Blender renders already; wait for it or cancel it")
            return {"CANCELLED"}
        try:
            self._prepare(context)
            self._kept = viewport.set_footage_render(
                context.scene, self._part, self.camera, *self._range
            )
        except (InputError, RenderError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self._waited = time.monotonic()
        self._began = False
        try:
            bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=self._scene)
        except RuntimeError as error:
            viewport.put_back(context.scene, self._kept)
            self.report({"ERROR"}, f"Blender could not render ({_line(error)})")
            return {"CANCELLED"}
        self._timer = context.window_manager.event_timer_add(0.1, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if bpy.app.is_job_running("RENDER"):
            self._began = True
            return {"PASS_THROUGH"}
        if not self._began and time.monotonic() < self._waited + 2:
            return {"PASS_THROUGH"}  # the job starts a moment after it was asked for
        self._stop(context)
        return attempt(self, self._keep)

    def cancel(self, context: Any) -> None:
        self._stop(context)

    def execute(self, context: Any) -> set[str]:
        return attempt(self, self._inline, context)

    def _inline(self, context: Any) -> str:
        self._prepare(context)
        scene = context.scene
        with viewport.footage_render(scene, self._part, self.camera, *self._range):
            try:
                bpy.ops.render.render(animation=True, scene=self._scene)
            except RuntimeError as error:
                raise RenderError(f"Blender could not render ({_line(error)})") from None
        return self._keep()

    def _prepare(self, context: Any) -> None:
        self._scene = context.scene.name
        self._path = _out(self.filepath, ".mp4")
        self._range = _range(context.scene, self.first, self.last)
        self._rate = viewport.rate_of(context.scene)
        _check_free(self._path)
        # Blender writes it for minutes, under a name that nobody can have put a link at.
        self._part = part_of(self._path)
        with written_whole(self._part) as part:  # whether the folder can be written
            part.touch()
        self._part.unlink()

    def _keep(self) -> str:
        """The movie under its name, when all its frames are in it."""
        total = self._range[1] - self._range[0] + 1
        try:
            found = _movie_length(self._part)
            if found != total:
                raise RenderError(
                    f"The render ended after {found} of {total} frames; nothing was kept"
                )
            _check_free(self._path)  # once more: minutes have passed
            self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)
        _announce(self, "movie", self._path, self._range[0], self._rate)
        return f"{total} frames rendered as footage"

    def _stop(self, context: Any) -> None:
        if getattr(self, "_timer", None) is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        if (scene := bpy.data.scenes.get(self._scene)) is not None:
            viewport.put_back(scene, self._kept)


def draw_puppet(layout: Any, context: Any) -> None:
    """The puppet's buttons, for a panel."""
    there = puppet.puppets(context.scene)
    row = layout.row(align=True)
    row.operator("likeness.puppet_add", icon="OUTLINER_OB_ARMATURE")
    if there:
        row.operator("likeness.puppet_camera", icon="OUTLINER_OB_CAMERA")
    if there and curves.control_empties(context.scene):
        row = layout.row(align=True)
        row.operator("likeness.puppet_follow", icon="LINKED")
        row.operator("likeness.puppet_release", icon="UNLINKED")


def _add(context: Any, name: str) -> str:
    thing = puppet.add_puppet(context.collection, read_face(), name)
    thing.parent.location = context.scene.cursor.location
    for other in context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    context.view_layer.objects.active = thing
    return f"{thing.name}: its shape keys make the expression, its Empty turns the head"


def _camera(context: Any, name: str) -> str:
    thing = puppet.find_puppet(context.scene, name, context.object)
    context.view_layer.update()  # a script may have moved the head just now
    camera = puppet.add_camera(context.collection, thing)
    context.scene.camera = camera
    return f"{camera.name} looks at {thing.name} and is the scene's camera now"


def _follow(context: Any, puppet_name: str, controls_name: str) -> str:
    scene = context.scene
    thing = puppet.find_puppet(scene, puppet_name, context.object)
    controls = curves.find_controls(scene, controls_name, context.object)
    puppet.follow(thing, controls)
    return f"{thing.name} follows {controls.name}"


def _release(context: Any, name: str) -> str:
    thing = puppet.find_puppet(context.scene, name, context.object)
    puppet.release(thing)
    return f"{thing.name} is free"


def _range(scene: Any, first: int, last: int) -> tuple[int, int]:
    return (first, last) if last >= first else (scene.frame_start, scene.frame_end)


def _out(name: str, suffix: str) -> Path:
    if not name:
        raise InputError(f"Name the file to write; it ends in {suffix}")
    path = Path(bpy.path.abspath(name))
    if not path.name.endswith(suffix):
        raise InputError(f"{path}: the name must end in {suffix}")
    return path


def _check_free(path: Path) -> None:
    """A movie does not show whose it is, so none is replaced."""
    if path.exists() or path.is_symlink():
        raise InputError(f"{path}: is there already; choose another name")


def _announce(operator: Any, kind: str, path: Path, first: int, rate: Fraction) -> None:
    for callback in list(finished):
        try:
            callback(kind, path, first, rate)
        except Exception as error:
            # The file is written; who listens must not undo that. The artist is told, and a
            # script hears of it as of any refusal.
            line = " ".join(str(error).split()) or type(error).__name__
            operator.report({"ERROR"}, f"{line} (the recording {path.name} is kept)")


def _movie_length(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        clip = bpy.data.movieclips.load(str(path))
    except RuntimeError:
        return 0
    length = int(clip.frame_duration)
    bpy.data.movieclips.remove(clip)
    return length


def _line(error: Exception) -> str:
    return " ".join(str(error).replace("Error:", "").split())


_CLASSES = (
    LIKENESS_OT_puppet_add,
    LIKENESS_OT_puppet_camera,
    LIKENESS_OT_puppet_follow,
    LIKENESS_OT_puppet_release,
    LIKENESS_OT_viewport_capture,
    LIKENESS_OT_viewport_render,
)


def register() -> None:
    register_classes(*_CLASSES)


def unregister() -> None:
    finished.clear()
    unregister_classes(*_CLASSES)
