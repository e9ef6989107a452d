# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind a jaw that turns away the neck comes into sight, in its own colour, on the shoulders."""

import cv2
import numpy as np
import pytest

from inference.head.frame import BODY, draw_head, pose_head
from inference.head.source import HeadSource
from inference.landmarks import CHIN
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import fit_pose
from tests.unit.drawn_person import UNIT, DrawnPerson, draw_person, turned

SKIN = np.array([215, 170, 145])


@pytest.fixture(scope="module")
def person() -> DrawnPerson:
    return draw_person(hair=0.9)


@pytest.fixture(scope="module")
def source(person: DrawnPerson) -> HeadSource:
    return person.head()


def behind_the_jaw(person: DrawnPerson, side: float) -> tuple[slice, slice]:
    """A small window on the neck's side, level with the mouth, below the hair and off the face."""
    pose = fit_pose(canonical_face().mean, person.portrait.crop_points())
    x, y, _ = pose.apply(np.array([side * 0.45, 1.5, 1.6]))
    return np.s_[int(y) - 5 : int(y) + 5, int(x) - 5 : int(x) + 5]


@pytest.mark.parametrize("yaw", [-35, 35])
def test_the_neck_fills_the_gap_behind_a_turned_jaw(
    person: DrawnPerson, source: HeadSource, yaw: float
) -> None:
    made = draw_head(source, pose_head(source, turned(person, yaw)))
    here = behind_the_jaw(person, np.sign(yaw))
    assert made.alpha[here].min() > 0.95
    assert (made.layer[here] == BODY).all()
    assert made.unseen[here].min() > 0.9  # made up, and says so
    tone = made.pixels[here].reshape(-1, 3).mean(axis=0)
    assert np.abs(tone / tone.sum() - SKIN / SKIN.sum()).max() < 0.02  # skin, in whatever shade
    assert tone.mean() > 0.5 * SKIN.mean()


def test_it_is_no_wider_than_where_it_comes_out_below_the_chin() -> None:
    source = draw_person(hair=0.9, slim=0.5).head()
    matte = cv2.resize(source.alpha, source.neck.alpha.shape[::-1], interpolation=cv2.INTER_AREA)
    zoom = matte.shape[0] / source.size[1]
    chin = source.mesh.flat.points[CHIN, 1] * zoom
    rows = slice(round(float(chin)), round(float(chin + 0.5 * UNIT * zoom)))
    beside = matte[rows] < 20
    assert beside[:, 40:-40].sum() > 200
    assert source.neck.alpha[rows][beside].max() < 0.6
    assert source.neck.alpha[rows][~beside].max() > 0.95


def test_it_comes_gradually(person: DrawnPerson, source: HeadSource) -> None:
    alphas = [
        draw_head(source, pose_head(source, turned(person, yaw))).alpha
        for yaw in np.arange(2, 24, 0.5)
    ]
    here = behind_the_jaw(person, 1)
    steps = np.abs(np.diff([alpha[here].mean() for alpha in alphas]))
    assert steps.max() < 0.25


def test_at_rest_nothing_of_it_shows(person: DrawnPerson, source: HeadSource) -> None:
    made = draw_head(source, pose_head(source, person.portrait.crop_points()))
    assert made.unseen.max() < 0.01
