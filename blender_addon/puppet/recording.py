# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording a face of the 3D scene to a file: the puppet's vertices, or what the camera renders.

Both kinds are used alike. Making one checks what was asked for. Then either `run` does all of it,
or `begin` starts it and `go_on` is called, every `TICK` seconds, until it says that nothing is left
to do. `stop` gives the scene back as it was, however it ended, and `finish` keeps the file.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import bpy

from ..errors import InputError, RenderError
from ..storage.canonical import read_face
from ..storage.files import part_of, written_whole
from ..storage.recordings import check_target, save_track
from . import puppet, viewport

_SLICE = 0.05  # seconds of work in a tick of the window
_PATIENCE = 2  # seconds within which a render job begins after it was asked for


class PuppetRecording:
    """The puppet's vertices, seen through the camera, as landmarks: exact, no detection.

    path: ends in .track.npz. puppet_name, camera: "" is the active one, and the scene's. frames:
    the first and the last, in the scene's own numbers.
    """

    TICK = 0.02
    ENDS_BY_ESCAPE = True

    def __init__(
        self,
        context: bpy.types.Context,
        path: Path,
        puppet_name: str,
        camera: str,
        frames: tuple[int, int],
    ) -> None:
        scene = context.scene
        check_target(path)
        self.path, self.frames, self.rate = path, frames, viewport.rate_of(scene)
        self._scene = scene.name
        self._puppet = puppet.find_puppet(scene, puppet_name, context.object).name
        viewport.find_camera(scene, camera)
        self._seen: list[viewport.Seen] = []
        self._looks: Generator[viewport.Seen] = viewport.capture_frames(
            self._scene, self._puppet, camera, *frames, read_face().regions["region_rigid"]
        )

    def run(self) -> None:
        """Capture all frames."""
        try:
            while self.go_on():
                pass
        finally:
            self.stop()

    def begin(self) -> None:
        """Nothing to prepare."""

    def go_on(self) -> bool:
        """Capture frames for a moment; False after the last."""
        until = time.monotonic() + _SLICE
        while (seen := next(self._looks, None)) is not None:
            self._seen.append(seen)
            if time.monotonic() >= until:
                return True
        return False

    def words(self) -> str:
        """How far it is, for the status bar."""
        total = self.frames[1] - self.frames[0] + 1
        return f"Capturing frame {len(self._seen)} of {total}    ESC: cancel"

    def stop(self) -> None:
        """The scene goes back to its frame."""
        self._looks.close()

    def finish(self) -> str:
        """Write the track."""
        track = viewport.track_of(self._seen, self.rate, f"{self._puppet} in {self._scene}")
        save_track(track, self.path)
        unseen = int((~track.valid).sum())
        behind = f", {unseen} of them behind the camera" if unseen else ""
        return f"{len(track)} frames of {self._puppet} captured{behind}"


class RenderRecording:
    """The 3D view, rendered as footage, so that any character's face can be found in it.

    path: ends in .mp4, and nothing may be there. camera, frames: as for a puppet.
    """

    TICK = 0.1
    ENDS_BY_ESCAPE = False  # Blender's own render does

    def __init__(
        self, context: bpy.types.Context, path: Path, camera: str, frames: tuple[int, int]
    ) -> None:
        self.path, self.frames, self.rate = path, frames, viewport.rate_of(context.scene)
        self._scene, self._camera = context.scene.name, camera
        self._kept: viewport.RenderSettings | None = None
        _check_free(path)
        viewport.find_camera(context.scene, camera)
        # Blender writes it for minutes, under a name that nobody can have put a link at.
        self._part = part_of(path)
        with written_whole(self._part) as part:  # whether the folder can be written
            part.touch()
        self._part.unlink()

    def run(self) -> None:
        """Render all frames."""
        try:
            self._render("EXEC_DEFAULT")
        finally:
            self.stop()

    def begin(self) -> None:
        """Let Blender render in its own job."""
        if bpy.app.is_job_running("RENDER"):
            raise RenderError("Blender renders already; wait for it or cancel it")
        self._asked, self._began = time.monotonic(), False
        try:
            self._render("INVOKE_DEFAULT")
        except BaseException:
            self.stop()
            raise

    def go_on(self) -> bool:
        """Whether Blender still renders, or has not begun yet."""
        if bpy.app.is_job_running("RENDER"):
            self._began = True
            return True
        return not self._began and time.monotonic() < self._asked + _PATIENCE

    def words(self) -> str:
        """Nothing: Blender shows how far it is."""
        return ""

    def stop(self) -> None:
        """The scene gets its render settings back."""
        scene: bpy.types.Scene | None = bpy.data.scenes.get(self._scene)
        if scene is not None and self._kept is not None:
            viewport.put_back(scene, self._kept)
        self._kept = None

    def finish(self) -> str:
        """The movie gets its name, when all its frames are in it."""
        total = self.frames[1] - self.frames[0] + 1
        try:
            found = _movie_length(self._part)
            if found != total:
                raise RenderError(
                    f"The render ended after {found} of {total} frames; nothing was kept"
                )
            _check_free(self.path)  # once more: minutes have passed
            self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)
        return f"{total} frames rendered as footage"

    def _render(self, mode: str) -> None:
        scene = bpy.data.scenes[self._scene]
        self._kept = viewport.set_footage_render(scene, self._part, self._camera, *self.frames)
        try:
            bpy.ops.render.render(mode, animation=True, scene=self._scene)
        except RuntimeError as error:
            self._part.unlink(missing_ok=True)
            reason = " ".join(str(error).replace("Error:", "").split())
            raise RenderError(f"Blender could not render ({reason})") from None


def frames_of(scene: bpy.types.Scene, first: int, last: int) -> tuple[int, int]:
    """These frames, or the scene's own range where the last lies below the first."""
    return (first, last) if last >= first else (scene.frame_start, scene.frame_end)


def _check_free(path: Path) -> None:
    """A movie does not show whose it is, so none is replaced."""
    if path.exists() or path.is_symlink():
        raise InputError(f"{path}: is there already; choose another name")


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
