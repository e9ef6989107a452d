# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting: motion comes over, the driver's face does not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.landmarks import LEFT_BROW, LEFT_IRIS, RIGHT_BROW, interocular
from inference.performance.face.measures import eye_opening
from inference.performance.face.neutral import calm_frames, find_neutral
from inference.performance.face.pose import fit_pose
from inference.performance.retargeting.folds import facing, turned_over
from inference.performance.retargeting.gains import Gains, check_gains
from inference.performance.retargeting.reach import head_axis, turn_within, yaw
from inference.performance.retargeting.resting import resting_face
from inference.performance.retargeting.retarget import retarget_absolute, retarget_relative
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


def widest(track: LandmarkTrack) -> int:
    return int(np.argmax([lip_gap(points) for points in track.points]))


def blink(track: LandmarkTrack) -> int:
    return int(np.argmin([eye_opening(points) for points in track.points]))


def at_rest(points: np.ndarray, portrait: np.ndarray) -> np.ndarray:
    """The face with the head as in the portrait."""
    return fit_pose(points, portrait).apply(points)


def test_a_gain_of_nought_keeps_its_region_and_leaves_the_others(
    track: LandmarkTrack, portrait: np.ndarray
) -> None:
    unit = interocular(portrait)
    frame, shut = widest(track), blink(track)
    acted = retarget_relative(portrait, track)
    silent = retarget_relative(portrait, track, gains=Gains(mouth=0))
    assert lip_gap(acted(frame)) > lip_gap(portrait) + 0.05
    assert lip_gap(silent(frame)) == pytest.approx(lip_gap(portrait), abs=0.01)
    assert eye_opening(silent(shut)) < 0.03
    staring = retarget_relative(portrait, track, gains=Gains(eyes=0))
    assert eye_opening(staring(shut)) == pytest.approx(eye_opening(portrait), abs=0.02)
    still = retarget_relative(portrait, track, gains=Gains(pose=0))
    for index in range(0, len(track), 40):
        pose = fit_pose(portrait, still(index))
        assert np.linalg.norm(cv2.Rodrigues(pose.rotation)[0]) < np.radians(1.5)
        assert np.abs(pose.apply(portrait) - portrait)[:, :2].max() < 0.05 * unit


def test_brows_and_gaze_follow_their_own_gains(track: LandmarkTrack, portrait: np.ndarray) -> None:
    brows = [*RIGHT_BROW, *LEFT_BROW]

    def spread(gains: Gains, points: list[int]) -> float:
        at = retarget_relative(portrait, track, gains=gains)
        made = np.stack([at_rest(at(i), portrait)[points].mean(axis=0) for i in range(0, 240, 8)])
        return float(np.linalg.norm(made.std(axis=0)[:2]))

    assert spread(Gains(brows=0), brows) < 0.5 * spread(Gains(), brows)
    assert spread(Gains(brows=2), brows) > 1.4 * spread(Gains(), brows)
    # The eyes' own motion is left: what the gaze adds to it goes.
    left = list(LEFT_IRIS)
    assert spread(Gains(gaze=0), left) < 0.8 * spread(Gains(gaze=2), left)


@pytest.mark.parametrize("value", [-0.1, 2.01, float("nan")])
def test_a_gain_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"gain of the brows .* 0 to 2"):
        check_gains(Gains(brows=value))


def test_a_neutralized_smile_closes_and_closes_with_the_driver(
    track: LandmarkTrack, portrait: np.ndarray
) -> None:
    unit = interocular(portrait)
    assert lip_gap(portrait) > 0.1, "this portrait smiles with its teeth"
    rest = resting_face(portrait)
    assert lip_gap(rest) < 0.006
    widths = [np.linalg.norm(face[61] - face[291]) for face in (rest, portrait)]
    assert widths[0] < 0.95 * widths[1]
    assert np.abs(rest - portrait)[[33, 263, 168, 10]].max() < 0.01 * unit
    at = retarget_relative(portrait, track, neutralize=True)
    # This driver's lips hardly ever meet: what is nearest to it counts, which needs a calm one.
    closed = [i for i, points in enumerate(track.points) if lip_gap(points) < 0.03]
    assert len(closed) > 5
    for index in closed:
        assert lip_gap(at(index)) < 0.012
    assert lip_gap(at(widest(track))) > 0.1


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_no_triangle_turns_over(track: LandmarkTrack, portrait: np.ndarray, gain: float) -> None:
    at = retarget_relative(portrait, track, gains=Gains(mouth=gain, eyes=gain, brows=gain))
    for index in (*range(0, len(track), 30), widest(track), blink(track)):
        made = at(index)
        turned = fit_pose(portrait, made).apply(portrait)
        assert not (facing(turned) & turned_over(made)).any()


def test_a_face_stays_within_what_a_picture_can_show(
    track: LandmarkTrack, portrait: np.ndarray
) -> None:
    axis = head_axis(portrait)
    assert abs(yaw(portrait)) < 10
    angles = []
    for degrees in range(0, 91, 5):
        wanted = cv2.Rodrigues(np.array([0.0, np.radians(degrees), 0.0]))[0]
        turned = cv2.Rodrigues(turn_within(wanted, axis))[0]
        angles.append(float(np.degrees(np.linalg.norm(turned))))
    assert angles[3] == pytest.approx(15, abs=0.01), "a small turn is the driver's own"
    assert max(angles) < 56
    assert (np.diff(angles) >= 0).all(), "further on the driver is never less far here"
    huge = replace(track, points=track.points.copy())
    huge.points[50, [14, 87, 317, 17, 152]] += np.array([0, 400, 0], np.float32)
    at = retarget_relative(portrait, huge, neutral_frame=12)
    assert np.abs(at(50) - portrait).max() < 2.5 * interocular(portrait)


def test_calm_frames_are_seen_well(track: LandmarkTrack) -> None:
    calm = calm_frames(track)
    assert len(set(calm)) == 5
    gone = replace(track, valid=track.valid.copy())
    gone.valid[list(calm)] = False
    assert not set(calm) & set(calm_frames(gone))
