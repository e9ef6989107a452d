# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay's places on the screen against Blender's own pixels; its life without a window."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.errors import InputError
from blender_addon.overlay import drawing, geometry, layers, strips
from blender_addon.overlay.recordings import recording_of
from blender_addon.sequencer import output
from blender_addon.storage.canonical import EYE_DISTANCE, read_face
from blender_addon.storage.recordings import load_performance
from inference.performance.face.decompose import decompose
from inference.performance.taking.performance import save_performance
from inference.track import save_track
from tests.blender.performances import real_performance, real_track
from tests.blender.shoot import reopened

pytestmark = pytest.mark.blender

FRAME, DOT = (400, 300), (60, 50)  # the dot's middle in the picture, y down
CROPPED = (35, 20)  # pixels cut off at the left and at the top; the dot's stay
CORNER = {"rotation": 0.3, "origin": (0.1, 0.8), "scale_x": 1.2, "scale_y": 0.9}
# The picture's size, its transform, mirroring, crop, and the render's percentage.
PLACES: dict[str, tuple[tuple[int, int], dict[str, Any], tuple[bool, bool], Any, int]] = {
    "as it is": ((200, 160), {}, (False, False), (0, 0), 100),
    "moved and larger": (
        (201, 161), {"offset_x": 30, "offset_y": -20, "scale_x": 1.5, "scale_y": 1.5},
        (False, False), (0, 0), 100,
    ),
    "turned about a corner": ((200, 160), CORNER, (False, False), (0, 0), 100),
    "mirrored": ((200, 160), {"offset_x": 40, "offset_y": 10}, (True, False), (0, 0), 100),
    "upside down": ((200, 161), {"offset_x": 40, "offset_y": 10}, (False, True), (0, 0), 100),
    "cropped": ((200, 160), {"offset_x": 30, **CORNER}, (False, False), CROPPED, 100),
    "at half the size": (
        (200, 160), {"offset_x": 40, "offset_y": 10, **CORNER}, (True, False), CROPPED, 50
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_points_lie_over_the_strips_pixels(scene: Any, tmp_path: Path, name: str) -> None:
    """A picture strip as the artist placed it, rendered: where do its pixels lie?"""
    size, transform, flip, crop, percentage = PLACES[name]
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[DOT[1] - 5 : DOT[1] + 5, DOT[0] - 5 : DOT[0] + 5] = 255
    path, out = tmp_path / "dot.png", tmp_path / "frame.png"
    cv2.imwrite(str(path), picture)
    versions.edit_in_every_workspace(scene)
    strip = versions.strips(scene.sequence_editor_create()).new_image(
        name="dot", filepath=str(path), channel=1, frame_start=1, fit_method="ORIGINAL"
    )
    for key, value in transform.items():
        setattr(strip.transform, key, value)
    strip.use_flip_x, strip.use_flip_y = flip
    strip.crop.min_x, strip.crop.max_y = crop
    scene.render.resolution_x, scene.render.resolution_y = FRAME
    scene.render.resolution_percentage = percentage
    output.set_still(scene)
    scene.view_settings.view_transform = "Standard"
    output.render_still(scene, out, 1)
    rendered = cv2.imread(str(out))[..., 0].astype(float)
    height, width = rendered.shape
    rows, columns = np.mgrid[:height, :width] + 0.5
    total = rendered.sum()
    found = np.array([(columns * rendered).sum(), (rows * rendered).sum()]) / total

    element = strip.elements[0]
    place = strips.place_of(strip, (element.orig_width, element.orig_height), scene.render, None)
    # The preview shows the frame at its full size, whatever it was put together at.
    x, y = geometry.on_frame(np.array(DOT, np.float64), place)
    seen = (width / 2 + x * percentage / 100, height / 2 - y * percentage / 100)
    assert seen == pytest.approx(tuple(found), abs=0.2)


# What is changed of a strip that lies above the actor's, just as large, and whether it hides it.
ABOVE: dict[str, tuple[str, dict[str, Any], bool]] = {
    "as it is": ("strip", {}, True),
    "a portrait of ours": ("tag", {"likeness": "portrait:a"}, True),
    "a head of ours": ("tag", {"likeness": "head:a:b"}, False),
    "muted": ("strip", {"mute": True}, False),
    "its channel muted": ("channel", {"mute": True}, False),
    "seen through": ("strip", {"blend_alpha": 0.5}, False),
    "added": ("strip", {"blend_type": "ADD"}, False),
    "aside": ("transform", {"offset_x": 150}, False),
    "aside, the frame black": ("strip", {"blend_type": "REPLACE"}, True),
    "turned": ("transform", {"rotation": 0.3}, True),
    "mirrored": ("strip", {"use_flip_x": True}, True),
    "cropped beside the face": ("crop", {"min_x": 130}, False),
    "cropped above the face": ("crop", {"max_y": 20}, True),
    "below": ("strip", {"channel": 1}, False),
    "ended": ("scene", {"frame_current": 2}, False),
}


def test_what_another_strip_hides_is_not_drawn_over_it(add_on: None, tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((160, 200, 3), 90, np.uint8))
    found = {name: _hidden(path, *case[:2]) for name, case in ABOVE.items()}
    assert found == {name: case[2] for name, case in ABOVE.items()}


def _hidden(picture: Path, where: str, values: dict[str, Any]) -> bool:
    """Whether a face in the middle of a strip is hidden by the one above, changed like that."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = FRAME
    editor = scene.sequence_editor_create()
    actor, above = (
        versions.strips(editor).new_image(
            name=name,
            filepath=str(picture),
            channel=channel,
            frame_start=1,
            fit_method="ORIGINAL",
        )
        for name, channel in (("actor", 2), ("above", 3))
    )
    things = {"strip": above, "channel": editor.channels[3], "scene": scene}
    thing = things.get(where) or getattr(above, where, above)
    for name, value in values.items():
        if where == "tag":
            above[name] = value
        else:
            setattr(thing, name, value)
    size = strips.size_of(actor)
    assert size is not None
    face = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.6]], np.float64) * size
    points = geometry.on_frame(face, strips.place_of(actor, size, scene.render, None))
    found = strips.hidden_by(scene, actor, points)
    assert found is None or found.name == "above"
    return found is not None


def test_the_crops_line_has_its_width_everywhere() -> None:
    corners = geometry.corners((10, 20, 30, 40))
    assert corners.tolist() == [[10, 20], [40, 20], [40, 60], [10, 60]]
    triangles = geometry.frame(corners, 2).reshape(8, 3, 2)
    covered = np.zeros((80, 60), np.uint8)
    for triangle in triangles:
        cv2.fillConvexPoly(covered, np.round(triangle * 16).astype(np.int32), 1, shift=4)
    assert not covered[24:57, 14:37].any()  # 2 to each side, and OpenCV's own rim
    filled = covered.copy()
    filled[21:60, 11:40] = 1
    assert filled[19:62, 9:42].all()
    filled[17:64, 7:44] = 0
    assert not filled.any()


def test_layers_survive_a_reload_and_drawing_never_raises(
    scene: Any, samples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "take.track.npz"
    save_track(real_track(samples, 4), path)
    layers.set_layer(scene, "take", str(path), "actor", start=12, pace=0.5)
    layers.set_layer(scene, "take", str(path), "actor", start=13, pace=0.5)
    layers.set_layer(scene, "other", str(path), "actor")
    layers.remove_layer(scene, "other")
    layers.remove_layer(scene, "other")
    scene.likeness_overlay.mesh = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    shown = reopened().likeness_overlay
    assert [(x.name, x.target, x.start, x.pace) for x in shown.layers] == [
        ("take", "actor", 13, 0.5)
    ]
    assert shown.mesh

    drawing.add_handlers(layers.layers_of)
    # There is no region: it must say so once, and not raise.
    drawing.draw("preview", layers.layers_of)
    drawing.draw("preview", layers.layers_of)
    assert capfd.readouterr().err.count("the overlay is off") == 1
    drawing.remove_handlers()
    drawing.remove_handlers()
    assert len(drawing._handlers) == 0


def test_every_file_is_drawn_as_the_face_it_holds(samples: Path, tmp_path: Path) -> None:
    track = real_track(samples, 6, gap=(2,))
    seen = track.points[..., :2]
    path = tmp_path / "take.track.npz"
    save_track(track, path)
    drawn = recording_of(path)
    assert (drawn.count, drawn.size, drawn.confidence) == (6, track.size, None)
    assert drawn.points(4) == pytest.approx(seen[4], abs=1e-4)
    for name, focal in (("weak", None), ("lens", 1.2 * max(track.size))):
        path = tmp_path / f"{name}.performance.npz"
        performance = decompose(track, focal=focal)
        save_performance(performance, path)
        drawn = recording_of(path)
        assert drawn.confidence == pytest.approx(performance.confidence)
        for index in (0, 5):
            assert drawn.points(index) == pytest.approx(seen[index], abs=0.02)
        assert np.isnan(drawn.points(2)).all()  # a gap
    # A take that was made anew is read anew.
    save_performance(decompose(real_track(samples, 3)), path)
    os.utime(path, ns=(1, 1))
    assert recording_of(path).count == 3
    still = tmp_path / "face.npy"
    np.save(still, track.points[0])
    assert recording_of(still, (64, 48)).size == (64, 48)
    for wrong in (tmp_path / "gone.npy", path.with_name("face.track.npz")):
        with pytest.raises(InputError, match=wrong.name):
            recording_of(wrong)


def test_the_face_in_the_3d_view_is_the_performers(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "take.performance.npz"
    save_performance(real_performance(samples, 6), path)
    performance = load_performance(path)
    face = read_face()
    controls = performance.controls[3].astype(np.float64)
    world = geometry.face_in_world(performance, face, 3, controls, np.eye(4))
    shape = performance.neutral + performance.controls[3] @ face.basis.reshape(25, -1).reshape(
        25, 478 * 3
    ).reshape(25, 478, 3).transpose(1, 0, 2)
    shape = shape + performance.residual[3]
    # x stays, y down becomes -z, z away becomes y; metres.
    assert world / EYE_DISTANCE == pytest.approx(
        np.column_stack([shape[:, 0], shape[:, 2], -shape[:, 1]]), abs=1e-5
    )


def test_a_view_in_perspective() -> None:
    # A view along +y from (0, -2, 0), half a right angle wide: x / depth and z / depth.
    matrix = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0.9, 0, 1], [0, 1, 0, 2]], np.float64)
    points = np.array([[0, 0, 0], [2, 0, 1], [0, 2, 0]], np.float64)
    seen = geometry.from_world(points, matrix, (200, 100))
    assert seen == pytest.approx(np.array([[100, 50], [200, 75], [100, 50]]))
    assert geometry.from_world(points - (0, 3, 0), matrix, (200, 100)) is None


@pytest.mark.parametrize(
    ("frame", "index"), [(9, None), (10, 0), (11, 0), (12, 1), (17, 3), (18, None)]
)
def test_a_slower_recording_stays_for_two_frames(frame: int, index: int | None) -> None:
    assert geometry.index_at(frame, 10, 2.0, 4) == index


def test_colours_go_from_red_to_green() -> None:
    low, middle, high = (geometry.colour_of(value) for value in (0, 0.5, 1))
    assert low[0] > low[1] and high[1] > high[0] and middle[0] > 0.9 < middle[1] + 0.3
    assert geometry.colour_of(None) == geometry.PLAIN == geometry.colour_of(math.nan)


def test_every_edge_is_drawn_once() -> None:
    face = read_face()
    pairs = geometry.edges(face.triangles)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    # Euler's number of a sheet with three holes: V - E + F = 1 - 3.
    used = len(np.unique(face.triangles))
    assert used - len(pairs) + len(face.triangles) == -2
