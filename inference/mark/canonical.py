# SPDX-License-Identifier: GPL-3.0-or-later
"""The sheet on which the mark lies: the mean face, seen from the front.

Wherever a face's landmarks are, its skin can be laid out on this sheet, so how large it is, how it
is turned and what it says does not matter to what is read from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    EYES,
    LEFT_BROW,
    LEFT_BROW_LOWER,
    LIPS_LOWER,
    LIPS_UPPER,
    NOSE_BASE,
    OVAL,
    RIGHT_BROW,
    RIGHT_BROW_LOWER,
    face_triangles,
)
from inference.performance.face.canonical import canonical_face

Points = NDArray[np.float32]
Plane = NDArray[np.float32]

# The face's width in cells; a cell is 1.6 pixels of a crop of 512.
_WIDTH = 112
_MARGIN = 4


@dataclass(frozen=True)
class Sheet:
    """points: (478, 2) the landmarks in cells. skin: (H, W) float32, 1 where the mark may lie.

    corners: (H, W, 3) the landmarks of the triangle that covers each cell; shares: (H, W, 3)
    float32 their weights.
    """

    points: Points
    skin: Plane
    corners: NDArray[np.int32]
    shares: Plane

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.skin.shape[0], self.skin.shape[1]


@cache
def sheet() -> Sheet:
    """The sheet of the canonical face."""
    mean = canonical_face().mean[:, :2]
    outline = mean[list(OVAL)]
    low, high = outline.min(axis=0), outline.max(axis=0)
    zoom = _WIDTH / (high[0] - low[0])
    points = ((mean - low) * zoom + _MARGIN).astype(np.float32)
    columns, rows = (np.ceil((high - low) * zoom).astype(int) + 2 * _MARGIN).tolist()
    triangles = face_triangles()
    rims = np.concatenate([points[triangles], np.ones((len(triangles), 3, 1), np.float32)], axis=2)
    inverses = np.linalg.pinv(rims.transpose(0, 2, 1).astype(np.float64))
    corners = np.zeros((rows, columns, 3), np.int32)
    shares = np.zeros((rows, columns, 3), np.float32)
    covered = np.zeros((rows, columns), np.uint8)
    for triangle, inverse in zip(triangles.tolist(), inverses, strict=True):
        left, top, across, down = cv2.boundingRect(points[triangle])
        here = np.s_[top : top + down, left : left + across]
        y, x = np.mgrid[here]
        share = np.stack([x, y, np.ones_like(x)], axis=-1) @ inverse.T
        inside = (share > -1e-4).all(axis=-1)
        corners[here][inside] = triangle
        shares[here][inside] = share[inside]
        covered[here][inside] = 1
    return Sheet(points, _skin(points, covered), corners, shares)


def places(points: Points) -> Plane:
    """Where each cell lies in a picture, (H, W, 2), of landmarks (478, 2 or 3) in its pixels."""
    flat = sheet()
    return np.einsum("hwk,hwkc->hwc", flat.shares, points[flat.corners][..., :2], dtype=np.float32)


def lay_out(luma: Plane, points: Points) -> Plane:
    """A picture's luma (h, w) on the sheet, (H, W). points: (478, 2 or 3) in its pixels."""
    where = places(points)
    # Of a large picture a cell is the mean over its pixels.
    width = float(np.ptp(points[list(OVAL), 0]))
    factor = _WIDTH / max(width, 1.0) * 1.25
    if factor < 1:
        luma = cv2.resize(luma, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        where = where * np.float32(factor)
    how = cv2.INTER_LINEAR
    return np.asarray(cv2.remap(luma, where - 0.5, None, how, None, cv2.BORDER_REPLICATE))


def lay_back(pattern: Plane, points: Points, size: tuple[int, int]) -> Plane:
    """Patterns (H, W, C) of the sheet in a picture of `size` (width, height), 0 around it.

    points: (478, 2 or 3) in its pixels. Triangles that face away are left out.
    """
    flat, picture = sheet().points, np.zeros((size[1], size[0], pattern.shape[2]), np.float32)
    for triangle in face_triangles().tolist():
        target = points[triangle, :2].astype(np.float32) - np.float32(0.5)
        (ax, ay), (bx, by) = target[1] - target[0], target[2] - target[0]
        left, top, across, down = cv2.boundingRect(target)
        right, bottom = min(left + across, size[0]), min(top + down, size[1])
        left, top = max(left, 0), max(top, 0)
        if ax * by - ay * bx <= 0 or left >= right or top >= bottom:
            continue
        corner = np.array([left, top], np.float32)
        back = cv2.getAffineTransform(target - corner, flat[triangle])
        area = (right - left, bottom - top)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        piece = cv2.warpAffine(pattern, back, area, None, flags).reshape(*area[::-1], -1)
        inside = np.zeros(piece.shape[:2], np.uint8)
        cv2.fillConvexPoly(inside, np.round((target - corner) * 16).astype(np.int32), 1, shift=4)
        np.copyto(picture[top:bottom, left:right], piece, where=inside[..., None] > 0)
    return picture


def _skin(points: Points, covered: NDArray[np.uint8]) -> Plane:
    """Skin without what moves by itself or is full of edges: eyes, brows, lips, nostrils."""
    skin = covered.copy()
    around = [(*upper, *reversed(lower)) for upper, lower, _ in EYES]
    around += [(*LIPS_UPPER, *reversed(LIPS_LOWER)), NOSE_BASE]
    around += [(*RIGHT_BROW, *reversed(RIGHT_BROW_LOWER)), (*LEFT_BROW, *reversed(LEFT_BROW_LOWER))]
    for contour in around:
        hull = cv2.convexHull(np.round(points[list(contour)] * 16).astype(np.int32))
        cv2.fillConvexPoly(skin, hull, 0, shift=4)
    return cv2.erode(skin, np.ones((5, 5), np.uint8)).astype(np.float32)
