# SPDX-License-Identifier: GPL-3.0-or-later
"""The words on what a picture of a person shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.demo import PORTRAIT
from inference.landmarks import EYES, NOSE_TIP, OVAL
from inference.portrait import open_portrait
from inference.shows import shows

Points = NDArray[np.float32]


@pytest.fixture(scope="module")
def face() -> Points:
    return open_portrait(PORTRAIT).points


def turned(face: Points, axis: int, degrees: float) -> Points:
    angles = np.zeros(3)
    angles[axis] = np.radians(degrees)
    middle = face.mean(axis=0)
    return ((face - middle) @ cv2.Rodrigues(angles)[0].T + middle).astype(np.float32)


@pytest.mark.parametrize("degrees", [-25, 25])
def test_a_turn_is_named_by_where_the_nose_goes(face: Points, degrees: float) -> None:
    away = turned(face, 1, degrees)
    nose = away[NOSE_TIP, 0] - away[list(OVAL), 0].mean()
    side = "right" if nose > 0 else "left"
    assert shows(away, face) == side
    assert shows(away).startswith(side), "also without a first picture to compare with"
    nod = turned(face, 0, degrees)
    fallen = (nod[NOSE_TIP, 1] - nod[list(OVAL), 1].mean()) > (
        face[NOSE_TIP, 1] - face[list(OVAL), 1].mean()
    )
    assert shows(nod, face) == ("down" if fallen else "up")


def test_mouth_and_lids_are_named_and_a_face_like_the_first_is_not(face: Points) -> None:
    assert shows(face, face) == ""
    opened = face.copy()
    opened[[14, 87, 317, 178, 402, 88, 318], 1] += 25
    assert "mouth-open" in shows(opened, face)
    closed = face.copy()
    for upper, lower, _ in EYES:
        closed[list(upper)] = closed[list(lower)] + (0, -0.3, 0)
    assert shows(closed, face) == "eyes-closed"
