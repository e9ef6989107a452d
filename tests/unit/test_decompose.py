# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracks taken apart into pose, controls and a rest, and put together again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from inference.errors import InputError
from inference.performance.face.canonical import canonical_face, control_index
from inference.performance.face.controls import CONTROL_NAMES, CONTROLS, OPPOSITES
from inference.performance.face.decompose import compose, decompose, solve_controls
from inference.performance.face.pose import Pose, fit_pose, fit_poses
from inference.performance.face.rotations import from_angles, to_angles, to_matrices, to_vectors
from inference.track import LandmarkTrack, load_track


@pytest.fixture(scope="module")
def track(samples: Path) -> LandmarkTrack:
    """A real performance with a gap."""
    whole = load_track(samples / "weekly_address.track.npz")
    points, valid = whole.points[:120].copy(), whole.valid[:120].copy()
    points[40:44], valid[40:44] = np.nan, False
    return replace(whole, points=points, valid=valid)


def acted(
    controls: list[dict[str, float]], angles: list[tuple[float, float, float]]
) -> LandmarkTrack:
    """The mean face as the controls say, turned by yaw, pitch and roll in degrees."""
    face = canonical_face()
    rotations = to_matrices(from_angles(np.array(angles)))
    frames = []
    for values, rotation in zip(controls, rotations, strict=True):
        row = np.zeros(len(CONTROLS))
        for name, value in values.items():
            row[control_index(name)] = value
        pose = Pose(80.0, rotation, np.array([200.0, 150.0, 4.0]))
        frames.append(pose.apply(face.shape(row)))
    points = np.array(frames, np.float32)
    return LandmarkTrack(points, np.ones(len(points), bool), Fraction(25), (400, 300))


@pytest.mark.parametrize("focal", [None, 900.0])
def test_the_parts_add_up_to_the_track(track: LandmarkTrack, focal: float | None) -> None:
    performance = decompose(track, focal=focal)
    again = compose(performance)
    assert np.abs(again.points[track.valid] - track.points[track.valid]).max() < 0.01
    assert np.isnan(again.points[~track.valid]).all()
    assert np.isnan(performance.controls[~track.valid]).all()
    assert (performance.confidence[~track.valid] == 0).all()
    assert performance.camera == ("weak" if focal is None else "perspective")
    assert (again.rate, again.size, again.cuts) == (track.rate, track.size, track.cuts)


def test_the_controls_stay_in_their_ranges_and_tell_most_of_it(track: LandmarkTrack) -> None:
    p, face = decompose(track), canonical_face()
    seen = p.controls[p.valid]
    assert (seen >= face.low - 1e-6).all() and (seen <= face.high + 1e-6).all()
    told = np.tensordot(seen, face.basis, axes=1)[..., :2]
    rest = p.residual[p.valid][..., :2]
    assert (rest**2).sum() < 0.5 * ((told + rest) ** 2).sum()
    for one, other in OPPOSITES:
        pair = seen[:, [control_index(one), control_index(other)]]
        assert pair.min(axis=1).max() < 0.2, (one, other)


def test_the_named_frame_is_the_neutral(track: LandmarkTrack) -> None:
    p = decompose(track, neutral=60)
    assert np.abs(p.controls[60]).max() < 1e-3
    assert np.abs(p.residual[60]).max() < 1e-3
    with pytest.raises(InputError, match="no face in frame 41"):
        decompose(track, neutral=41)


@pytest.mark.parametrize("name", CONTROL_NAMES)
def test_each_control_is_read_back_as_itself(name: str) -> None:
    face = canonical_face()
    found = solve_controls(0.6 * face.basis[control_index(name)][None])[0]
    others = np.delete(found, control_index(name))
    # The lips' fine controls leave to the jaw what it can tell.
    assert found[control_index(name)] > (0.2 if name == "lower_lip_drop" else 0.4)
    assert np.abs(others).max() < found[control_index(name)]


def test_the_heads_pose_is_found_under_an_expression() -> None:
    angles = [(0.0, 0.0, 0.0), (20.0, -8.0, 5.0), (-25.0, 10.0, -12.0), (0.0, 0.0, 0.0)]
    strong = {"jaw_open": 1.0, "smile_left": 0.7, "brow_up_right": 0.8, "blink_left": 1.0}
    p = decompose(acted([{}, strong, strong, strong], angles), neutral=0)
    assert np.abs(to_angles(p.rotation) - np.array(angles)).max() < 0.7
    assert np.abs(p.scale / p.scale[0] - 1).max() < 0.005


def test_many_faces_are_fitted_as_each_of_them_alone(track: LandmarkTrack) -> None:
    faces = track.points[:40:8]
    onto = np.broadcast_to(track.points[100], faces.shape)
    together = fit_poses(faces, onto).apply(faces)
    alone = [fit_pose(face, onto[0]).apply(face) for face in faces]
    np.testing.assert_allclose(together, alone, atol=1e-4)  # pixels


@pytest.mark.parametrize("name", CONTROL_NAMES)
def test_no_control_turns_the_head(name: str) -> None:
    face = canonical_face()
    moved = face.mean + face.basis[control_index(name)]
    turn = np.linalg.norm(to_vectors(fit_pose(face.mean, moved).rotation[None]))
    assert np.degrees(turn) < 0.7


def test_a_perspective_camera_finds_a_heads_own_turn_beside_its_axis() -> None:
    """Projected along the camera's rays, a head that only moves aside seems to turn."""
    focal, size = 500.0, (400, 300)
    face, middle = canonical_face(), np.array([200.0, 150.0])
    frames = []
    for aside in (0.0, 120.0):
        posed = Pose(80.0, np.eye(3), np.array([*(middle + [aside, 0.0]), 0.0])).apply(face.mean)
        away = (focal + posed[:, 2:]) / focal
        frames.append(np.column_stack([middle + (posed[:, :2] - middle) / away, posed[:, 2]]))
    points = np.array(frames, np.float32)
    track = LandmarkTrack(points, np.ones(2, bool), Fraction(25), size)
    turned = {
        lens: np.degrees(np.linalg.norm(decompose(track, 0, lens).rotation[1]))
        for lens in (None, focal)
    }
    assert turned[focal] < 0.1 < 5 < turned[None]


def test_a_focal_length_too_short_is_refused(track: LandmarkTrack) -> None:
    with pytest.raises(InputError, match="focal length of 20 pixels is too short"):
        decompose(track, focal=20.0)


def nodding(lips: np.ndarray, degrees: float) -> LandmarkTrack:
    """A mouth that opens as `lips` say, on a head that looks up with it."""
    return acted([{"jaw_open": float(x)} for x in lips], [(0.0, degrees * x, 0.0) for x in lips])


def test_a_head_that_looks_up_at_every_syllable_is_held_still() -> None:
    quick = 0.5 - 0.5 * np.cos(np.arange(100) * 2 * np.pi / 5)  # five syllables a second
    p = decompose(nodding(quick, 2.0), neutral=0)
    assert np.ptp(to_angles(p.rotation)[:, 1]) < 0.4


def test_a_head_that_slowly_looks_up_with_the_mouth_open_does_turn() -> None:
    slow = 0.5 - 0.5 * np.cos(np.arange(100) * 2 * np.pi / 100)
    p = decompose(nodding(slow, 10.0), neutral=0)
    assert 9 < np.ptp(to_angles(p.rotation)[:, 1]) < 11
