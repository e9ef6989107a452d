# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirrored face: which landmark becomes which."""

import numpy as np

from inference import landmarks as face
from inference.demo import PORTRAIT
from inference.performance.face.pose import fit_pose
from inference.portrait import open_portrait


def mirrored(indices: tuple[int, ...]) -> list[int]:
    return face.mirror_order()[list(indices)].tolist()


def test_mirroring_twice_changes_nothing() -> None:
    order = face.mirror_order()
    assert order.shape == (face.POINT_COUNT,)
    np.testing.assert_array_equal(order[order], np.arange(face.POINT_COUNT))


def test_contours_become_their_partners() -> None:
    assert mirrored(face.RIGHT_EYE_UPPER) == list(face.LEFT_EYE_UPPER[::-1])
    assert mirrored(face.RIGHT_EYE_LOWER) == list(face.LEFT_EYE_LOWER[::-1])
    assert mirrored(face.RIGHT_BROW) == list(face.LEFT_BROW[::-1])
    assert mirrored(face.RIGHT_BROW_LOWER) == list(face.LEFT_BROW_LOWER[::-1])
    for lips in (face.MOUTH_UPPER, face.MOUTH_LOWER, face.LIPS_UPPER, face.LIPS_LOWER):
        assert mirrored(lips) == list(lips[::-1])
    assert mirrored(face.NOSE_BRIDGE) == list(face.NOSE_BRIDGE)
    assert mirrored(face.NOSE_BASE) == list(face.NOSE_BASE[::-1])
    assert set(mirrored(face.OVAL)) == set(face.OVAL)
    assert set(mirrored(face.RIGID)) - set(face.RIGID) == set()
    assert set(mirrored(face.RIGHT_IRIS)) == set(face.LEFT_IRIS)
    assert mirrored((face.RIGHT_IRIS[0],)) == [face.LEFT_IRIS[0]]


def test_a_real_face_lies_on_its_mirror_image() -> None:
    points = open_portrait(PORTRAIT).points
    flipped = (points * np.array([-1, 1, 1], np.float32))[face.mirror_order()]
    errors = np.linalg.norm(fit_pose(flipped, points).apply(flipped) - points, axis=1)
    # No face is quite symmetric, and no two neighbours are as far apart as a wrong pair would be.
    assert np.median(errors) < 0.05 * face.interocular(points)
    assert errors.max() < 0.2 * face.interocular(points)
