# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell and anchors: fitted to the outline, as exact as ever for small turns, steady in large."""

import numpy as np
import pytest

from inference.head.anchors import move_head
from inference.landmarks import SKIN_COUNT
from inference.warp.mesh import mesh_triangles, move_mesh, ring_triangle_count
from tests.unit.drawn_person import UNIT, DrawnPerson, draw_person, turned

_OUTLINE = 5  # the ring of anchors at the outline


@pytest.fixture(scope="module")
def person() -> DrawnPerson:
    return draw_person()


def anchors(vertices: np.ndarray) -> np.ndarray:
    """(9, 36, 3), ring by ring."""
    return vertices[SKIN_COUNT:].reshape(9, 36, 3)


def test_the_outlines_anchors_lie_on_the_mattes_edge(person: DrawnPerson) -> None:
    mesh = person.head().mesh
    up = np.sin(mesh.shell.azimuth) < -0.3
    outline = anchors(mesh.flat.vertices)[_OUTLINE, up, :2]
    at = np.floor(outline + (person.portrait.box.x, person.portrait.box.y)).astype(int)
    around = [
        person.alpha[y - 4 : y + 5, x - 4 : x + 5] for x, y in at if 4 < x < 395 and 4 < y < 395
    ]
    assert len(around) > 8
    assert all(patch.min() < 0.5 < patch.max() for patch in around)


def test_small_turns_are_the_flat_meshs(person: DrawnPerson) -> None:
    mesh = person.head().mesh
    target = turned(person, 2.5)
    moved = move_head(mesh, target)
    assert moved.deep == 0
    assert moved.behind is None
    assert np.array_equal(moved.mesh.vertices, move_mesh(mesh.flat, target).vertices)


def test_the_face_is_the_targets_landmarks_at_any_turn(person: DrawnPerson) -> None:
    target = turned(person, 32, -15)
    moved = move_head(person.head().mesh, target)
    assert np.array_equal(moved.mesh.vertices[:SKIN_COUNT], target[:SKIN_COUNT])


def test_the_border_never_moves(person: DrawnPerson) -> None:
    mesh = person.head().mesh
    moved = move_head(mesh, turned(person, 35, 10))
    assert np.array_equal(
        anchors(moved.mesh.vertices)[-1, :, :2], anchors(mesh.flat.vertices)[-1, :, :2]
    )


def test_anchors_go_their_way_without_a_leap(person: DrawnPerson) -> None:
    mesh = person.head().mesh
    for pitch in (0.0, 15.0):
        places = np.array(
            [
                anchors(move_head(mesh, turned(person, yaw, pitch)).mesh.vertices)[..., :2]
                for yaw in np.arange(-36, 36.1, 0.5)
            ]
        )
        steps = np.linalg.norm(np.diff(places, axis=0), axis=-1)
        assert steps.max() < 0.06 * UNIT


def test_hair_beside_a_turned_face_shows_the_side_of_the_head(person: DrawnPerson) -> None:
    """Turned, the head is about as wide as before: skull comes into sight, no squeezed disc."""
    mesh = person.head().mesh
    level = np.abs(np.sin(mesh.shell.azimuth)) < 0.35
    rest = anchors(mesh.flat.vertices)[_OUTLINE, level, 0]
    width = {
        yaw: np.ptp(anchors(move_head(mesh, turned(person, yaw)).mesh.vertices)[_OUTLINE, level, 0])
        for yaw in (-30, 30)
    }
    flat = np.ptp(anchors(move_mesh(mesh.flat, turned(person, 30)).vertices)[_OUTLINE, level, 0])
    assert min(width.values()) > 0.93 * np.ptp(rest)
    assert flat < 0.92 * np.ptp(rest)


@pytest.mark.parametrize("yaw", [-35, -20, 20, 35])
def test_no_triangle_of_the_near_side_is_turned_over(person: DrawnPerson, yaw: int) -> None:
    mesh = person.head().mesh
    moved = move_head(mesh, turned(person, yaw)).mesh.vertices
    rings = mesh_triangles()[72 : ring_triangle_count()]  # without the band behind the cheek
    a, b, c = (moved[rings[:, i], :2] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    rest = mesh.flat.vertices[rings].mean(axis=1)
    near = (rest[:, 0] - mesh.shell.center[0]) * yaw > 0.6 * UNIT * abs(yaw)
    above = rest[:, 1] < mesh.shell.center[1]
    assert (area[near & above] > -1.0).all()


def test_an_ear_stays_on_the_head_and_a_sheet_goes_on_behind_it() -> None:
    person = draw_person(hair=1.0, ears=True)
    mesh = person.head().mesh
    side = np.flatnonzero((np.sin(mesh.shell.azimuth) > -0.1) & (np.sin(mesh.shell.azimuth) < 0.4))
    assert mesh.ears[side].max() > 0.9
    yaw = 34.0
    moved = move_head(mesh, turned(person, yaw))
    assert moved.behind is not None
    near = [j for j in side if np.cos(mesh.shell.azimuth[j]) > 0 and mesh.ears[j] > 0.8]
    ear = anchors(moved.mesh.vertices)[_OUTLINE, near, 0]
    outline = moved.behind.vertices[near, 1, 0]
    assert (outline > ear - 0.02 * UNIT).all()
    assert (outline > ear + 0.04 * UNIT).any()
    assert (moved.behind.share[near] > 0.9).all()


def test_hair_has_no_ears(person: DrawnPerson) -> None:
    assert person.head().mesh.ears.max() < 0.3


def test_a_head_cut_by_the_pictures_edge_goes_on_as_the_mean_head_does() -> None:
    person = draw_person(up=95.0)
    mesh = person.head().mesh
    top = np.argmin(np.sin(mesh.shell.azimuth))
    bald = mesh.shell.radii[top, mesh.shell.radii.shape[1] // 2]
    assert mesh.shell.edge()[top] < 1.3 * bald


@pytest.mark.parametrize(("yaw", "pitch"), [(80, 0), (-80, 40), (0, 70), (0, -70), (170, 0)])
def test_any_pose_is_finite(person: DrawnPerson, yaw: float, pitch: float) -> None:
    moved = move_head(person.head().mesh, turned(person, yaw, pitch))
    assert np.isfinite(moved.mesh.vertices).all()
    assert moved.behind is None or np.isfinite(moved.behind.vertices).all()
