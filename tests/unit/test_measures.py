# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of evaluation against values worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from export.evaluation import measures
from export.evaluation.clips import RUN, pick_targets
from export.evaluation.identity import likeness
from export.evaluation.measures import (
    compare_faces,
    compare_pictures,
    find_regions,
    gmsd,
    jitter,
    landmark_error,
    mean_difference,
    pose_error,
    psnr,
    sharpness,
    ssim_map,
)
from inference.capture.appearance import face_features
from inference.landmarks import LIPS_LOWER, LIPS_UPPER, MOUTH_LOWER, MOUTH_UPPER, interocular
from inference.performance.face.measures import eye_opening
from inference.track import fill_gaps, load_track

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]
SIZE = (256, 256)
WHOLE = (slice(0, 256), slice(0, 256))


@pytest.fixture(scope="module")
def faces() -> Points:
    """The sample performance's landmarks (F, 478, 3), in pixels of 256 x 256."""
    track = load_track(Path(__file__).parents[2] / "inference/samples/weekly_address.track.npz")
    assert track.size == SIZE
    return fill_gaps(track).points


@pytest.fixture
def noise(rng: np.random.Generator) -> Picture:
    """A picture with detail at several scales."""
    fine = rng.integers(0, 256, (*SIZE, 3)).astype(np.float32)
    broad = cv2.resize(rng.integers(0, 256, (16, 16, 3)).astype(np.float32), SIZE)
    return np.round(0.3 * fine + 0.7 * broad).astype(np.uint8)


def plain(value: int, shape: tuple[int, int] = (32, 40)) -> Picture:
    return np.full((*shape, 3), value, np.uint8)


def turned(face: Points, degrees: float, axis: tuple[float, float, float]) -> Points:
    """The face turned about its own middle."""
    rotation = cv2.Rodrigues(np.radians(degrees) * np.array(axis))[0]
    middle = face.mean(axis=0)
    return ((face - middle) @ rotation.T + middle).astype(np.float32)


def test_ssim_is_the_formula_written_out(noise: Picture, rng: np.random.Generator) -> None:
    other = np.clip(noise + rng.normal(0, 20, noise.shape), 0, 255).astype(np.uint8)
    x, y = 100, 57
    offset = np.arange(-5, 6)
    weight = np.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    a, b = (
        (0.299 * p[..., 0] + 0.587 * p[..., 1] + 0.114 * p[..., 2])[y - 5 : y + 6, x - 5 : x + 6]
        for p in (noise.astype(float), other.astype(float))
    )
    mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
    var_a, var_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
    both = (weight * (a - mean_a) * (b - mean_b)).sum()
    c1, c2 = 6.5025, 58.5225
    by_hand = ((2 * mean_a * mean_b + c1) * (2 * both + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    found = ssim_map(noise, other)
    assert found.shape == (256, 256)
    assert found[y, x] == pytest.approx(by_hand, abs=1e-9)
    assert 0.2 < found.mean() < 0.95


def test_ssim_of_known_pictures(noise: Picture) -> None:
    assert ssim_map(noise, noise) == pytest.approx(1)
    # Plain pictures differ in the first factor alone.
    expected = (2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025)
    assert ssim_map(plain(100), plain(150)) == pytest.approx(expected)
    assert ssim_map(noise, cv2.bitwise_not(noise)).mean() < 0


def test_psnr_in_decibels() -> None:
    assert psnr(plain(100), plain(110)) == pytest.approx(20 * math.log10(25.5))
    assert psnr(plain(0), plain(255)) == pytest.approx(0)
    assert psnr(plain(7), plain(7)) == measures.HIGHEST_PSNR
    one_pixel = plain(100, (10, 10))
    one_pixel[3, 4] = (100, 100, 130)  # squared error 900 in one value of 300
    assert psnr(one_pixel, plain(100, (10, 10))) == pytest.approx(10 * math.log10(255**2 / 3))


def test_mean_difference_looks_inside_its_mask_only() -> None:
    a, b = plain(100), plain(100)
    b[:10] = 250
    mask = np.zeros((32, 40), bool)
    mask[9:11] = True  # one row that differs by 150, one that does not
    assert mean_difference(a, b, mask) == pytest.approx(75)
    assert math.isnan(mean_difference(a, b, None))


def test_sharpness_is_energy(noise: Picture) -> None:
    mask = np.ones(SIZE, bool)
    ramp = np.repeat(np.arange(0, 240, 6, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)
    inside = np.zeros((20, 40), bool)
    inside[5:15, 5:30] = True
    assert sharpness(ramp, inside) == pytest.approx(36)
    assert sharpness(ramp.transpose(1, 0, 2), inside.T) == pytest.approx(36)
    half = (noise // 2).astype(np.uint8)
    assert sharpness(half, mask) / sharpness(noise, mask) == pytest.approx(0.25, abs=0.01)
    blurred = cv2.GaussianBlur(noise, (0, 0), 0.9)
    assert sharpness(blurred, mask) < 0.4 * sharpness(noise, mask)


def test_gmsd_is_the_deviation_of_gradient_similarity(rng: np.random.Generator) -> None:
    # A slope of 3 to the right and 4 down, against none. Halved, the steps are 6 and 8; Prewitt
    # sees two of each, and none across an edge where the picture is mirrored.
    x, y = np.meshgrid(np.arange(40), np.arange(24))
    slope = np.repeat((3 * x + 4 * y)[..., None], 3, axis=2).astype(np.uint8)
    magnitude = np.full((12, 20), 20.0)  # of 12 and 16
    magnitude[:, [0, -1]] = 16
    magnitude[[0, -1]] = 12
    magnitude[[0, 0, -1, -1], [0, -1, 0, -1]] = 0
    assert gmsd(slope, plain(60, (24, 40))) == pytest.approx((170 / (magnitude**2 + 170)).std())
    assert gmsd(slope, slope) == 0
    # Halving takes the mean of four: what cancels out among them is gone.
    fours = rng.permuted(np.tile([10, 60, 160, 210], (12 * 20, 1)), axis=1)
    fine = fours.reshape(12, 20, 2, 2).transpose(0, 2, 1, 3).reshape(24, 40).astype(np.uint8)
    assert gmsd(fine[..., None].repeat(3, 2), plain(110, (24, 40))) == pytest.approx(0, abs=1e-6)


def test_regions_are_where_the_landmarks_are(faces: Points) -> None:
    face = max(faces, key=lambda f: float(f[14, 1] - f[13, 1]))
    regions = find_regions(face, WHOLE, SIZE)
    rows, columns = regions.lips
    lips = face[[*LIPS_UPPER, *LIPS_LOWER]]
    assert rows.start < lips[:, 1].min()
    assert rows.stop > lips[:, 1].max()
    assert columns.start < lips[:, 0].min()
    assert columns.stop > lips[:, 0].max()
    for eye, (a, b) in zip(regions.eyes, ((33, 133), (362, 263)), strict=True):
        middle = (face[a] + face[b]) / 2
        assert eye[0].start < middle[1] < eye[0].stop
        assert eye[1].start < middle[0] < eye[1].stop
    assert regions.mouth is not None
    outline = face[[*MOUTH_UPPER, *MOUTH_LOWER[-2:0:-1]], :2].astype(float)
    x, y = outline.T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    assert regions.mouth.sum() == pytest.approx(area, abs=np.hypot(*np.ptp(outline, axis=0)) * 2)
    assert regions.mouth[tuple(np.round((face[13] + face[14]) / 2).astype(int)[1::-1])]

    closed = face.copy()
    closed[list(MOUTH_LOWER)] = closed[list(MOUTH_UPPER)]
    assert find_regions(closed, WHOLE, SIZE).mouth is None


def test_boxes_end_where_the_picture_does(faces: Points) -> None:
    outside = faces[0] + np.array([190, 150, 0], np.float32)
    regions = find_regions(outside, WHOLE, SIZE)
    for rows, columns in (regions.face, regions.lips, *regions.eyes):
        assert 0 <= rows.start < rows.stop <= 256
        assert 0 <= columns.start < columns.stop <= 256


def test_each_measure_answers_for_its_own_region(faces: Points, noise: Picture) -> None:
    face = max(faces, key=lambda f: float(f[14, 1] - f[13, 1]))
    regions = find_regions(face, WHOLE, SIZE)
    same = compare_pictures(noise, noise, regions)
    assert same["ssim_lips"] == pytest.approx(1)
    assert same["sharpness"] == pytest.approx(1)
    assert same["mouth_l1"] == same["gmsd"] == 0

    spoilt = noise.copy()
    spoilt[regions.eyes[0]] = 255 - spoilt[regions.eyes[0]]
    found = compare_pictures(spoilt, noise, regions)
    assert found["ssim_eyes"] < 0.6  # one eye of two
    assert found["ssim_lips"] == pytest.approx(1)
    assert found["mouth_l1"] == 0
    assert found["psnr_face"] < found["psnr"] < measures.HIGHEST_PSNR

    spoilt = noise.copy()
    assert regions.mouth is not None
    spoilt[regions.mouth] ^= 16
    found = compare_pictures(spoilt, noise, regions)
    assert found["mouth_l1"] == pytest.approx(16)
    assert found["ssim_eyes"] == pytest.approx(1)
    assert found["ssim_lips"] < 0.99


def test_landmark_errors_in_percent_of_the_eye_distance(faces: Points) -> None:
    face = faces[0]
    unit = interocular(face[:, :2])
    moved = face + np.array([0.03 * unit, 0.04 * unit, 9], np.float32)  # depth plays no part
    assert landmark_error(moved, face) == pytest.approx(5, rel=1e-3)
    lips = face.copy()
    lips[list(measures.MOUTH_POINTS), 0] += 0.1 * unit
    found = compare_faces(lips, face)
    assert found["landmarks_mouth"] == pytest.approx(10, rel=1e-3)
    assert found["landmarks_eyes"] == 0
    assert found["landmarks"] == pytest.approx(10 * len(measures.MOUTH_POINTS) / 478, rel=1e-3)


def test_a_lost_face_has_no_figures(faces: Points) -> None:
    found = compare_faces(None, faces[0])
    assert set(found) == set(compare_faces(faces[1], faces[0]))
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("axis", [(0, 1, 0), (1, 0, 0), (0, 0, 1)])
def test_pose_error_is_the_angle(faces: Points, axis: tuple[float, float, float]) -> None:
    assert pose_error(turned(faces[0], 12, axis), faces[0]) == pytest.approx(12, abs=0.05)
    assert pose_error(1.3 * faces[0] + 7, faces[0]) == pytest.approx(0, abs=0.05)


def test_eye_opening_error_in_percent_of_the_eye(faces: Points) -> None:
    opened, closed = max(faces, key=eye_opening), min(faces, key=eye_opening)
    found = compare_faces(closed, opened)["eye_opening"]
    assert found == pytest.approx(100 * (eye_opening(opened) - eye_opening(closed)))
    assert found > 5


def test_jitter_is_the_change_of_speed(faces: Points) -> None:
    face = faces[0]
    unit = interocular(face[:, :2])
    right = np.array([0.02 * unit, 0, 0], np.float32)
    steady: list[Points | None] = [face + i * right for i in range(RUN)]
    assert jitter(steady, RUN) == pytest.approx(0, abs=1e-3)
    # To and fro: the speed changes by four steps of a hundredth each time.
    shaking: list[Points | None] = [face + (-1) ** i * right / 2 for i in range(RUN)]
    assert jitter(shaking, RUN) == pytest.approx(4, rel=1e-3)
    # A leap between two runs is no shaking, one within a run is.
    leap = [*steady, *[f + 50 for f in steady if f is not None]]
    assert jitter(leap, RUN) == pytest.approx(0, abs=1e-3)
    assert jitter(leap, 2 * RUN) > 1
    assert jitter([*steady, *shaking], RUN) == pytest.approx(2, rel=1e-3)
    assert math.isnan(jitter([face, None, face, None], RUN))


def test_identity_sees_the_skin_whatever_the_pose(faces: Points, rng: np.random.Generator) -> None:
    """Two skins on one head: the figure tells the skins apart, not how the head is held."""
    skins = [
        cv2.GaussianBlur(rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8), (0, 0), 3)
        for _ in range(2)
    ]
    skins = [cv2.normalize(s, s, 0, 255, cv2.NORM_MINMAX) for s in skins]
    turn = np.array([[0.8, -0.2, 40], [0.2, 0.8, -10]])
    moved = [cv2.warpAffine(skin, turn, SIZE) for skin in skins]
    face = faces[0]
    points = face.copy()
    points[:, :2] = (face[:, :2] - 0.5) @ turn[:, :2].T.astype(np.float32) + turn[:, 2] + 0.5
    a, b = (face_features(skin, face) for skin in skins)
    c, d = (face_features(skin, points) for skin in moved)
    middle = (a + b) / 2
    assert likeness(np.stack([c]), a, middle) > 0.8
    assert likeness(np.stack([d]), b, middle) > 0.8
    assert likeness(np.stack([c]), b, middle) < -0.6
    assert likeness(np.stack([a, b]), a, middle) == pytest.approx(0, abs=1e-5)


def test_targets_are_neighbours_spread_over_the_clip() -> None:
    picked = pick_targets(np.ones(120, bool), 32)
    assert len(picked) == 32
    assert picked[0] == 0
    assert picked[-1] == 119
    runs = picked.reshape(-1, RUN)
    assert (np.diff(runs, axis=1) == 1).all()
    assert np.ptp(np.diff(runs[:, 0])) <= 1
    assert pick_targets(np.ones(13, bool), 32).reshape(-1, RUN).shape == (3, RUN)
    assert not len(pick_targets(np.ones(RUN - 1, bool), 32))


def test_targets_avoid_frames_without_a_face() -> None:
    valid = np.ones(60, bool)
    valid[[3, 20, 21, 41]] = False
    picked = pick_targets(valid, 32)
    assert valid[picked].all()
    assert (np.diff(picked.reshape(-1, RUN), axis=1) == 1).all()
    assert len(set(picked.tolist())) == len(picked)
