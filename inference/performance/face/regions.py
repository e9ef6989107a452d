# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions of the face with soft borders, and moves that die away over the skin around them.

Both are harmonic functions on the mesh's edges: given at some points, and everywhere else the mean
of their neighbours. They depend on the topology alone, so each is solved once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    CHIN,
    EYES,
    LEFT_BROW,
    LEFT_BROW_LOWER,
    LIP_CORNERS,
    LIP_MIDDLES,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    NOSE_BASE,
    NOSE_BRIDGE,
    OVAL,
    POINT_COUNT,
    RIGHT_BROW,
    RIGHT_BROW_LOWER,
    SKIN_COUNT,
    face_triangles,
)

Operator = NDArray[np.float64]

# Columns of the inner lips and of the lids, between their corners.
LIP_COLUMNS = (MOUTH_UPPER[1:-1], MOUTH_LOWER[1:-1])
LID_COLUMNS = tuple((upper[1:-1], lower[1:-1]) for upper, lower, _ in EYES)

_MOUTH = tuple(sorted({*MOUTH_UPPER, *MOUTH_LOWER, *LIPS_UPPER, *LIPS_LOWER}))
_LIDS = tuple(tuple(sorted({*upper, *lower})) for upper, lower, _ in EYES)
_BROWS = (*RIGHT_BROW, *RIGHT_BROW_LOWER, *LEFT_BROW, *LEFT_BROW_LOWER)
_JAW = OVAL[:17] + (OVAL[35],)  # from the right jaw over the chin to the left one
_TEMPLES = (127, 356, 234, 454, 162, 389)
_NOSE = (*NOSE_BRIDGE, *NOSE_BASE)


@cache
def region_weights() -> dict[str, NDArray[np.float64]]:
    """How much each point (478, 1) belongs to mouth (with jaw and cheeks), right_eye, left_eye
    and brows (with the forehead); they add up to at most 1. Irises belong to none.
    """
    seeds = {
        "mouth": (*_MOUTH, *_JAW),
        "right_eye": _LIDS[0],
        "left_eye": _LIDS[1],
        "brows": (*_BROWS, 10, 109, 338, 151),
        "none": (*NOSE_BRIDGE[:4], *_TEMPLES),
    }
    given = [point for points in seeds.values() for point in points]
    solved = _harmonic(tuple(given))
    weights = {}
    for name in tuple(seeds)[:-1]:
        values = np.array([float(point in seeds[name]) for point in given])
        weights[name] = np.zeros((POINT_COUNT, 1))
        weights[name][:SKIN_COUNT, 0] = solved @ values
    return weights


@cache
def lip_spread() -> Operator:
    """(478, 18): moves of `LIP_COLUMNS`, upper then lower, carried over the skin to nothing at
    nose, lids and the face's outline.
    """
    return _spread((*LIP_COLUMNS[0], *LIP_COLUMNS[1]), (*OVAL, *_NOSE, *_LIDS[0], *_LIDS[1]))


@cache
def jaw_spread() -> Operator:
    """(478, 18): as `lip_spread`, but what the lower lip does reaches down to the outline."""
    still = [point for point in OVAL if point not in _JAW[2:-2]]
    return _spread((*LIP_COLUMNS[0], *LIP_COLUMNS[1]), (*still, *_NOSE, *_LIDS[0], *_LIDS[1]))


@cache
def corner_spread() -> Operator:
    """(478, 2): moves of the mouth's corners, right and left, carried over lips and cheeks."""
    middle = (LIPS_UPPER[5], *LIP_MIDDLES, LIPS_LOWER[5], CHIN)
    return _spread(LIP_CORNERS, (*middle, *OVAL, *_NOSE, *_LIDS[0], *_LIDS[1]))


@cache
def lid_spread(eye: int) -> Operator:
    """(478, 14): moves of `LID_COLUMNS[eye]`, carried to nothing at brows, nose and mouth."""
    upper, lower = LID_COLUMNS[eye]
    lids = {*upper, *lower}
    corners = [point for point in _LIDS[eye] if point not in lids]
    return _spread((*upper, *lower), (*corners, *_LIDS[1 - eye], *_BROWS, *_NOSE, *_MOUTH, *OVAL))


def _spread(handles: Sequence[int], still: Sequence[int]) -> Operator:
    solved = _harmonic((*handles, *still))
    operator = np.zeros((POINT_COUNT, len(handles)))
    operator[:SKIN_COUNT] = solved[:, : len(handles)]
    return operator


def _harmonic(given: tuple[int, ...]) -> Operator:
    """(468, len(given)): the harmonic function on the mesh for values at the given points."""
    edges = np.concatenate([face_triangles()[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    laplace = np.zeros((SKIN_COUNT, SKIN_COUNT))
    laplace[edges[:, 0], edges[:, 1]] = laplace[edges[:, 1], edges[:, 0]] = -1
    np.fill_diagonal(laplace, -laplace.sum(axis=1))
    known = np.array(given)
    free = np.setdiff1d(np.arange(SKIN_COUNT), known)
    solved = np.zeros((SKIN_COUNT, len(known)))
    solved[known, np.arange(len(known))] = 1
    solved[free] = np.linalg.solve(laplace[np.ix_(free, free)], -laplace[np.ix_(free, known)])
    return solved
