# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting: motion comes over, the driver's face does not."""

from dataclasses import replace

import numpy as np
import pytest

from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.landmarks import interocular
from inference.performance.neutral import eye_opening, find_neutral
from inference.performance.pose import fit_pose
from inference.performance.retarget import retarget_absolute, retarget_relative
from inference.portrait import open_portrait
from inference.track import LandmarkTrack, load_track


@pytest.fixture(scope="module")
def track() -> LandmarkTrack:
    return load_track(TRACK)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return open_portrait(PORTRAIT).points


def lip_gap(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[13] - points[14]) / np.linalg.norm(points[78] - points[308]))


def test_a_pose_is_recovered_and_undone(track: LandmarkTrack) -> None:
    face = track.points[0]
    angle = np.radians(20)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    moved = (1.3 * face @ turn.T + np.array([10, -5, 3])).astype(np.float32)
    pose = fit_pose(face, moved)
    assert pose.scale == pytest.approx(1.3, abs=1e-4)
    np.testing.assert_allclose(pose.rotation, turn, atol=1e-4)
    np.testing.assert_allclose(pose.inverse().apply(moved), face, atol=1e-2)


def test_the_neutral_frame_gives_back_the_portrait(
    track: LandmarkTrack, portrait: np.ndarray
) -> None:
    at = retarget_relative(portrait, track, neutral_frame=12)
    error = np.linalg.norm((at(12) - portrait)[:, :2], axis=1).mean() / interocular(portrait)
    assert error < 0.005


def test_the_found_neutral_is_calm(track: LandmarkTrack) -> None:
    neutral = find_neutral(track)
    gaps = [lip_gap(points) for points in track.points]
    eyes = [eye_opening(points) for points in track.points]
    assert lip_gap(neutral) < np.quantile(gaps, 0.3)
    assert eye_opening(neutral) > np.quantile(eyes, 0.4)


def test_motion_follows_the_driver(track: LandmarkTrack, portrait: np.ndarray) -> None:
    at = retarget_relative(portrait, track)
    made = np.stack([at(i) for i in range(len(track))])
    for measure, least in ((lip_gap, 0.9), (eye_opening, 0.9)):
        driver = [measure(points) for points in track.points]
        result = [measure(points) for points in made]
        assert np.corrcoef(driver, result)[0, 1] > least

    def turns(points: np.ndarray) -> np.ndarray:
        return np.stack([fit_pose(points[0], p).rotation for p in points])

    np.testing.assert_allclose(turns(made), turns(track.points), atol=0.03)


def test_the_driver_s_proportions_stay_with_the_driver(
    track: LandmarkTrack, portrait: np.ndarray
) -> None:
    """A driver with a face stretched to half its width again moves the portrait just the same."""
    wide = replace(track, points=track.points * np.array([1.5, 1, 1], np.float32))
    calm = find_neutral(wide)
    assert np.ptp(calm[:, 0]) > 1.4 * np.ptp(find_neutral(track)[:, 0])
    at = retarget_relative(portrait, wide, neutral_frame=12)
    shape = np.ptp(at(12)[:, :2], axis=0) / np.ptp(portrait[:, :2], axis=0)
    np.testing.assert_allclose(shape, 1, atol=0.02)


def test_lids_that_meet_on_the_driver_meet_on_the_portrait(
    track: LandmarkTrack, portrait: np.ndarray
) -> None:
    at = retarget_relative(portrait, track)
    blink = int(np.argmin([eye_opening(points) for points in track.points]))
    assert eye_opening(track.points[blink]) < 0.5 * np.median(
        [eye_opening(points) for points in track.points]
    )
    assert eye_opening(at(blink)) < 0.03


def test_no_lip_passes_through_the_other(track: LandmarkTrack, portrait: np.ndarray) -> None:
    at = retarget_relative(portrait, track)
    down = (portrait[152] - portrait[10]) / np.linalg.norm(portrait[152] - portrait[10])
    for frame in range(0, len(track), 5):
        points = fit_pose(at(frame), portrait).apply(at(frame))
        assert ((points[[87, 14, 317]] - points[[82, 13, 312]]) @ down > -0.5).all()


def test_absolute_transfer_of_own_footage_is_the_footage(track: LandmarkTrack) -> None:
    at = retarget_absolute(track.points[0], track)
    np.testing.assert_allclose(at(100), track.points[100], atol=1e-2)


def test_steadiness_no_jump_that_the_driver_does_not_make(
    track: LandmarkTrack, portrait: np.ndarray
) -> None:
    at = retarget_relative(portrait, track)
    made = np.stack([at(i) for i in range(len(track))])
    scale = interocular(portrait) / interocular(track.points[0])
    driver = np.linalg.norm(np.diff(track.points, axis=0)[..., :2], axis=2).max(axis=1) * scale
    result = np.linalg.norm(np.diff(made, axis=0)[..., :2], axis=2).max(axis=1)
    assert (result < 2.5 * driver + 0.02 * interocular(portrait)).all()


def test_a_neutral_frame_that_is_not_there_is_refused(track: LandmarkTrack) -> None:
    with pytest.raises(InputError, match="frame 999"):
        find_neutral(track, 999)
