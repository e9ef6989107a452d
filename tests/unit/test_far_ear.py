# SPDX-License-Identifier: GPL-3.0-or-later
"""The ear behind the far cheek: the near one's mirror image, where there is one to be seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.head.far_ear import FarEar, draw_far_ear, find_far_ear
from inference.landmarks import OVAL
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose

SIDE, UNIT = 400, 90.0  # pixels of the picture, and of an eye distance
SIZE = (SIDE, SIDE)
SKIN, HAIR, EARLOBE = (200, 150, 120), (40, 30, 25), (150, 70, 60)

Points = NDArray[np.float32]


def turned(degrees: float) -> Pose:
    """Positive: towards the picture's left, its right side to the camera."""
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return Pose(UNIT, rotation, np.array([SIDE / 2, SIDE / 3, 0.0]))


def landmarks(degrees: float) -> Points:
    return turned(degrees).apply(canonical_face().mean).astype(np.float32)


def picture(degrees: float, ear: bool = True) -> NDArray[np.uint8]:
    """A face among hair, before it the ear on the side that is seen, with a mark on its lobe."""
    drawn = np.full((SIDE, SIDE, 3), HAIR, np.uint8)
    pose, side = turned(degrees), np.sign(degrees) or 1.0
    if ear:
        angle = np.linspace(0, 2 * np.pi, 40)
        rim = np.stack(
            [
                side * (1.2 + 0.12 * np.cos(angle)),
                0.6 + 0.4 * np.sin(angle),
                1.02 + 0.22 * np.cos(angle),
            ],
            axis=-1,
        )
        outline = np.round(pose.apply(rim)[:, :2]).astype(np.int32)
        cv2.fillPoly(drawn, [outline], SKIN)
        lobe = pose.apply(np.array([side * 1.2, 0.85, 1.02]))[:2]
        cv2.circle(drawn, tuple(np.round(lobe).astype(int).tolist()), 4, EARLOBE, -1)
    face = cv2.convexHull(np.round(landmarks(degrees)[:, :2]).astype(np.int32))
    return np.asarray(cv2.fillConvexPoly(drawn, face, SKIN))


def found(degrees: float, ear: bool = True) -> FarEar | None:
    whole = np.full((SIDE, SIDE), 255, np.uint8)
    return find_far_ear(landmarks(degrees), picture(degrees, ear), whole)


@pytest.mark.parametrize("degrees", [-24, 24])
def test_a_head_that_turns_back_shows_its_other_ear(degrees: float) -> None:
    ear = found(degrees)
    assert ear is not None
    front = landmarks(0)
    drawn = draw_far_ear(ear, fit_pose(landmarks(degrees), front), SIZE, SIZE)
    assert drawn is not None
    rows, columns = np.nonzero(drawn.alpha > 0.5)
    x, y = columns + drawn.left, rows + drawn.top
    far = SIDE / 2 - np.sign(degrees) * 1.2 * UNIT
    assert abs(x.mean() - far) < 0.1 * UNIT
    assert abs(y.mean() - (SIDE / 3 + 0.6 * UNIT)) < 0.12 * UNIT
    outline = front[list(OVAL), :2]
    away = [
        -cv2.pointPolygonTest(outline, (float(a), float(b)), True)
        for a, b in zip(x, y, strict=True)
    ]
    assert max(away) > 0.1 * UNIT, "beside the cheek"
    mark = np.linalg.norm(drawn.pixels.astype(float) - EARLOBE, axis=2) < 30
    assert np.nonzero(mark)[0].mean() + drawn.top > y.mean() + 0.15 * UNIT, "the lobe is below"


def test_hair_over_the_near_ear_lies_over_the_far_one_too() -> None:
    assert found(24, ear=False) is None


@pytest.mark.parametrize("degrees", [0, 8])
def test_a_portrait_that_shows_both_ears_keeps_its_own(degrees: float) -> None:
    assert found(degrees) is None


def test_a_head_that_turns_further_away_hides_it() -> None:
    ear = found(24)
    assert ear is not None
    assert draw_far_ear(ear, fit_pose(landmarks(24), landmarks(50)), SIZE, SIZE) is None
