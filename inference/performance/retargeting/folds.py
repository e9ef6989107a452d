# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin that an expression would fold is pushed apart until it lies flat again.

A thin-lipped portrait cannot roll its lips in as far as a full-lipped driver: triangles would turn
over, and the picture would tear there. The corners of each such triangle are moved in the picture,
by as little as gives it some area; lids and inner lips stay where contact put them, unless the fold
is between them alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    EYES,
    MOUTH_LOWER,
    MOUTH_UPPER,
    POINT_COUNT,
    SKIN_COUNT,
    face_triangles,
)

Face = NDArray[np.float64]

# A triangle counts when it is turned to the camera by more than this (the cosine of its normal
# with the line of sight): one that is seen edge-on covers nothing and turns over with any breath.
FACING = 0.25
_COUNTED = 0.18  # fixed somewhat earlier: a head's turn is known to a degree or two only
_ROUNDS, _TRIES = 40, 5
# What is left of a triangle's area: below the first it is fixed, up to the second.
_LEAST, _MENDED = 0.02, 0.06
# How easily lids and inner lips yield, against 1 of all other points; at last they do more.
_HELD, _HELD_AT_LAST = 0.02, 0.5


@dataclass(frozen=True)
class Skin:
    """A face at rest, (478, 3). normals: (852, 3), as long as twice the triangle's area, which is
    in sizes: (852,).
    """

    rest: Face
    normals: Face
    sizes: NDArray[np.float64]


def skin(rest: NDArray[np.floating]) -> Skin:
    """The skin of landmarks (478, 3)."""
    a, b = _edges(rest)
    normals = np.cross(a, b)
    return Skin(np.asarray(rest, np.float64), normals, np.linalg.norm(normals, axis=1))


def unfold(rest: Skin, moved: Face, rotation: NDArray[np.float64]) -> Face:
    """`moved` (478, 3) without the folds that it has against the skin at rest, in its pose.

    rotation: (3, 3), how the head is turned from that pose when it is seen.
    """
    flat = rest.normals @ rotation[2]
    least = np.where(flat > _COUNTED * rest.sizes, _LEAST * flat, -np.inf)
    seen = rotation[:2].T
    if not (_areas(moved @ seen) < least).any():
        return moved
    for _ in range(_TRIES):
        points, flat_again = _pushed_apart(moved @ seen, least, _MENDED * flat)
        fixed = moved + (points - moved @ seen) @ seen.T
        if flat_again:
            break
        # More than this skin can do: the expression is taken back a little, but for the lids.
        moved = rest.rest + _taken_back() * (moved - rest.rest)
    return np.asarray(fixed)


def _pushed_apart(
    points: Face, least: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[Face, bool]:
    """The points (478, 2) with areas of at least `least`, and whether that came about."""
    bad = np.flatnonzero(_areas(points) < least)
    for round_ in range(_ROUNDS):
        _push(points, bad, wanted, _yielding(_HELD if round_ < _ROUNDS // 2 else _HELD_AT_LAST))
        bad = np.flatnonzero(_areas(points) < least)
        if not len(bad):
            return points, True
    return points, False


def facing(rest: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which triangles of a face (478, 3) are clearly turned to the camera: (852,)."""
    surface = skin(rest)
    return np.asarray(surface.normals[:, 2] > FACING * surface.sizes)


def turned_over(face: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which triangles of a face (478, 2 or 3) show their back: (852,)."""
    return _areas(face[:, :2]) < 0


def _push(
    points: Face,
    bad: NDArray[np.intp],
    wanted: NDArray[np.float64],
    yielding: NDArray[np.float64],
) -> None:
    """Move the corners of bad triangles along their areas' gradients, in place.

    Each triangle asks for its own step; a point that several ask takes the mean of their wishes.
    """
    corners = face_triangles()[bad]
    p, q, r = (points[corners[:, i]] for i in range(3))
    # The doubled area's gradient at a corner is the opposite edge, turned by a quarter.
    gradient = np.stack([_quarter(r - q), _quarter(p - r), _quarter(q - p)], axis=1)
    area = (q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0]
    weights = yielding[corners]
    norm = (weights[..., None] * gradient**2).sum(axis=(1, 2))
    step = (wanted[bad] - area) / np.maximum(norm, 1e-9)
    moves = weights[..., None] * gradient * step[:, None, None]
    total = np.zeros((len(points), 2))
    asked = np.zeros(len(points))
    np.add.at(total, corners, moves)
    np.add.at(asked, corners, 1)
    points += total / np.maximum(asked, 1)[:, None]


def _quarter(edges: Face) -> Face:
    return np.stack([-edges[:, 1], edges[:, 0]], axis=1)


def _areas(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Twice the triangles' areas in the picture, (478, 2) -> (852,); positive: seen from front."""
    a, b = _edges(points)
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _edges(points: NDArray[np.floating]) -> tuple[Face, Face]:
    corners = points.take(face_triangles(), axis=0)
    return corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]


@cache
def _taken_back() -> NDArray[np.float64]:
    """(478, 1): the share of its move that each point keeps."""
    kept = np.full((POINT_COUNT, 1), 0.8)
    lids = [point for upper, lower, _ in EYES for point in (*upper, *lower)]
    kept[lids] = 1
    kept[SKIN_COUNT:] = 1
    return kept


@cache
def _yielding(held: float) -> NDArray[np.float64]:
    """(468,): how easily each point moves."""
    yielding = np.ones(SKIN_COUNT)
    lids = [point for upper, lower, _ in EYES for point in (*upper, *lower)]
    yielding[[*MOUTH_UPPER, *MOUTH_LOWER, *lids]] = held
    return yielding
