# SPDX-License-Identifier: GPL-3.0-or-later
"""From moved vertices to a backward map: which triangle covers a pixel, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.forms import linear_forms
from inference.landmarks import mirror_order
from inference.performance.face.canonical import canonical_face
from inference.warp.mesh import MovedMesh, WarpMesh, mesh_triangles, ring_triangle_count

Points = NDArray[np.float32]
Map = NDArray[np.float32]

SHIFT = 4  # fractional bits of the vertices when they are drawn
# Thinner triangles (in grid pixels) are carried as a whole: their gradient means nothing.
_THIN = 0.5
# The line of landmarks along the steepest of a side of the nose, from its root to below its wing.
_SIDE = (8, 193, 245, 188, 174, 217, 209, 49, 64, 98, 2)


@dataclass(frozen=True)
class Raster:
    """A target pose on a grid of (rows, columns).

    displacement: (rows, columns, 2) float32, source minus target position in pixels of the crop;
        add it to a pixel's own position to know where it comes from.
    stretch: (rows, columns) float32, log2 of target over source area, in [-1, 1].
    seen: (rows, columns) float32, 1 where the covering triangle faced the camera in the portrait.
    face: (rows, columns) uint8, 1 where it is one of the face's.
    corners: (F, 3, 2) int32, the face's triangles that were drawn, as in `Drawing`.
    nose, nose_corners: likewise of the nose; None while it hides nothing of the face.
    """

    displacement: Map
    stretch: Map
    seen: Map
    face: NDArray[np.uint8]
    corners: NDArray[np.int32]
    nose: NDArray[np.uint8] | None = None
    nose_corners: NDArray[np.int32] | None = None


def rasterise(
    mesh: WarpMesh, moved: MovedMesh, crop_size: tuple[int, int], grid: tuple[int, int]
) -> Raster:
    """Draw the moved mesh on a grid.

    moved: from `move_mesh`. crop_size, grid: (width, height).
    """
    drawing = draw_mesh(mesh, moved, crop_size, grid)
    index = np.full((grid[1], grid[0]), -1, np.int32)  # the table's last row
    fill, line, corners = cv2.fillConvexPoly, cv2.LINE_8, list(drawing.corners)
    for i in drawing.order.tolist():
        fill(index, corners[i], i, line, SHIFT)
    at = index.astype(np.intp)
    # Plane by plane: NumPy is slow where one picks eight numbers for each cell.
    by_x, by_y, base = (
        [column.take(at) for column in np.ascontiguousarray(drawing.table[:, i : i + 2].T)]
        for i in (0, 2, 4)
    )
    rows = np.arange(grid[1], dtype=np.float32)[:, None]
    columns = np.arange(grid[0], dtype=np.float32)
    for x, y, rest in zip(by_x, by_y, base, strict=True):
        x *= columns
        y *= rows
        x += y
        x += rest
    displacement = cv2.merge(by_x)
    stretch, seen = (np.ascontiguousarray(drawing.table[:, i]).take(at) for i in (6, 7))
    rings = ring_triangle_count()
    face = (index >= rings).view(np.uint8)
    faces = drawing.corners[drawing.order[drawing.order >= rings]]
    drawn = drawing.order[drawing.order >= rings] - rings
    if np.isin(_sides_of_nose(), drawn).all():
        return Raster(displacement, stretch, seen, face, faces)
    is_nose = np.isin(np.arange(len(mesh_triangles()) - rings), nose_triangles())
    nose = np.concatenate([np.zeros(rings, bool), is_nose, [False]]).take(at).view(np.uint8)
    return Raster(displacement, stretch, seen, face, faces, nose, faces[is_nose[drawn]])


@dataclass(frozen=True)
class Drawing:
    """The moved mesh's triangles, ready to be filled one over the other on a grid.

    corners: (T, 3, 2) int32, x and y in grid pixels times 2 ** SHIFT. order: (N,) the triangles
    that face the camera, far ones first. table: (T + 1, 8) float32, what each gives to its pixels
    (the last row: to those of none): displacement as c_x * column + c_y * row + c_0, x and y of
    each, then stretch and seen.
    """

    corners: NDArray[np.int32]
    order: NDArray[np.int64]
    table: Map


def draw_mesh(
    mesh: WarpMesh, moved: MovedMesh, crop_size: tuple[int, int], grid: tuple[int, int]
) -> Drawing:
    """Everything about the moved mesh but which pixel lies in which triangle; as `rasterise`."""
    triangles = mesh_triangles()
    zoom = np.array([grid[0] / crop_size[0], grid[1] / crop_size[1]], np.float32)
    # Pixel centres are half a pixel in: position p of the crop is index p * zoom - 0.5.
    target = moved.vertices[triangles][..., :2] * zoom - 0.5
    source = moved.texture[triangles] * zoom - 0.5
    area, source_area = _doubled_area(target), _doubled_area(source)
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = np.clip(np.log2(np.abs(area) / np.abs(source_area)), -1, 1)
    table = np.zeros((len(triangles) + 1, 8), np.float32)
    table[:-1, :6] = _affine(target, source, area) / np.tile(zoom, 3)
    table[:-1, 6] = np.nan_to_num(stretch)
    table[:-1, 7] = source_area > 0
    table[-1, 7] = 1
    corners = np.round(target * (1 << SHIFT)).astype(np.int32)
    return Drawing(corners, _draw_order(moved.vertices, triangles, area), table)


@cache
def nose_triangles() -> NDArray[np.intp]:
    """Which of the face's triangles are the nose's: all between the steepest of its sides."""
    flat = canonical_face().mean[:, :2].astype(np.float32)
    middles = flat[mesh_triangles()[ring_triangle_count() :]].mean(axis=1)
    mirrored = mirror_order()[list(_SIDE)]
    outline = flat[[*_SIDE, *mirrored[::-1]]].reshape(-1, 1, 2)
    inside = [cv2.pointPolygonTest(outline, tuple(map(float, m)), False) > 0 for m in middles]
    return np.flatnonzero(inside)


@cache
def _sides_of_nose() -> NDArray[np.intp]:
    """Which of the face's triangles touch the nose's sides, and are hidden first as it turns."""
    sides = [*_SIDE[1:-1], *mirror_order()[list(_SIDE[1:-1])]]
    corners = mesh_triangles()[ring_triangle_count() :]
    return np.flatnonzero(np.isin(corners, sides).sum(axis=1) >= 2)


def _doubled_area(corners: Points) -> NDArray[np.float32]:
    """Signed, (T, 3, 2) -> (T,); positive where the triangle faces the camera."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _draw_order(
    moved: Points, triangles: NDArray[np.int32], area: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The triangles that face the camera, far ones first, the rings behind everything."""
    depth = moved[triangles, 2].mean(axis=1)
    rings = ring_triangle_count()
    ring_order = np.arange(rings)  # what is hidden, then from the border to the hairline
    skin_order = rings + np.argsort(-depth[rings:], kind="stable")
    order = np.concatenate([ring_order, skin_order])
    return order[area[order] > 0]


def _affine(target: Points, source: Points, area: NDArray[np.float32]) -> NDArray[np.float32]:
    """For every triangle the displacement as c_x * column + c_y * row + c_0: (T, 6)."""
    shift = source - target
    edge_a, edge_b = target[:, 1] - target[:, 0], target[:, 2] - target[:, 0]
    longest = np.sqrt(
        np.maximum.reduce([(e**2).sum(axis=1) for e in (edge_a, edge_b, edge_b - edge_a)])
    )
    firm = area > _THIN * longest
    table = np.zeros((len(target), 6), np.float32)
    table[firm] = linear_forms(target[firm], shift[firm]).reshape(-1, 6)
    table[~firm, 4:] = shift[~firm].mean(axis=1)
    return table
