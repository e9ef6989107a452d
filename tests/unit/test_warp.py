# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh warp: exact where nothing moved, no holes and no flips where much did."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.demo import PORTRAIT, TRACK
from inference.landmarks import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    face_triangles,
)
from inference.mouth.inside import find_place
from inference.performance.retargeting.folds import turned_over
from inference.performance.retargeting.retarget import retarget_relative
from inference.portrait import Portrait, open_portrait
from inference.track import load_track
from inference.warp.mesh import build_mesh, mesh_triangles, move_mesh
from inference.warp.openings import eye_patches, mouth_patch
from inference.warp.raster import rasterise
from inference.warp.warp import pose_target, warp, warp_source

ZIGZAG = 0.4  # pixels that an edge strays from a smooth one; 0.5 where creases are not rounded


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return open_portrait(PORTRAIT)


def crop_size(portrait: Portrait) -> tuple[int, int]:
    return portrait.box.width, portrait.box.height


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """The face turned about the vertical axis through the middle of the head."""
    angle = np.radians(degrees)
    center = points.mean(axis=0) + np.array([0, 0, 0.4 * np.ptp(points[:, 0])], np.float32)
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
    return ((points - center) @ matrix.T + center).astype(np.float32)


def with_closed_lids(points: np.ndarray) -> np.ndarray:
    closed = points.copy()
    for upper, lower in ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER)):
        closed[list(upper)] = closed[list(lower)]
    return closed


def with_open_mouth(points: np.ndarray, pixels: float) -> np.ndarray:
    opened = points.copy()
    opened[list(MOUTH_LOWER[1:-1]), 1] += pixels
    return opened


def test_the_portrait_s_own_landmarks_give_back_its_own_pixels(portrait: Portrait) -> None:
    size, points = crop_size(portrait), portrait.crop_points()
    target = pose_target(build_mesh(points, size), points, size)
    source = warp_source(portrait.crop(), points)
    warped, _ = warp(source, target, size)
    difference = np.abs(warped.astype(int) - source.pixels.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_a_turned_head_leaves_no_hole_and_shows_no_flipped_triangle(
    portrait: Portrait, degrees: float
) -> None:
    size, points = crop_size(portrait), portrait.crop_points()
    mesh = build_mesh(points, size)
    moved = move_mesh(mesh, turned(points, degrees))
    raster = rasterise(mesh, moved, size, (256, 256))
    # What no triangle covers keeps a displacement of exactly zero: only the rim may.
    still = (raster.displacement == 0).all(axis=-1)
    inner = np.zeros_like(still)
    inner[24:-24, 24:-24] = True
    covered_by_rings_at_rest = np.abs(raster.displacement).max() == 0
    assert not covered_by_rings_at_rest
    hull = cv2.convexHull(moved.vertices[:468, :2] * 256 / np.array(size, np.float32))
    face = cv2.fillConvexPoly(np.zeros((256, 256), np.uint8), hull.astype(np.int32), 1)
    assert not (still & (face > 0)).any()


def test_triangles_that_turn_over_are_hidden(portrait: Portrait) -> None:
    size, points = crop_size(portrait), portrait.crop_points()
    mesh = build_mesh(points, size)
    moved = move_mesh(mesh, turned(points, 40))
    corners = moved.vertices[mesh_triangles(), :2]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    flipped = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) < 0
    assert flipped.any(), "the turn is meant to be strong enough to flip some"
    # Paint every vertex of the flipped triangles with an absurd origin: nothing of it may show.
    turned_over = set(mesh_triangles()[flipped].ravel())
    lonely = sorted(turned_over - set(mesh_triangles()[~flipped].ravel()))
    assert lonely, "some corner is meant to belong to flipped triangles alone"
    moved.texture[lonely] += 10_000
    raster = rasterise(mesh, moved, size, (256, 256))
    assert np.abs(raster.displacement).max() < 5_000


@pytest.mark.parametrize("astray", [-3, 0, 3])
@pytest.mark.parametrize("degrees", [-25, 25])
def test_a_hidden_cheek_that_turns_back_has_one_contour(
    portrait: Portrait, degrees: float, astray: int
) -> None:
    """Light skin before darkness; its contour lies `astray` pixels outside of the landmarks'."""
    size, front = crop_size(portrait), portrait.crop_points()
    points = turned(front, degrees)
    skin = np.zeros((size[1], size[0]), np.uint8)
    for corners in points[face_triangles(), :2]:
        cv2.fillConvexPoly(skin, np.round(corners).astype(np.int32), 255)
    skin = cv2.morphologyEx(skin, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    square = np.ones((2 * abs(astray) + 1, 2 * abs(astray) + 1), np.uint8)
    skin = (cv2.erode if astray < 0 else cv2.dilate)(skin, square)
    source = warp_source(cv2.merge([skin] * 3), points)
    mesh = build_mesh(points, size)
    for share in (0.15, 0.4, 0.7, 1.0):
        target = points + np.float32(share) * (front - points)
        warped, _ = warp(source, pose_target(mesh, target, size), size)
        rows = slice(int(target[145, 1]) + 8, int(target[0, 1]) - 2)  # from below eyes to lips
        light = warped[rows].mean(axis=-1) > 127
        contours = np.abs(np.diff(light.astype(int), axis=1)).sum(axis=1)
        assert (contours == 2).all(), f"{(contours > 2).sum()} of {len(contours)} rows show more"


@pytest.mark.parametrize("degrees", [-30, -20, 20, 30])
def test_nothing_of_what_a_turned_cheek_or_nose_hides_shines_through(
    portrait: Portrait, degrees: float
) -> None:
    size, points = crop_size(portrait), portrait.crop_points()
    mesh = build_mesh(points, size)
    target = turned(points, degrees)
    triangles = face_triangles()
    hidden = turned_over(target)
    # The skin well behind the contour: no corner of it is seen.
    behind = hidden & ~np.isin(triangles, triangles[~hidden]).any(axis=1)
    assert behind.any()
    zoom = 4  # the larger the picture, the wider are the cells of the mesh's grid
    picture = np.zeros((size[1] * zoom, size[0] * zoom, 3), np.uint8)
    for corners in points[triangles[behind], :2] * zoom:
        cv2.fillConvexPoly(picture, np.round(corners).astype(np.int32), (0, 255, 0))
    assert (picture > 0).any()
    source = warp_source(picture, points * np.float32(zoom))
    warped, _ = warp(source, pose_target(mesh, target, size), size)
    shining = (warped > 64).sum()
    assert shining < 5, f"{shining} pixels show what is hidden"


def test_closed_lids_and_lips_leave_no_opening(portrait: Portrait) -> None:
    size, points = crop_size(portrait), portrait.crop_points()
    assert len(eye_patches(points, points, 1, size)) == 2
    assert eye_patches(points, with_closed_lids(points), 1, size) == []
    shut = points.copy()
    shut[list(MOUTH_LOWER)] = shut[list(MOUTH_UPPER)]
    assert mouth_patch(points, shut, 1, size, find_place(points)) is None


def test_a_mouth_opened_wider_than_the_portrait_s_shows_darkness_not_lips(
    portrait: Portrait,
) -> None:
    size, points = crop_size(portrait), portrait.crop_points()
    opened = with_open_mouth(points, 14)
    mesh = build_mesh(points, size)
    warped, _ = warp(warp_source(portrait.crop(), points), pose_target(mesh, opened, size), size)
    x = int(points[14, 0])
    y = int((points[14, 1] + opened[14, 1]) / 2)
    inside = warped[y - 2 : y + 3, x - 4 : x + 5].astype(float)
    lip = portrait.crop()[int(points[14, 1]) + 3, x].astype(float)
    assert inside.mean() < 0.4 * lip.mean()


def test_an_eyeball_keeps_its_shape_while_lids_half_close(portrait: Portrait) -> None:
    size, points = crop_size(portrait), portrait.crop_points()
    half = points.copy()
    for upper, lower in ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER)):
        half[list(upper[1:-1])] = (points[list(upper[1:-1])] + points[list(lower[1:-1])]) / 2
    for patch in eye_patches(points, half, 1, size):
        rows = np.diff(patch.source[..., 1], axis=0)[:, 2:-2]
        seen = (patch.mask[1:, 2:-2] > 0.5) & (patch.mask[:-1, 2:-2] > 0.5)
        assert seen.any()
        np.testing.assert_allclose(rows[seen], 1, atol=0.05)


def test_every_frame_of_a_real_performance_covers_the_face(portrait: Portrait) -> None:
    size = crop_size(portrait)
    mesh = build_mesh(portrait.crop_points(), size)
    corner = np.array([portrait.box.x, portrait.box.y, 0], np.float32)
    at = retarget_relative(portrait.points, load_track(TRACK))
    for frame in range(0, 240, 24):
        target = pose_target(mesh, at(frame) - corner, size)
        assert np.isfinite(target.raster.displacement).all()
        assert np.abs(target.raster.displacement).max() < 0.4 * size[0]


def test_sample_files_are_where_the_demo_looks() -> None:
    assert Path(PORTRAIT).is_file()
    assert Path(TRACK).is_file()


def test_an_enlarged_lip_has_no_zigzag_for_an_edge(portrait: Portrait) -> None:
    """Its lower edge in a picture six times as fine as the mesh's grid."""
    zoom, size = np.float32(6), crop_size(portrait)
    points = portrait.crop_points()
    large = (size[0] * int(zoom), size[1] * int(zoom))
    picture = np.full((large[1], large[0], 3), 200, np.uint8)
    lips = np.round(points[[*LIPS_UPPER, *LIPS_LOWER[::-1]], :2] * zoom * 16).astype(np.int32)
    cv2.fillPoly(picture, [lips], (60, 60, 60), cv2.LINE_AA, 4)
    picture = cv2.GaussianBlur(picture, (0, 0), 2)
    target = pose_target(build_mesh(points, size), with_open_mouth(points, 8), size)
    source = warp_source(picture, points * np.array([zoom, zoom, zoom]))
    warped, _ = warp(source, target, size)
    ends = target.points[list(LIPS_LOWER), :2] * zoom
    columns = np.arange(int(ends[3, 0]), int(ends[-4, 0]))
    low = int(ends[:, 1].max()) + 20
    edge = []
    for column in columns:
        light = warped[low - 120 : low, column, 0].astype(float)[::-1]
        last = int(np.argmax(light < 130))
        edge.append(last - (130 - light[last]) / max(light[last - 1] - light[last], 1))
    smooth = cv2.GaussianBlur(np.array(edge)[None], (0, 0), 4)[0]
    assert np.abs(np.array(edge) - smooth)[16:-16].mean() < ZIGZAG
