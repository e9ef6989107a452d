# SPDX-License-Identifier: GPL-3.0-or-later
"""The face's contour, where it hides what lies behind it, drawn at the output's own resolution.

The mesh is drawn on a coarse grid, and between its cells displacements are interpolated. Across a
contour there is nothing to interpolate: between a cheek and the hair behind it the picture would
run through everything that the one hides of the other, in a line as thin as a cell. So near such a
contour face and background are carried on beyond it, each by itself, and one is laid over the
other with a soft edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.warp.raster import SHIFT, Raster

Map = NDArray[np.float32]

# How far from the contour, in cells, interpolation and the soft edge reach.
_REACH = 2
# Jumps of the displacement below this, in pixels of the output, are no contour.
_JUMP = 0.75
_FINE = 4  # the contour itself is drawn this much finer
# The drawn outline's steps are rounded off with this sigma, in cells.
_ROUNDING = 0.9
# Width of the soft edge: pixels of the output, but no less than this share of a cell.
_EDGE, _EDGE_CELL = 1.5, 0.3
# log2 of the area to which what is seen flatly has shrunk, or less.
_FLAT = -0.9
_ROW = 1024  # OpenCV maps pictures only, of at most 32767 rows and columns


@dataclass(frozen=True)
class Contour:
    """Pixels near a contour. at: (N, 2) int32, their column and row in the output.

    front, back: (N, 2) float32, source less target position in pixels of the output, of the face
    and of what lies behind it. share: (N, 1) float32, the face's, 0 to 1.
    """

    at: NDArray[np.int32]
    front: Map
    back: Map
    share: Map


def find_contour(raster: Raster, size: tuple[int, int], zoom: Map) -> Contour | None:
    """The contour in an output of `size` (width, height), or None where nothing is hidden.

    zoom: (2,) pixels of the output in one of the crop.
    """
    rows, columns = raster.face.shape
    if size == (columns, rows):
        return None  # every pixel is a cell: nothing is interpolated
    near = _around_edge(raster.face, _REACH)
    edges = [_find_edge(raster, raster.face, raster.corners, near, size, zoom)]
    if raster.nose is not None and raster.nose_corners is not None:
        # Beside the face's own contour the nose has none of its own.
        inner = _around_edge(raster.nose, _REACH) * (1 - _around_edge(raster.face, 2 * _REACH))
        edges.append(_find_edge(raster, raster.nose, raster.nose_corners, inner, size, zoom))
    found = [edge for edge in edges if edge is not None]
    if len(found) < 2:
        return found[0] if found else None
    parts = ([edge.at, edge.front, edge.back, edge.share] for edge in found)
    return Contour(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _find_edge(
    raster: Raster,
    part: NDArray[np.uint8],
    corners: NDArray[np.int32],
    near: NDArray[np.uint8],
    size: tuple[int, int],
    zoom: Map,
) -> Contour | None:
    """The edge of a part (rows, columns) over what it hides, in the cells that are near.

    corners: of the part's triangles.
    """
    rows, columns = part.shape
    cells = np.flatnonzero(near)
    if not len(cells):
        return None
    front, back = _carried_on(raster, part, cells)
    jump = np.abs((front - back) * zoom) > _JUMP
    band = np.zeros(rows * columns, np.uint8)
    band[cells] = jump[:, 0] | jump[:, 1]
    # Where the jump passes through zero on its way along the contour the edge goes on.
    band = cv2.dilate(band.reshape(rows, columns), np.ones((5, 5), np.uint8)) & near
    found = cv2.findNonZero(cv2.resize(band, size, interpolation=cv2.INTER_NEAREST))
    if found is None:
        return None
    at = found[:, 0]
    scale = np.array([columns / size[0], rows / size[1]], np.float32)
    where = (at.astype(np.float32) + 0.5) * scale - 0.5
    layers = []
    for moved in (front, back):
        field = raster.displacement.copy()
        field.reshape(-1, 2)[cells] = moved
        layers.append(sample(field, where, cv2.INTER_LINEAR) * zoom)
    outline = cv2.GaussianBlur(_covered(part, corners, near), (0, 0), _ROUNDING)
    edge = max(_EDGE * float(scale.max()), _EDGE_CELL)  # in cells
    steep = np.sqrt(2 * np.pi) * _ROUNDING / edge
    share = (sample(outline, where, cv2.INTER_LINEAR) - 0.5) * steep + 0.5
    share = np.clip(share, 0, 1).astype(np.float32)[:, None]
    return Contour(at, layers[0], layers[1], share)


def _around_edge(face: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """1 in cells of either kind from which the other kind is at most `reach` cells away."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.dilate(face, square) - cv2.erode(face, square))


def _covered(
    whole: NDArray[np.uint8], triangles: NDArray[np.int32], near: NDArray[np.uint8]
) -> Map:
    """A part's share of each cell at its contour, in sixteenths, and 0 or 1 elsewhere.

    A contour that went from cell to cell would jump as the head turns.
    """
    rows, columns = whole.shape
    cells = triangles >> SHIFT
    inside = np.clip(cells, 0, (columns - 1, rows - 1))
    touching = near[inside[..., 1], inside[..., 0]].any(axis=1)
    left, top, width, height = cv2.boundingRect(near)
    part = np.s_[top : top + height, left : left + width]
    fine = np.zeros((height * _FINE, width * _FINE), np.uint8)
    # Pixel centres are half a pixel in, on either grid.
    shift = ((_FINE - 1) << (SHIFT - 1)) - ((np.array([left, top]) * _FINE) << SHIFT)
    for corners in (triangles[touching] * _FINE + shift).astype(np.int32):
        cv2.fillConvexPoly(fine, corners, 255, cv2.LINE_8, SHIFT)
    share = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    covered = whole * np.uint8(255)
    np.copyto(covered[part], share, where=_around_edge(whole, 1)[part] > 0)
    return covered.astype(np.float32) / np.float32(255)


def sample(picture: NDArray[Any], where: Map, interpolation: int) -> NDArray[Any]:
    """A picture (H, W, ...) at pixel indices (N, 2): (N, ...); its edge is repeated beyond."""
    count = len(where)
    rows = -(-count // _ROW)
    padded = np.zeros((rows * _ROW, 2), np.float32)
    padded[:count] = where
    found = cv2.remap(
        picture, padded.reshape(rows, _ROW, 2), None, interpolation, None, cv2.BORDER_REPLICATE
    )
    return np.asarray(found.reshape(rows * _ROW, *found.shape[2:])[:count])


def _carried_on(
    raster: Raster, part: NDArray[np.uint8], cells: NDArray[np.intp]
) -> tuple[Map, Map]:
    """The displacement (N, 2) of a part and of what it hides at cells near its contour.

    Where the other one covers a cell it is the mean of those around. What is seen so flatly that
    two cells of the portrait fall into one is left to that mean, too, but for the face's own
    contour: it would be a thread of something else.
    """
    left, top, width, height = cv2.boundingRect(part)
    room = 2 * _REACH
    rows = slice(max(top - room, 0), top + height + room)
    columns = slice(max(left - room, 0), left + width + room)
    goes, inside = raster.displacement[rows, columns], part[rows, columns]
    firm = np.ones(inside.shape, np.float32)
    if part is not raster.face:
        firm = (raster.stretch[rows, columns] > _FLAT).astype(np.float32)
    row, column = np.divmod(cells, part.shape[1])
    here = raster.displacement.reshape(-1, 2).take(cells, axis=0)
    at = (row - rows.start, column - columns.start)
    layers = []
    for own in (firm * inside, firm * (1 - inside)):
        planes = cv2.merge([cv2.multiply(goes, cv2.merge([own, own])), own])
        side = (2 * _REACH + 1,) * 2
        sums = cv2.boxFilter(planes, -1, side, normalize=False, borderType=cv2.BORDER_REPLICATE)
        count = np.round(sums[at][:, 2:])
        mean = np.where(count > 0, sums[at][:, :2] / np.maximum(count, 1), here)
        layers.append(np.where(own[at][:, None] > 0, here, mean))
    return layers[0], layers[1]
