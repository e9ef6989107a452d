# SPDX-License-Identifier: GPL-3.0-or-later
"""The person beyond the picture's edge goes on in its own texture; nothing is mirrored."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.layers.beyond import beyond_edge
from inference.layers.trimap import Face, make_face

Picture = NDArray[np.uint8]
SIZE, MARGIN = 240, 40
SKIN, CLOTH, DARK = (210, 160, 130), (40, 60, 150), (30, 25, 20)


@pytest.fixture
def face() -> Face:
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    return make_face((np.array([120, 90]) + 40 * circle).astype(np.float32))


@pytest.fixture
def bust(rng: np.random.Generator) -> tuple[Picture, Picture]:
    """A head with hair, which the upper edge cuts, on cloth with a badge beside the lower edge."""
    person = np.full((SIZE, SIZE, 3), SKIN, np.uint8)
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(person, (120, 60), (65, 90), 0, 0, 360, DARK, -1)
    cv2.ellipse(alpha, (120, 60), (65, 90), 0, 0, 360, 255, -1)
    cv2.circle(person, (120, 90), 40, SKIN, -1)
    person[150:], alpha[150:, 30:210] = CLOTH, 255
    cv2.circle(person, (170, 225), 6, (250, 250, 0), -1)
    noise = rng.integers(-4, 5, (SIZE, SIZE, 1))
    return np.clip(person + noise, 0, 255).astype(np.uint8), alpha


def test_within_the_picture_nothing_changes(bust: tuple[Picture, Picture], face: Face) -> None:
    person, alpha = beyond_edge(*bust, face, MARGIN)
    assert person.shape == (SIZE + 2 * MARGIN, SIZE + 2 * MARGIN, 3)
    inside = slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    np.testing.assert_array_equal(person[inside], bust[0])
    np.testing.assert_array_equal(alpha[inside], bust[1])


def test_cloth_goes_on_as_cloth_and_the_badge_is_not_mirrored(
    bust: tuple[Picture, Picture], face: Face
) -> None:
    person, alpha = beyond_edge(*bust, face, MARGIN)
    below = person[-MARGIN:, MARGIN + 40 : MARGIN + 200].astype(int)
    assert alpha[-MARGIN:, MARGIN + 40 : MARGIN + 200].min() == 255
    assert np.median(np.abs(below - np.array(CLOTH)).max(axis=2)) < 20
    mirrored = 2 * SIZE - 225 - SIZE, 170 - 40
    at = below[mirrored[0] - 4 : mirrored[0] + 4, mirrored[1] - 4 : mirrored[1] + 4]
    assert np.median(at[..., 0]) < 150  # no yellow
    skin = np.abs(below - np.array(SKIN)).max(axis=2) < 20
    assert skin.mean() < 0.05  # the face is not copied


def test_the_crown_closes_and_the_ground_stays_ground(
    bust: tuple[Picture, Picture], face: Face
) -> None:
    person, alpha = beyond_edge(*bust, face, MARGIN)
    above = alpha[:MARGIN] > 127
    rows = above.sum(axis=1)
    assert (np.diff(rows) >= 0).all()  # narrower the higher
    assert rows[-2] > 60
    assert rows[-2] - rows[5] > 20
    assert np.median(person[:MARGIN][above], axis=0).max() < 70  # hair, not forehead
    assert alpha[MARGIN : MARGIN + 100, :MARGIN].max() == 0


def test_a_person_within_the_picture_has_nothing_beyond(face: Face) -> None:
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(alpha, (120, 90), 60, 255, -1)
    person = np.full((SIZE, SIZE, 3), SKIN, np.uint8)
    wide, shown = beyond_edge(person, alpha, face, MARGIN)
    assert shown.sum() == alpha.sum()
    assert wide.shape[0] == SIZE + 2 * MARGIN
