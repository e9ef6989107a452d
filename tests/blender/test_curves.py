# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance as curves on an Empty: edits come back, all else keeps its bits."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.controls import curves, layer, presets
from blender_addon.controls.channels import channels, stage_for, values_of
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


EDITS = (
    ('["jaw_open"]', 0, 4, 0.25),
    ("location", 2, 16, 0.01),
    ("rotation_euler", 2, 24, 0.1),
    ("scale", 0, 8, 0.1),
    ("scale", 1, 8, 0.1),
    ("scale", 2, 8, 0.1),
)
EDITED = {"controls": [4], "translation": [16], "scale": [8], "rotation": [24]}


def test_a_few_offsets_change_their_frames_alone(scene: Any, take: Path, tmp_path: Path) -> None:
    """Over a take without a key: keyed by hand, saved, opened again, and kept."""
    untouched, out = tmp_path / "same.performance.npz", tmp_path / "new.performance.npz"
    empty = edits.show_curves(bpy.context, scene, take, "take", start=101, pace=1.25)
    assert empty.select_get() and bpy.context.view_layer.objects.active == empty
    assert not versions.channelbag(empty).fcurves
    assert curves.edited_frames(empty) == [] and not curves.changed_since_kept(empty)
    curves.save_curves(empty, untouched)
    source = load_performance(take)
    assert changed(source, load_performance(untouched)) == {}
    for name, lowest in (("gaze_x", -1), ("jaw_open", 0)):
        limits = _limits(empty, name)
        assert (limits["soft_min"], limits["soft_max"]) == (lowest, 1)

    # The Empty plays the take; a value that is keyed there, by I over it, becomes an offset.
    jaw = CONTROL_NAMES.index("jaw_open")
    scene.frame_set(106)
    assert empty["jaw_open"] == pytest.approx(source.controls[4, jaw], abs=1e-5)
    for data_path, index, frame, step in EDITS:
        at, place = round(101 + 1.25 * frame), data_path.startswith("[")
        scene.frame_set(at)
        if place:
            empty["jaw_open"] += step
        else:
            getattr(empty, data_path)[index] += step
        empty.keyframe_insert(data_path, index=-1 if place else index, frame=at)
        # Nothing before it and after it: the neighbouring frames of the take lie 1.25 away.
        curve = versions.channelbag(empty).fcurves.find(data_path, index=index)
        assert [round(key.co[1], 5) for key in curve.keyframe_points] == [step]
        for beside in (at - 1, at + 1):
            curve.keyframe_points.insert(beside, 0)
        curve.update()
    assert curves.changed_since_kept(empty)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    reopened()
    empty = bpy.data.objects["take"]
    assert curves.edited_frames(empty) == [4, 8, 16, 24]
    assert curves.save_curves(empty, out) == [4, 8, 16, 24]
    assert not curves.changed_since_kept(empty)
    _assert_edited(source, load_performance(out))
    with pytest.raises(InputError, match="give another file"):
        curves.save_curves(empty, take)

    # Another track would be seen, and not be in what is kept.
    empty.animation_data.nla_tracks.new().strips.new("own", 1, empty.animation_data.action)
    with pytest.raises(InputError, match="not a part of its take"):
        curves.edited_frames(empty)


def test_amplitude_and_smoothing_are_seen_and_kept(scene: Any, take: Path, tmp_path: Path) -> None:
    empty, source = edits.show_curves(bpy.context, scene, take, "take"), load_performance(take)
    jaw, brow = (CONTROL_NAMES.index(name) for name in ("jaw_open", "brow_up_left"))
    chosen = {each.name: each for each in curves.shapings(empty)}
    chosen["jaw_open"].amplitude, chosen["brow_up_left"].smoothing = 0.5, 0.4
    assert curves.changed_since_kept(empty)
    scene.frame_set(6)
    assert empty["jaw_open"] == pytest.approx(0.5 * source.controls[5, jaw], abs=1e-5)
    out = tmp_path / "new.performance.npz"
    curves.save_curves(empty, out)
    new, valid = load_performance(out), source.valid
    assert set(changed(source, new)) == {"controls"}
    assert new.controls[valid, jaw] == pytest.approx(0.5 * source.controls[valid, jaw], abs=1e-6)
    rough, smooth = (np.abs(np.diff(p.controls[:10, brow], 2)).sum() for p in (source, new))
    assert smooth < 0.6 * rough
    others = [k for k in range(len(CONTROL_NAMES)) if k not in (jaw, brow)]
    assert (new.controls[valid][:, others] == source.controls[valid][:, others]).all()


def test_presets_are_a_few_keys_over_the_take(scene: Any, take: Path, tmp_path: Path) -> None:
    source = load_performance(take)
    lid, jaw = (CONTROL_NAMES.index(name) for name in ("blink_left", "jaw_open"))
    out = tmp_path / "new.performance.npz"
    for name in presets.PRESETS:
        empty = edits.show_curves(bpy.context, scene, take, name)
        presets.add(empty, name, 19, 24)
        found = curves.save_curves(empty, out)
        new = load_performance(out)
        keys = [curve.keyframe_points for curve in versions.channelbag(empty).fcurves]
        assert 18 in found and 1 <= len(keys) <= 6 and all(len(each) == 4 for each in keys), name
        if name == "BLINK":
            assert new.controls[18, lid] == pytest.approx(1, abs=1e-4) and 4 <= len(found) <= 8
        elif name == "NOD":
            assert set(changed(source, new)) == {"rotation"}
            turn = to_matrices(new.rotation[[18]])[0] @ to_matrices(source.rotation[[18]])[0].T
            forward = turn @ [0, 0, -1]  # where the face looks, y down in the picture
            assert forward[1] > 0.1
        elif name == "AH":
            assert new.controls[18, jaw] == pytest.approx(0.7, abs=1e-4)
        # Twice at the same place is once: the lids are closed already.
        if name in ("BLINK", "AH"):
            presets.add(empty, name, 19, 24)
            curves.save_curves(empty, out)
            assert np.allclose(load_performance(out).controls[18], new.controls[18], atol=1e-3)
            presets.back_to_take(empty, 18)
            curves.save_curves(empty, out)
            assert np.allclose(load_performance(out).controls[17], source.controls[17], atol=1e-5)


def test_offsets_lie_over_a_take_that_was_updated(scene: Any, take: Path, tmp_path: Path) -> None:
    empty, source = edits.show_curves(bpy.context, scene, take, "take"), load_performance(take)
    out, lid = tmp_path / "new.performance.npz", CONTROL_NAMES.index("blink_right")
    presets.add(empty, "BLINK", 19, 24)
    curves.save_curves(empty, out)
    assert not curves.changed_since_kept(empty)
    cleaner = replace(source, controls=(source.controls * 0.5).astype(np.float32))
    save_performance(cleaner, take)
    assert curves.changed_since_kept(empty)
    found = curves.save_curves(empty, out)
    new = load_performance(out)
    before = new.controls[18, lid] - cleaner.controls[18, lid]
    assert before == pytest.approx(1 - source.controls[18, lid], abs=1e-4)
    assert changed(cleaner, new) == {"controls": found}
    scene.frame_set(2)
    assert empty["jaw_open"] == pytest.approx(
        cleaner.controls[1, CONTROL_NAMES.index("jaw_open")], abs=1e-5
    )


def test_offsets_over_edits_that_were_kept_are_added_once(
    scene: Any, take: Path, tmp_path: Path
) -> None:
    """Edits are kept and their Empty deleted; over them lie new ones, which are kept twice."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    shot = scene.likeness.takes.add()
    shot.name, shot.uid, shot.slug, shot.start, shot.frames = "take", "1", "take-1", 1, FRAMES
    shot.performance, shot.last, shot.rate = str(take), FRAMES - 1, (24, 1)
    jaw, source = CONTROL_NAMES.index("jaw_open"), load_performance(take)

    def kept_with(steps: dict[int, float]) -> np.ndarray:
        edits.load_curves(bpy.context, scene)
        empty = edits.controls_of(scene, shot)
        for frame, step in steps.items():
            added = {frame - 1: 0.0, frame: step, frame + 1: 0.0}
            layer.add_keys(empty, '["jaw_open"]', 0, "", added)
        edits.keep_curves(scene, shot)
        new = load_performance(Path(bpy.path.abspath(shot.edited)))
        return (new.controls - source.controls)[[4, 7, 20], jaw]

    assert kept_with({5: 0.1}) == pytest.approx([0.1, 0, 0], abs=1e-5)
    first = shot.edited
    bpy.data.objects.remove(edits.controls_of(scene, shot))
    assert kept_with({8: 0.2}) == pytest.approx([0.1, 0.2, 0], abs=1e-5)
    assert kept_with({21: 0.3}) == pytest.approx([0.1, 0.2, 0.3], abs=1e-5)
    # Without them those that were kept first are left.
    for curve in versions.channelbag(edits.controls_of(scene, shot)).fcurves:
        curve.keyframe_points.clear()
    edits.keep_curves(scene, shot)
    assert shot.edited == first


def test_offsets_are_not_taken_for_the_take_when_its_track_is_gone(
    scene: Any, take: Path, tmp_path: Path
) -> None:
    empty, out = edits.show_curves(bpy.context, scene, take, "take"), tmp_path / "o.performance.npz"
    presets.add(empty, "AH", 19, 24)
    found = curves.save_curves(empty, out)
    before = out.read_bytes()
    tracks = empty.animation_data.nla_tracks
    for spoil in (
        lambda: tracks[0].strips.remove(tracks[0].strips[0]),
        lambda: setattr(tracks[0], "name", "mine"),
        lambda: tracks.remove(tracks[0]),
    ):
        spoil()
        with pytest.raises(InputError, match="press Edit as Curves again"):
            curves.save_curves(empty, out)
        curves.shapings(empty)[0].amplitude = 1.0  # nothing is there to be shown
        if tracks and tracks[0].name == "mine":
            tracks.remove(tracks[0])
        assert curves.show_again(empty) and not curves.show_again(empty)
        assert curves.save_curves(empty, out) == found
        assert out.read_bytes() == before
        scene.frame_set(19)
        assert empty["jaw_open"] == pytest.approx(0.7, abs=1e-4)


def test_an_empty_of_an_earlier_likeness_is_read_as_it_was(
    scene: Any, take: Path, tmp_path: Path
) -> None:
    """It holds the take itself, a key a frame: edited by hand, saved, opened again, and kept."""
    out, beside = tmp_path / "new.performance.npz", tmp_path / "beside.performance.npz"
    empty, source = _dense(scene, take, start=101, pace=1.25), load_performance(take)
    assert curves.edited_frames(empty) == []
    for data_path, index, frame, step in EDITS:
        curve = versions.channelbag(empty).fcurves.find(data_path, index=index)
        # The gap has no keys: frame 24 is key 21.
        curve.keyframe_points[frame - len(GAP) * (frame > GAP[0])].co.y += step
        curve.update()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    reopened()
    empty = bpy.data.objects["dense"]
    for path in (out, beside):
        assert curves.save_curves(empty, path) == [4, 8, 16, 24]
    _assert_edited(source, load_performance(out))
    assert changed(load_performance(out), load_performance(beside)) == {}

    # Saved over its own source it settles; another file in the source's place is refused.
    assert curves.save_curves(empty, take) == [4, 8, 16, 24]
    assert curves.save_curves(empty, take) == []
    take.write_bytes(take.read_bytes() + b" ")
    with pytest.raises(InputError, match="load them again"):
        curves.save_curves(empty, out)


def test_what_is_not_there_is_said(scene: Any, take: Path, tmp_path: Path) -> None:
    empty, out = curves.load_curves(scene, take, "again"), tmp_path / "new.performance.npz"
    take.unlink()
    with pytest.raises(InputError, match="no such"):
        curves.save_curves(empty, out)
    with pytest.raises(InputError, match="nobody"):
        curves.find_controls(scene, "nobody")
    with pytest.raises(InputError, match="no such performance"):
        curves.load_curves(scene, take)
    assert not out.exists()


def _limits(empty: Any, name: str) -> Any:
    return empty.id_properties_ui(name).as_dict()


def _assert_edited(source: Performance, new: Performance) -> None:
    """EDITS, and nothing else."""
    assert changed(source, new) == EDITED
    jaw = CONTROL_NAMES.index("jaw_open")
    assert new.controls[4, jaw] == pytest.approx(source.controls[4, jaw] + 0.25, abs=1e-5)
    # A centimetre up is that much of the eyes' distance of 63 mm, at the usual scale.
    pixels = 0.01 / 0.063 * float(np.median(source.scale[source.valid]))
    move = new.translation[16] - source.translation[16]
    assert move == pytest.approx([0, -pixels, 0], abs=1e-3)
    assert new.scale[8] / source.scale[8] == pytest.approx(1.1, abs=0.01)
    turn = to_matrices(new.rotation[[24]])[0] @ to_matrices(source.rotation[[24]])[0].T
    assert np.arccos((np.trace(turn) - 1) / 2) == pytest.approx(0.1, abs=1e-4)
    # Up in Blender and in the picture's y: to the person's left is to the right of the picture.
    points = compose(new).points[24] - compose(source).points[24]
    assert points[4, 0] > 0.5


def _dense(scene: Any, take: Path, start: float, pace: float) -> Any:
    """The Empty of a take as it was before there were offsets."""
    performance = recordings.load_performance(take)
    empty = bpy.data.objects.new("dense", None)
    empty.rotation_mode = "XYZ"
    scene.collection.objects.link(empty)
    empty["likeness_performance"] = str(take)
    empty["likeness_digest"] = hashlib.sha256(take.read_bytes()).hexdigest()
    empty["likeness_start"], empty["likeness_pace"] = start, pace
    for name in performance.names:
        empty[name] = 0.0
    bag = versions.new_channelbag(empty, "dense curves")
    values = values_of(performance, stage_for(performance))
    for (data_path, index, _), column in zip(channels(performance.names), values.T, strict=True):
        curve = bag.fcurves.new(data_path, index=index)
        for frame in np.flatnonzero(performance.valid).tolist():
            curve.keyframe_points.insert(start + pace * frame, column[frame], options={"FAST"})
        curve.update()
    return empty


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
