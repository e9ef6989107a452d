# SPDX-License-Identifier: GPL-3.0-or-later
"""A face in the scene, seen through a camera: its vertices as a landmark track, without detection.

For any other character there is the camera's picture: `set_footage_render` sets the scene up for
footage of it, in which the worker then finds the face.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import versions
from ..errors import InputError
from ..sequencer import timing
from ..storage.recordings import POINT_COUNT, Track

_NEAR = 1e-4  # metres: what is nearer than this lies in the camera, or behind it


@dataclass(frozen=True)
class View:
    """A camera at one frame: `matrix` (4, 4) takes the world to its own axes (-z ahead, y up).

    window: left, right, bottom, top of the picture in metres, for a perspective camera 1 m ahead.
    size: width and height of the picture in pixels.
    """

    matrix: NDArray[np.float64]
    window: tuple[float, float, float, float]
    perspective: bool
    size: tuple[int, int]


@dataclass(frozen=True)
class Seen:
    """What the camera sees at one frame of the scene; points is None where the face is not ahead.

    points: (478, 3) float32 in pixels as in a track. camera: the name of the one that looked.
    """

    frame: int
    points: NDArray[np.float32] | None
    camera: str
    size: tuple[int, int]


def project(
    world: NDArray[np.floating], view: View, rigid: NDArray[np.integer] | None = None
) -> NDArray[np.float32] | None:
    """World points (478, 3) -> pixels (478, 3): x right, y down, z away in the same unit.

    z is 0 at the mean depth of the points `rigid` (None: all); its unit is a pixel at that depth.
    None when a point lies behind the camera.
    """
    local = world @ view.matrix[:3, :3].T + view.matrix[:3, 3]
    depth = -local[:, 2]
    if view.perspective and depth.min() < _NEAR:
        return None
    middle = float(depth[slice(None) if rigid is None else rigid].mean())
    left, right, bottom, top = view.window
    at = depth if view.perspective else np.ones_like(depth)
    width, height = view.size
    x = (local[:, 0] / at - left) / (right - left) * width
    y = (top - local[:, 1] / at) / (top - bottom) * height
    unit = width / (right - left) / (middle if view.perspective else 1)
    return np.column_stack([x, y, (depth - middle) * unit]).astype(np.float32)


def view_of(
    scene: bpy.types.Scene, camera: bpy.types.Object, depsgraph: bpy.types.Depsgraph
) -> View:
    """The camera as the renderer has it now. Raises InputError for a panoramic one."""
    seen = camera.evaluated_get(depsgraph)
    if seen.data.type == "PANO":
        raise InputError(f"{camera.name}: a panoramic camera bends the face; use a perspective one")
    # Blender's frame for the scene's shape, shift and sensor: upper right, lower right, lower left.
    corners = [np.array(corner, np.float64) for corner in seen.data.view_frame(scene=scene)[:3]]
    perspective = seen.data.type == "PERSP"
    if perspective:
        corners = [corner / -corner[2] for corner in corners]
    # As Blender does for pictures: a camera's scale does not count.
    matrix = np.array(seen.matrix_world.normalized().inverted_safe(), np.float64)
    window = (corners[2][0], corners[1][0], corners[1][1], corners[0][1])
    return View(matrix, window, perspective, picture_size(scene))


def picture_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """Width and height in pixels of what the scene renders."""
    render = scene.render
    share = render.resolution_percentage
    return render.resolution_x * share // 100, render.resolution_y * share // 100


def world_vertices(thing: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> NDArray[np.float64]:
    """An object's vertices (478, 3) in the world, with all that deforms them.

    Raises InputError when a modifier makes other vertices of them.
    """
    evaluated = thing.evaluated_get(depsgraph)
    mesh = evaluated.to_mesh()
    try:
        if len(mesh.vertices) != POINT_COUNT:
            raise InputError(
                f"{thing.name}: a modifier makes {len(mesh.vertices)} vertices of the "
                f"{POINT_COUNT}; switch it off in the viewport, or put it on a copy"
            )
        flat = np.empty(POINT_COUNT * 3, np.float32)
        mesh.vertices.foreach_get("co", flat)
    finally:
        evaluated.to_mesh_clear()
    matrix = np.array(evaluated.matrix_world, np.float64)
    return flat.reshape(-1, 3).astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def look(
    scene: bpy.types.Scene,
    object_name: str,
    camera_name: str,
    rigid: NDArray[np.integer] | None = None,
) -> Seen:
    """The face at the scene's current frame; without a camera's name the scene's own."""
    thing: bpy.types.Object | None = scene.objects.get(object_name)
    if thing is None:
        raise InputError(f"{object_name}: this object is gone; choose another puppet")
    camera = find_camera(scene, camera_name)
    # The scene's own layers, not those of the window: a puppet may be captured from elsewhere.
    layer = scene.view_layers[0]
    if bpy.context.scene == scene:
        layer = bpy.context.view_layer
    if thing.name not in layer.objects:
        raise InputError(f"{object_name}: not in the view layer '{layer.name}'; include it there")
    depsgraph = layer.depsgraph
    depsgraph.update()
    view = view_of(scene, camera, depsgraph)
    return Seen(
        scene.frame_current,
        project(world_vertices(thing, depsgraph), view, rigid),
        camera.name,
        view.size,
    )


def capture_frames(
    scene_name: str,
    object_name: str,
    camera_name: str,
    first: int,
    last: int,
    rigid: NDArray[np.integer] | None = None,
) -> Generator[Seen]:
    """What the camera sees of the face at each frame of the scene, `first` to `last`.

    Takes its time between frames if it is asked to: it keeps names alone. However it ends, the
    scene is back at its frame.
    """
    if last < first:
        raise InputError(f"Frames {first} to {last} are no range; set the first below the last")
    kept = _scene(scene_name).frame_current
    try:
        for frame in range(first, last + 1):
            scene = _scene(scene_name)
            scene.frame_set(frame)
            yield look(scene, object_name, camera_name, rigid)
    finally:
        found: bpy.types.Scene | None = bpy.data.scenes.get(scene_name)
        if found is not None:
            found.frame_set(kept)


def track_of(frames: list[Seen], rate: Fraction, source: str) -> Track:
    """The track of a capture; another camera begins another shot.

    Raises InputError when the face is never ahead of the camera, or the picture's size changes.
    """
    valid = np.array([seen.points is not None for seen in frames])
    if not valid.any():
        raise InputError(f"{frames[0].camera}: the face is behind this camera; turn it around")
    if len({seen.size for seen in frames}) > 1:
        raise InputError("The render size changes within the range; keep it the same")
    points = np.full((len(frames), POINT_COUNT, 3), np.nan, np.float32)
    for index, seen in enumerate(frames):
        if seen.points is not None:
            points[index] = seen.points
    cuts = tuple(i for i in range(1, len(frames)) if frames[i].camera != frames[i - 1].camera)
    return Track(points, valid, rate, frames[0].size, cuts, source)


def rate_of(scene: bpy.types.Scene) -> Fraction:
    """The scene's frames a second."""
    return timing.scene_rate(scene.render.fps, scene.render.fps_base)


def find_camera(scene: bpy.types.Scene, name: str = "") -> bpy.types.Object:
    """The camera of that name, or the scene's. Raises InputError when there is none."""
    camera = scene.objects.get(name) if name else scene.camera
    if camera is None:
        raise InputError(
            f"{name}: there is no such camera; choose another"
            if name
            else "The scene has no camera; add one that sees the face"
        )
    if camera.type != "CAMERA":
        raise InputError(f"{camera.name}: this is no camera; choose one")
    return camera


@dataclass(frozen=True)
class RenderSettings:
    """What `set_footage_render` changes in a scene, as it was: values and names, no references."""

    values: tuple[tuple[str, Any], ...]
    media: Any  # one of Blender's words, "" before 5.0
    camera: str
    frame: int


def set_footage_render(
    scene: bpy.types.Scene, path: Path, camera_name: str, first: int, last: int
) -> RenderSettings:
    """Set the scene up to render its 3D view as a movie of near-lossless H.264 to `path`.

    Returns what must be given to `put_back` afterwards. The sequencer is off meanwhile: with strips
    in it Blender would render those, and not the scene.
    """
    camera = find_camera(scene, camera_name)
    render = scene.render
    size = picture_size(scene)
    settings = render.image_settings
    kept = RenderSettings(
        tuple((name, _get(scene, name)) for name in _CHANGED),
        getattr(settings, "media_type", ""),
        scene.camera.name if scene.camera else "",
        scene.frame_current,
    )
    scene.camera = camera
    scene.frame_start, scene.frame_end, scene.frame_step = first, last, 1
    render.use_sequencer = False
    render.use_stamp = False
    render.use_border = False
    # H.264 wants even sizes: a row or column more, that stays at the edge.
    render.resolution_percentage = 100
    render.resolution_x, render.resolution_y = (side + side % 2 for side in size)
    render.use_file_extension = True
    render.filepath = str(path).replace("{", "{{").replace("}", "}}")
    versions.set_file_format(settings, "VIDEO", "FFMPEG")
    settings.color_mode = "RGB"
    ffmpeg = render.ffmpeg
    ffmpeg.format, ffmpeg.codec = "MPEG4", "H264"
    ffmpeg.constant_rate_factor, ffmpeg.ffmpeg_preset = "PERC_LOSSLESS", "GOOD"
    ffmpeg.audio_codec = "NONE"
    return kept


def put_back(scene: bpy.types.Scene, kept: RenderSettings) -> None:
    """Undo `set_footage_render`."""
    if kept.media:
        scene.render.image_settings.media_type = kept.media
    for name, value in kept.values:
        _set(scene, name, value)
    scene.camera = scene.objects.get(kept.camera)
    scene.frame_set(kept.frame)


# In the order in which they are put back: the format decides which modes there are.
_CHANGED = (
    "frame_start", "frame_end", "frame_step", "render.use_sequencer", "render.use_stamp",
    "render.use_border", "render.resolution_percentage", "render.resolution_x",
    "render.resolution_y", "render.use_file_extension", "render.filepath",
    "render.image_settings.file_format", "render.image_settings.color_mode",
    "render.ffmpeg.format", "render.ffmpeg.codec", "render.ffmpeg.constant_rate_factor",
    "render.ffmpeg.ffmpeg_preset", "render.ffmpeg.audio_codec",
    # Blender itself sets these when a format is chosen.
    "render.ffmpeg.gopsize", "render.ffmpeg.video_bitrate", "render.ffmpeg.minrate",
    "render.ffmpeg.maxrate", "render.ffmpeg.muxrate", "render.ffmpeg.packetsize",
    "render.ffmpeg.buffersize",
)  # fmt: skip


def _get(scene: bpy.types.Scene, name: str) -> Any:
    value = scene
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _set(scene: bpy.types.Scene, name: str, value: Any) -> None:
    *path, last = name.split(".")
    owner = scene
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, last, value)


def _scene(name: str) -> bpy.types.Scene:
    scene: bpy.types.Scene | None = bpy.data.scenes.get(name)
    if scene is None:
        raise InputError(f"{name}: this scene is gone; the capture ends")
    return scene
