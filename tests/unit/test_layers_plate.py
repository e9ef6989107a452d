# SPDX-License-Identifier: GPL-3.0-or-later
"""The clean plate: the portrait where the person is not, believable ground where it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.layers.plate import find_hole, lay_in, make_plate
from inference.layers.trimap import Face, make_face

Picture = NDArray[np.uint8]
SIZE, RADIUS = 320, 60
RED = (230, 20, 20)


class Stop(Exception):
    pass


@pytest.fixture
def face() -> Face:
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    return make_face((160 + 45 * np.column_stack([np.cos(angles), np.sin(angles)])).astype("f4"))


@pytest.fixture
def alpha() -> Picture:
    disc = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(disc, (160, 160), RADIUS, 255, -1, cv2.LINE_AA)
    return disc


@pytest.fixture
def wall(rng: np.random.Generator) -> Picture:
    """Plain ground that shades off, with grain."""
    shade = np.linspace(90, 150, SIZE)[:, None, None] + np.array([0, 8, 16])
    grain = rng.normal(0, 4, (SIZE, SIZE, 1))
    return np.clip(shade + grain, 0, 255).astype(np.uint8)


@pytest.fixture
def stripes() -> Picture:
    """Textured ground: light and dark stripes, 10 pixels each."""
    light = (np.arange(SIZE) // 10 % 2 == 0)[None, :, None]
    picture = np.where(light, np.array([200, 190, 150]), np.array([60, 80, 70]))
    return np.repeat(picture, SIZE, axis=0).astype(np.uint8)


def before(ground: Picture, alpha: Picture) -> Picture:
    """A red person before the ground."""
    share = alpha[..., None] / 255
    return np.round(share * np.array(RED) + (1 - share) * ground).astype(np.uint8)


@pytest.mark.parametrize("kind", ["wall", "stripes"])
def test_the_plate_is_the_picture_where_the_person_is_not(
    kind: str, alpha: Picture, face: Face, request: pytest.FixtureRequest
) -> None:
    picture = before(request.getfixturevalue(kind), alpha)
    plate = make_plate(picture, alpha, face)
    hole, _ = find_hole(alpha, face)
    np.testing.assert_array_equal(plate[~hole], picture[~hole])
    assert hole[alpha > 5].all()
    assert hole.mean() < 2 * (alpha > 0).mean()  # and hardly more than the person
    red = plate[..., 0].astype(int) - plate[..., 1]
    assert red[alpha > 5].max() < 60  # nothing is left of the person


def test_a_plain_wall_goes_on_with_its_shade_and_grain(
    wall: Picture, alpha: Picture, face: Face
) -> None:
    plate = make_plate(before(wall, alpha), alpha, face)
    inside = alpha == 255
    broad = cv2.GaussianBlur(plate, (0, 0), 8).astype(float)
    assert np.abs(broad - cv2.GaussianBlur(wall, (0, 0), 8))[inside].mean() < 6
    grains = [
        float((picture - cv2.GaussianBlur(picture.astype(float), (0, 0), 3))[inside].std())
        for picture in (plate, wall)
    ]
    assert 0.6 < grains[0] / grains[1] < 1.3


def test_stripes_go_on_as_stripes(stripes: Picture, alpha: Picture, face: Face) -> None:
    plate = make_plate(before(stripes, alpha), alpha, face)
    inside = alpha == 255
    away = np.stack(
        [
            np.abs(plate - colour.astype(float)).max(axis=2)
            for colour in (np.array([200, 190, 150]), np.array([60, 80, 70]))
        ]
    ).min(axis=0)
    assert (away[inside] < 30).mean() > 0.7  # one of both, not their mean
    assert np.abs(plate.astype(float) - stripes)[inside].mean() < 35


def test_the_plate_is_as_deep_as_the_picture(wall: Picture, alpha: Picture, face: Face) -> None:
    picture = before(wall, alpha)
    shallow = make_plate(picture, alpha, face)
    times = np.uint16(257)
    deep = make_plate(picture.astype(np.uint16) * times, alpha.astype(np.uint16) * times, face)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - shallow).mean() < 1.5


def test_a_picture_without_ground_or_without_person_stays(wall: Picture, face: Face) -> None:
    for alpha in (np.full((SIZE, SIZE), 255, np.uint8), np.zeros((SIZE, SIZE), np.uint8)):
        np.testing.assert_array_equal(make_plate(wall, alpha, face), wall)


def test_little_ground_is_enough_not_to_fail(wall: Picture, face: Face) -> None:
    alpha = np.full((SIZE, SIZE), 255, np.uint8)
    alpha[:, :30] = 0
    plate = make_plate(before(wall, alpha), alpha, face)
    assert (plate[..., 0].astype(int) - plate[..., 1]).max() < 60  # grey as the wall, not red


def test_a_plate_that_is_stopped_stops(wall: Picture, alpha: Picture, face: Face) -> None:
    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        make_plate(before(wall, alpha), alpha, face, stop)


def test_an_own_plate_is_laid_in_where_the_person_is(
    wall: Picture, stripes: Picture, alpha: Picture, face: Face
) -> None:
    picture = before(wall, alpha)
    plate = lay_in(picture, stripes, alpha, face)
    np.testing.assert_array_equal(plate[alpha > 5], stripes[alpha > 5])
    hole, _ = find_hole(alpha, face)
    np.testing.assert_array_equal(plate[~hole], picture[~hole])
