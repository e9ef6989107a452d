# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance as curves on an Empty: edits come back, all else keeps its bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.controls import curves
from blender_addon.controls.head_pose import from_eulers, rotation_vectors, to_eulers
from blender_addon.errors import InputError
from blender_addon.performance import edits
from blender_addon.storage import recordings
from inference.performance.face.controls import CONTROL_NAMES
from inference.performance.face.decompose import compose
from inference.performance.face.rotations import to_matrices
from inference.performance.taking.performance import Performance, load_performance, save_performance
from tests.blender.performances import real_performance
from tests.blender.shoot import reopened

pytestmark = pytest.mark.blender

FRAMES, GAP = 30, (10, 11, 12)
MOVING = ("controls", "rotation", "translation", "scale", "residual")


@pytest.fixture
def take(samples: Path, tmp_path: Path) -> Path:
    path = tmp_path / "take é.performance.npz"
    save_performance(real_performance(samples, FRAMES, GAP), path)
    return path


def changed(one: Performance, two: Performance) -> dict[str, list[int]]:
    """For each array the frames whose bits differ."""
    found = {}
    for name in MOVING:
        pairs = zip(getattr(one, name), getattr(two, name), strict=True)
        frames = [f for f, (a, b) in enumerate(pairs) if a.tobytes() != b.tobytes()]
        if frames:
            found[name] = frames
    return found


def test_edited_keys_change_their_frames_alone(scene: Any, take: Path, tmp_path: Path) -> None:
    """Loaded, edited by hand, saved, opened again, and saved once more."""
    untouched, out = tmp_path / "same.performance.npz", tmp_path / "new.performance.npz"
    beside = tmp_path / "take é.edited.performance.npz"
    empty = edits.show_curves(bpy.context, scene, take, "take", start=101, pace=1.25)
    # The Graph Editor shows what is selected, and a drag moves the keys that are.
    assert empty.select_get() and bpy.context.view_layer.objects.active == empty
    assert not any(key.select_control_point for key in _keys(empty))
    assert curves.edited_frames(empty) == []
    curves.save_curves(empty, untouched)
    source = load_performance(take)
    assert changed(source, load_performance(untouched)) == {}
    assert len(versions.channelbag(empty).fcurves) == len(CONTROL_NAMES) + 9
    assert len(_keys(empty)) == FRAMES - len(GAP)
    for name, lowest in (("gaze_x", -1), ("jaw_open", 0)):
        limits = _limits(empty, name)
        assert (limits["soft_min"], limits["soft_max"]) == (lowest, 1)

    # The gap has no keys: key 20 is frame 23.
    for data_path, index, key, step in (
        ('["jaw_open"]', 0, 4, 0.25),
        ("location", 2, 6, 0.01),
        ("rotation_euler", 2, 20, 0.1),
        ("scale", 0, 8, 0.1),
        ("scale", 1, 8, 0.1),
        ("scale", 2, 8, 0.1),
    ):
        curve = versions.channelbag(empty).fcurves.find(data_path, index=index)
        curve.keyframe_points[key].co.y += step
        curve.update()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    reopened()
    assert curves.edited_frames(bpy.data.objects["take"]) == [4, 6, 8, 23]
    for path in (out, beside):
        curves.save_curves(bpy.data.objects["take"], path)
    new = load_performance(out)
    assert changed(source, new) == {
        "controls": [4],
        "translation": [6],
        "scale": [8],
        "rotation": [23],
    }
    assert changed(new, load_performance(beside)) == {}

    jaw = CONTROL_NAMES.index("jaw_open")
    assert new.controls[4, jaw] == pytest.approx(source.controls[4, jaw] + 0.25, abs=1e-6)
    # A centimetre up is that much of the eyes' distance of 63 mm, at the usual scale.
    pixels = 0.01 / 0.063 * float(np.median(source.scale[source.valid]))
    move = new.translation[6] - source.translation[6]
    assert move == pytest.approx([0, -pixels, 0], abs=1e-3)
    assert new.scale[8] / source.scale[8] == pytest.approx(1.1, abs=0.01)
    turn = to_matrices(new.rotation[[23]])[0] @ to_matrices(source.rotation[[23]])[0].T
    assert np.arccos((np.trace(turn) - 1) / 2) == pytest.approx(0.1, abs=1e-4)
    # Up in Blender and in the picture's y: to the person's left is to the right of the picture.
    points = compose(new).points[23] - compose(source).points[23]
    assert points[4, 0] > 0.5


def _limits(empty: Any, name: str) -> Any:
    return empty.id_properties_ui(name).as_dict()


def _keys(empty: Any) -> Any:
    return versions.channelbag(empty).fcurves.find("location", index=0).keyframe_points


def test_saving_over_the_source_settles_and_a_strange_source_is_refused(
    scene: Any, take: Path, tmp_path: Path
) -> None:
    empty = curves.load_curves(scene, take, "take")
    curve = versions.channelbag(empty).fcurves.find("rotation_euler", index=2)
    curve.keyframe_points[3].co.y += 0.1
    curve.update()
    assert curves.save_curves(empty, take) == [3]
    bits = take.read_bytes()
    assert curves.save_curves(empty, take) == []
    settled = recordings.load_performance(take)
    take.write_bytes(bits)
    assert recordings.load_performance(take).rotation.tobytes() == settled.rotation.tobytes()

    again = curves.load_curves(scene, take, "again")
    other, out = take.with_name("other.performance.npz"), tmp_path / "new.performance.npz"
    recordings.save_performance(settled, other)
    take.write_bytes(other.read_bytes() + b" ")
    with pytest.raises(InputError, match="load them again"):
        curves.save_curves(again, out)
    take.unlink()
    with pytest.raises(InputError, match="no such performance"):
        curves.save_curves(again, out)
    with pytest.raises(InputError, match="nobody"):
        curves.find_controls(scene, "nobody")
    with pytest.raises(InputError, match="no such performance"):
        curves.load_curves(scene, take)
    assert not out.exists()


def test_angles_come_back_as_the_same_rotation(rng: np.random.Generator) -> None:
    axes = rng.normal(size=(500, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    vectors = axes * rng.uniform(0, np.pi - 1e-3, (500, 1))
    vectors[0] = 0
    assert np.abs(from_eulers(to_eulers(vectors)) - vectors).max() < 1e-6
    assert np.abs(rotation_vectors(to_matrices(vectors)) - vectors).max() < 1e-6


def test_angles_of_a_head_that_turns_around_do_not_jump() -> None:
    yaw = np.linspace(-4, 4, 200)
    vectors = np.outer(yaw, [0.1, 1, 0.05])
    assert np.abs(np.diff(to_eulers(vectors), axis=0)).max() < 0.2
