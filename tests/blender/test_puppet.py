# SPDX-License-Identifier: GPL-3.0-or-later
"""The puppet, and its capture through the camera: what is captured is what Blender renders."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.controls import curves
from blender_addon.errors import InputError
from blender_addon.overlay import drawing
from blender_addon.puppet import puppet, viewport, workspace
from blender_addon.puppet import recording as viewport_recording
from blender_addon.puppet.recording import PuppetRecording, RenderRecording, frames_of
from blender_addon.sequencer import output
from blender_addon.storage import recordings
from blender_addon.storage.canonical import read_face
from inference.landmarks import face_triangles
from inference.performance.face.canonical import canonical_face
from inference.performance.face.decompose import compose
from inference.performance.taking.performance import save_performance
from inference.track import LandmarkTrack, load_track
from tests.blender.performances import real_performance
from tests.blender.shoot import ops, says_no
from tests.blender.stage import SIZE, seen_by_blender, stage
from tests.movies import read_clip

pytestmark = pytest.mark.blender


@pytest.fixture
def out(scene: Any, tmp_path: Path) -> Path:
    """Where a recording goes."""
    return tmp_path / "puppet é.track.npz"


def _captured(
    out: Path, first: int = 0, last: int = -1, puppet_name: str = "", camera: str = ""
) -> LandmarkTrack:
    """What is captured, as the worker reads it."""
    frames = frames_of(bpy.context.scene, first, last)
    recording = PuppetRecording(bpy.context, out, puppet_name, camera, frames)
    recording.run()
    recording.finish()
    return load_track(out)


@pytest.mark.parametrize(("camera", "aspect"), [("PERSP", 1), ("PERSP", 1.5), ("ORTHO", 1)])
def test_captured_landmarks_are_blenders_own_projection(
    out: Path, camera: str, aspect: float
) -> None:
    scene, face = stage()
    scene.render.pixel_aspect_x = aspect
    scene.camera.data.type = camera
    scene.camera.data.ortho_scale = 0.4
    scene.frame_set(3)
    track = _captured(out)
    assert scene.frame_current == 3
    assert (len(track), track.size, track.rate) == (6, SIZE, Fraction(24))
    for frame, points in enumerate(track.points, 1):
        assert np.abs(points[:, :2] - seen_by_blender(scene, face, frame)).max() < 1e-3
    # Nose and ear: the nose looks at the camera.
    assert (track.points[:, 4, 2] < track.points[:, 234, 2]).all()
    if camera == "ORTHO":
        # Depth has the unit of the picture: a rigid head that turns keeps its distances.
        a, b = track.points[0, [10, 4, 234, 454]], track.points[-1, [10, 4, 234, 454]]
        for i, j in ((0, 1), (1, 2), (2, 3), (0, 3)):
            one, two = np.linalg.norm(a[i] - a[j]), np.linalg.norm(b[i] - b[j])
            assert abs(one / two - 1) < 0.02


def test_captured_landmarks_lie_on_the_rendered_picture(out: Path, tmp_path: Path) -> None:
    scene, _ = stage()
    track = _captured(out, first=4, last=4)
    picture = tmp_path / "puppet.png"
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 8, False
    scene.render.film_transparent = True
    scene.render.use_sequencer = False
    output.set_still(scene)
    scene.render.image_settings.color_mode = "RGBA"
    scene.frame_set(4)
    scene.render.filepath = str(picture)
    bpy.ops.render.render(write_still=True)

    alpha = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)[..., 3] > 127
    fine = 8  # a pixel counts where half of it is covered
    drawn = np.zeros([side * fine for side in alpha.shape], np.uint8)
    irises = canonical_face().iris_triangles
    for triangle in track.points[0, :, :2][np.concatenate([face_triangles(), irises])]:
        # Pixels have their middle at one half.
        corners = np.round((triangle * fine - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(drawn, corners, 255, cv2.LINE_8, 4)
    covered = cv2.resize(drawn, alpha.shape[::-1], interpolation=cv2.INTER_AREA) > 127
    assert alpha.sum() > 5000
    assert (alpha & covered).sum() / (alpha | covered).sum() > 0.99
    # Half a pixel beside is seen: the edges would differ on one side.
    columns = np.flatnonzero(alpha.any(axis=0))
    assert abs(track.points[0, :, 0].min() - columns[0]) < 0.75
    assert abs(track.points[0, :, 0].max() - columns[-1] - 1) < 0.75


def test_a_puppet_bound_to_a_character_is_captured_as_deformed(add_on: None) -> None:
    """By Surface Deform."""
    scene, face = stage()
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=12, y_subdivisions=12, size=0.6)
    skin = bpy.context.object
    skin.rotation_euler, skin.location = (math.radians(90), 0, 0), (0, 0.02, 0)
    skin.shape_key_add(name="Basis")
    key = skin.shape_key_add(name="raised")
    key.value = 0  # 5.0 and later begin with 1
    for point in key.data:
        point.co.y += 0.05 + point.co.x * 0.1
    bpy.context.view_layer.objects.active = face
    modifier = face.modifiers.new("bound", "SURFACE_DEFORM")
    modifier.target = skin
    with bpy.context.temp_override(object=face, active_object=face):
        bpy.ops.object.surfacedeform_bind(modifier="bound")
    scene.frame_set(3)
    assert modifier.is_bound
    before = viewport.look(scene, face.name, "").points
    key.value = 1
    bpy.context.view_layer.update()
    after = viewport.look(scene, face.name, "").points
    assert before is not None and after is not None
    assert np.linalg.norm(after - before, axis=1).min() > 3
    truth = seen_by_blender(scene, face, scene.frame_current)
    assert np.abs(after[:, :2] - truth).max() < 1e-3


def test_what_cannot_be_captured_is_refused_in_one_line(out: Path) -> None:
    def refuses(words: str, **how: Any) -> None:
        with pytest.raises(InputError, match=words) as refusal:
            _captured(out, **how)
        assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300

    refuses("no puppet in the scene")
    scene, face = stage()
    camera = scene.camera
    refuses("Suzanne", puppet_name="Suzanne")
    refuses("478 vertices", puppet_name="camera")
    modifier = face.modifiers.new("finer", "SUBSURF")
    refuses("modifier")
    face.modifiers.remove(modifier)
    camera.rotation_euler[2] += math.pi
    refuses("behind")
    camera.data.type = "PANO"
    refuses("panoramic")
    scene.camera = None
    refuses("camera")
    says_no("no control curves", ops.puppet_follow)
    ops.puppet_add()
    bpy.context.view_layer.objects.active = None
    refuses("several puppets", camera="camera")
    assert not out.exists() and scene.frame_current == 1


def test_another_camera_begins_another_shot(out: Path) -> None:
    """From frame 4 on, by a marker on the timeline; one frame shows no face."""
    scene, _ = stage()
    other = scene.camera.copy()
    scene.collection.objects.link(other)
    other.location.x += 0.05
    for frame, camera in ((1, scene.camera), (4, other)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    other.keyframe_insert("location", frame=5)
    other.location.y += 9
    other.keyframe_insert("location", frame=6)
    track = _captured(out)
    assert list(track.cuts) == [3]
    assert track.valid.tolist() == [True] * 5 + [False]  # it has moved through the face


def test_a_capture_that_is_ended_early_leaves_nothing(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by ESC in a window, a frame at a time."""
    scene, _ = stage()
    scene.frame_set(2)
    monkeypatch.setattr(viewport_recording, "_SLICE", 0)
    recording = PuppetRecording(bpy.context, out, "", "", (4, 6))
    recording.begin()
    assert recording.go_on() and recording.go_on()
    assert recording.words().startswith("Capturing frame 2 of 3")
    assert scene.frame_current == 5
    recording.stop()
    assert scene.frame_current == 2 and not out.exists()


def test_the_face_camera_sees_the_face_straight_and_whole(scene: Any, out: Path) -> None:
    """A puppet somewhere in the scene, turned about; the camera that the add-on puts before it."""
    scene.frame_end = 1
    ops.puppet_add()
    head = puppet.puppets(scene)[0].parent
    head.location, head.rotation_euler = (3, -2, 1.6), (0.2, -0.4, 2.2)
    ops.puppet_camera()
    assert scene.camera.name == "Likeness camera"
    points = _captured(out).points[0]
    width, height = scene.render.resolution_x, scene.render.resolution_y
    left, top = points[:, :2].min(axis=0)
    right, bottom = points[:, :2].max(axis=0)
    assert 0 < left < right < width and 0.2 * height < bottom - top < 0.9 * height
    # As the canonical face stands in the picture: moved and scaled, not turned.
    mean = canonical_face().mean
    scale = (right - left) / np.ptp(mean[:, 0])
    apart = (points - points.mean(axis=0)) / scale - (mean - mean.mean(axis=0))
    assert np.abs(apart[:, :2]).max() < 0.1


def test_a_reloaded_puppet_is_captured_alike(out: Path, tmp_path: Path) -> None:
    stage()
    before = _captured(out)
    blend = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    bpy.ops.wm.open_mainfile(filepath=blend)
    after = _captured(tmp_path / "again.track.npz")
    assert before.points.tobytes() == after.points.tobytes()


def test_the_scene_is_rendered_as_footage_without_its_strips(add_on: None, tmp_path: Path) -> None:
    scene, _ = stage()
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.rotation_euler = (math.radians(70), 0, 0)
    scene.collection.objects.link(sun)
    scene.render.resolution_percentage = 50
    scene.render.filepath = "//mine"
    scene.sequence_editor_create()
    versions.strips(scene.sequence_editor).new_effect(
        name="red",
        type="COLOR",
        channel=1,
        frame_start=1,
        **({"length": 9} if bpy.app.version >= (5, 0) else {"frame_end": 9}),
    )
    before = _settings(scene)
    out = tmp_path / "any é.mp4"
    recording = RenderRecording(bpy.context, out, "", (2, 4))
    recording.run()
    assert recording.finish() == "3 frames rendered as footage"
    with pytest.raises(InputError, match="none"):
        RenderRecording(bpy.context, tmp_path / "any e.mp4" / "x.mp4", "none", (2, 4))
    assert _settings(scene) == before  # every render setting is back
    pictures = read_clip(out)
    assert len(pictures) == 3
    assert pictures[0].shape == (120, 160, 3)
    # The strip is red all over; the face is in the middle, on the empty world's grey.
    assert np.ptp(pictures[0].astype(int).mean(axis=2)) > 10
    assert np.abs(pictures[0].astype(int).mean(axis=(0, 1)) - (255, 0, 0)).max() > 100
    assert not list(tmp_path.glob("likeness-*"))


def _settings(scene: Any) -> list[str]:
    owners = (scene.render, scene.render.image_settings, scene.render.ffmpeg)
    found = [
        f"{name} {getattr(owner, name)}"
        for owner in owners
        for name in owner.bl_rna.properties.keys()  # noqa: SIM118 (Blender's own mapping)
        if not name.endswith("settings") and name not in {"rna_type", "ffmpeg", "bake", "views"}
    ]
    return [
        *found,
        f"{scene.frame_start} {scene.frame_end} {scene.frame_current}",
        scene.camera.name,
    ]


def test_a_puppet_that_follows_curves_is_seen_where_the_performance_says(
    out: Path, samples: Path, tmp_path: Path
) -> None:
    """Through a camera that looks as the performance's does."""
    path = tmp_path / "take.performance.npz"
    performance = real_performance(samples, 8)
    # The puppet has the mean face and the controls, no one's own shape.
    performance = replace(
        performance, neutral=canonical_face().mean, residual=np.zeros_like(performance.residual)
    )
    save_performance(performance, path)

    scene, face = stage()
    empty = curves.load_curves(scene, path, start=10, face=read_face())
    kept = recordings.load_performance(path)
    width, height = kept.size
    scene.render.resolution_x, scene.render.resolution_y = width, height
    camera = scene.camera
    camera.data.type, camera.data.shift_x, camera.data.shift_y = "ORTHO", 0, 0
    camera.data.ortho_scale = 0.063 / float(np.median(kept.scale)) * max(width, height)
    camera.location, camera.rotation_euler = (0, -5, 0), (math.radians(90), 0, 0)
    bpy.context.view_layer.objects.active = face
    # The stage keyed shape keys and head: what follows must not fight it.
    face.data.shape_keys.animation_data_clear()
    face.parent.animation_data_clear()
    ops.puppet_follow(controls=empty.name)
    found, wanted = _captured(out, first=10, last=17).points, compose(performance).points
    assert np.abs(found[..., :2] - wanted[..., :2]).max() < 0.01
    # Depth counts from the head itself.
    away = found[..., 2] - wanted[..., 2]
    assert np.abs(away - away.mean(axis=1, keepdims=True)).max() < 0.01

    scene.frame_set(12)
    held = viewport.look(scene, face.name, "").points
    ops.puppet_release()
    scene.frame_set(14)
    released = viewport.look(scene, face.name, "").points
    assert held is not None and released is not None
    assert np.abs(held - released).max() < 0.01  # it stays as it was
    assert len(face.data.shape_keys.animation_data.drivers) == 0


def test_a_new_puppet_is_seen_and_nothing_stands_around_it(add_on: None) -> None:
    """In a new scene: its cube is hidden, not removed; a 3D view looks at the face from ahead."""
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    cube = scene.objects["Cube"]
    bpy.ops.mesh.primitive_cube_add(size=30)  # a room
    room = bpy.context.object
    bpy.ops.likeness.puppet_add()
    assert cube.hide_viewport and cube.hide_render and cube.name in scene.objects
    assert not room.hide_render
    (face,) = puppet.puppets(scene)
    face.parent.location, face.parent.rotation_euler = (1, 2, 3), (0, 0, 0.4)
    bpy.context.view_layer.update()
    area = next(
        area for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D"
    )
    view = area.spaces.active.region_3d
    workspace.look_at(view, face)
    assert tuple(view.view_location) == (1, 2, 3) and view.view_distance < 1
    ahead = view.view_rotation.to_matrix().col[2]  # from the face to the eye
    wanted = -face.parent.matrix_world.col[1].to_3d()
    assert (ahead - wanted).length < 1e-5
    bpy.ops.wm.read_factory_settings(use_empty=True)


def test_no_face_of_curves_hovers_beside_a_puppet(
    scene: Any, samples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "take.performance.npz"
    save_performance(real_performance(samples, 8), path)
    empty = curves.load_curves(scene, path, face=read_face())
    assert drawing.shown_empties(scene) == [empty]
    bpy.ops.likeness.puppet_add()
    assert drawing.shown_empties(scene) == []
    empty.select_set(True)
    assert drawing.shown_empties(scene) == [empty]
    puppet.follow(puppet.puppets(scene)[0], empty)
    assert drawing.shown_empties(scene) == []
