# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait that smiles with open eyes; mouths that do not, and eyes that close."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER, MOUTH_LOWER, MOUTH_UPPER
from inference.mouth.inside import find_place
from inference.performance.face.canonical import canonical_face
from inference.warp.mesh import build_mesh
from inference.warp.openings import Patch, mouth_patch
from inference.warp.warp import pose_target, warp, warp_source

SIDE, UNIT = 512, 130.0  # pixels of the picture, and of an eye distance
SIZE = (SIDE, SIDE)
SKIN, LIP, TOOTH, DARK = 150, 100, 240, 60

Points = NDArray[np.float32]


@pytest.fixture(scope="module")
def shut() -> Points:
    """The mean face with its mouth closed."""
    points = canonical_face().mean.copy()
    points[list(MOUTH_LOWER)] = points[list(MOUTH_UPPER)]
    return (points * UNIT + (SIDE / 2, SIDE / 3, 0)).astype(np.float32)


@pytest.fixture(scope="module")
def smile(shut: Points) -> Points:
    """The lower lip goes down, all of it."""
    points = shut.copy()
    (left, top, _), (right, _, _) = shut[MOUTH_UPPER[0]], shut[MOUTH_UPPER[-1]]
    x, y = shut[:, 0], shut[:, 1]
    lip = (x > left) & (x < right) & (y > top - 3) & (y < shut[17, 1] + 3)
    lip[list(set(range(478)) & {*MOUTH_UPPER, *LIPS_UPPER, 38, 12, 268, 11, 72, 302})] = False
    points[lip, 1] += 18 * np.sin(np.pi * (x[lip] - left) / (right - left))
    return points


@pytest.fixture(scope="module")
def picture(smile: Points) -> NDArray[np.uint8]:
    """Teeth with gaps between them reach a little over the lips' landmarks; corners are dark."""
    drawn = np.full((SIDE, SIDE, 3), SKIN, np.uint8)
    lips = np.concatenate([smile[list(LIPS_UPPER), :2], smile[list(LIPS_LOWER)][-2:0:-1, :2]])
    cv2.fillPoly(drawn, [np.round(lips).astype(np.int32)], (LIP, LIP, LIP))
    inner = np.concatenate([smile[list(MOUTH_UPPER), :2], smile[list(MOUTH_LOWER)][-2:0:-1, :2]])
    between = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(between, [np.round(inner).astype(np.int32)], 1)
    between = cv2.dilate(between, np.ones((3, 3), np.uint8))
    x = np.arange(SIDE)
    teeth = np.where(x % 10 < 2, TOOTH - 60, TOOTH)
    teeth = np.where(np.abs(x - SIDE / 2) < 36, teeth, DARK).astype(np.uint8)
    return np.where(between[..., None] > 0, teeth[None, :, None], drawn)


def narrowed(points: Points) -> Points:
    narrow = points.copy()
    mouth = [*MOUTH_UPPER, *MOUTH_LOWER, *LIPS_UPPER, *LIPS_LOWER]
    middle = float(points[13, 0])
    narrow[mouth, 0] = middle + np.float32(0.6) * (points[mouth, 0] - middle)
    return narrow


def patch_of(source: Points, target: Points) -> Patch:
    patch = mouth_patch(source, target, 1, SIZE, find_place(source))
    assert patch is not None
    return patch


def light_of(source: Points, target: Points) -> NDArray[np.float32]:
    light = patch_of(source, target).light
    assert light is not None
    return light


def test_lips_that_close_show_nothing_of_what_lay_between_them(
    picture: NDArray[np.uint8], smile: Points, shut: Points
) -> None:
    pose = pose_target(build_mesh(smile, SIZE), shut, SIZE)
    closed, _ = warp(warp_source(picture, smile), pose, SIZE)
    lips = shut[[*LIPS_UPPER, *LIPS_LOWER], :2]
    (left, top), (right, bottom) = lips.min(axis=0).astype(int), lips.max(axis=0).astype(int)
    assert closed[top:bottom, left:right].max() <= SKIN + 20
    middle = int(shut[13, 0])
    seam = closed[top:bottom, middle - 5 : middle + 6, 0].min()
    assert 0.6 * LIP < seam < LIP, "a shade where they meet"


def test_eyes_that_close_show_nothing_of_the_eyeball(
    picture: NDArray[np.uint8], smile: Points
) -> None:
    looking, asleep = picture.copy(), smile.copy()
    for upper, lower, _ in EYES:
        ball = np.concatenate([smile[list(upper), :2], smile[list(lower)][-2:0:-1, :2]])
        seen = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(seen, [np.round(ball).astype(np.int32)], 1)
        looking[cv2.erode(seen, np.ones((3, 3), np.uint8)) > 0] = TOOTH
        asleep[list(upper)] = smile[list(lower)]
    pose = pose_target(build_mesh(smile, SIZE), asleep, SIZE)
    closed, _ = warp(warp_source(looking, smile), pose, SIZE)
    rows = np.s_[int(smile[386, 1]) - 20 : int(smile[374, 1]) + 20]
    assert (looking[rows] == TOOTH).sum() > 1000
    assert closed[rows].max() <= SKIN + 20
    assert closed[rows].min() > 0.5 * SKIN


def test_at_rest_a_smile_is_the_picture_itself(picture: NDArray[np.uint8], smile: Points) -> None:
    pose = pose_target(build_mesh(smile, SIZE), smile, SIZE)
    same, _ = warp(warp_source(picture, smile), pose, SIZE)
    assert np.abs(same.astype(int) - picture).max() <= 1


def test_a_narrower_mouth_shows_fewer_teeth_not_narrower_ones(smile: Points) -> None:
    for target in (narrowed(smile), smile):
        across = patch_of(smile, target).source[5, :, 0]
        assert np.diff(across).mean() == pytest.approx(1, abs=0.02)


def test_the_portrait_s_teeth_get_less_light_through_a_narrower_opening(
    smile: Points, shut: Points
) -> None:
    ajar = shut + np.float32(0.35) * (smile - shut)
    wide = shut + np.float32(1.5) * (smile - shut)
    assert 0.6 < light_of(smile, ajar).max() < 0.9
    assert light_of(smile, smile).min() == light_of(smile, wide).min() == 1


def test_a_narrower_mouth_has_dark_corners_of_its_own(smile: Points) -> None:
    light = light_of(smile, narrowed(smile))
    row = light[light.shape[0] // 2]
    assert row[len(row) // 2] == 1
    assert max(row[3], row[-4]) < 0.6
