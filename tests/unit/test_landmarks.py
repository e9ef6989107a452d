# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology: triangles, holes and contours fit together and lie on a real face as they say."""

from pathlib import Path

import numpy as np
import pytest

from inference import landmarks
from inference.track import load_track

SAMPLE_TRACK = Path(landmarks.__file__).parent / "samples" / "weekly_address.track.npz"


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return load_track(SAMPLE_TRACK).points[0]


def edges(triangles: np.ndarray) -> list[tuple[int, int]]:
    return [(int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3)]


def test_skin_and_holes_close_the_face_into_one_disc() -> None:
    directed = edges(np.concatenate([landmarks.face_triangles(), landmarks.hole_triangles()]))
    assert len(set(directed)) == len(directed), "two triangles share an edge in one direction"
    border = {a for a, b in directed if (b, a) not in set(directed)}
    assert border == set(landmarks.OVAL)
    vertices = {corner for edge in directed for corner in edge}
    undirected = {frozenset(edge) for edge in directed}
    euler = len(vertices) - len(undirected) + len(directed) // 3
    assert euler == 1, "a disc without holes has the Euler characteristic 1"


def test_triangles_face_the_camera_on_a_frontal_face(face: np.ndarray) -> None:
    corners = face[landmarks.face_triangles(), :2]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    facing = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) > 0
    assert facing.mean() > 0.97


@pytest.mark.parametrize(
    ("upper", "lower", "iris"),
    [
        (landmarks.RIGHT_EYE_UPPER, landmarks.RIGHT_EYE_LOWER, landmarks.RIGHT_IRIS),
        (landmarks.LEFT_EYE_UPPER, landmarks.LEFT_EYE_LOWER, landmarks.LEFT_IRIS),
    ],
)
def test_lids_run_left_to_right_with_the_iris_between(
    face: np.ndarray, upper: tuple[int, ...], lower: tuple[int, ...], iris: tuple[int, ...]
) -> None:
    for edge in (upper, lower):
        assert (np.diff(face[list(edge), 0]) > 0).all()
    assert (face[list(upper[1:-1]), 1] < face[list(lower[1:-1]), 1]).all()
    assert face[upper[0], 0] < face[iris[0], 0] < face[upper[-1], 0]


def test_mouth_contours_share_columns(face: np.ndarray) -> None:
    upper, lower = face[list(landmarks.MOUTH_UPPER)], face[list(landmarks.MOUTH_LOWER)]
    width = float(np.linalg.norm(upper[0] - upper[-1]))
    assert np.abs(upper[:, 0] - lower[:, 0]).max() < 0.12 * width
    assert face[0, 1] < face[13, 1] <= face[14, 1] < face[17, 1], "outer lips enclose inner ones"


def test_the_person_s_right_is_at_the_picture_s_left(face: np.ndarray) -> None:
    assert face[landmarks.RIGHT_IRIS[0], 0] < face[landmarks.LEFT_IRIS[0], 0]
    assert 0.15 < landmarks.interocular(face[:, :2]) / np.ptp(face[:, 0]) < 0.8
