# SPDX-License-Identifier: GPL-3.0-or-later
"""What a face looks like, without a trained network: gradients of its skin, laid flat.

The face's triangles are laid onto one fixed frontal face, so pose, size and, as far as landmarks
go, expression are gone; eyes and the inside of the mouth are left out. Histograms of oriented
gradients (9 directions, 8 x 8 cells of 8 pixels) of that flat face, less those of the mean person,
tell people apart by their angle (`mean_person.md` says how well).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import OVAL, face_triangles
from inference.performance.face.neutral import find_neutral
from inference.track import load_track

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]
Features = NDArray[np.float32]

CELLS = 12
_SIZE, _BLOCK, _CELL, _DIRECTIONS = 64, 16, 8, 9
_ENOUGH = 144  # pixels of a face, from which on `face_look` sees no more
_AROUND = 8  # pixels beside the face that are looked at, too
_SAMPLE = Path(__file__).parents[1] / "samples" / "weekly_address.track.npz"
_MEAN = Path(__file__).with_name("mean_person.npz")


def face_features(picture: Picture, points: Points) -> Features:
    """The flat face's histograms, (1764,); points: (478, 3) in pixels of the picture."""
    return features_of(_flat(picture, points))


def face_look(picture: Picture, points: Points) -> tuple[Picture, Picture]:
    """The flat face (64, 64, 3), for `features_of`, and its colours in coarse cells (12, 12, 3)."""
    corner = np.maximum(points[:, :2].min(axis=0) - _AROUND, 0).astype(int)
    low = np.array([*corner, 0], np.float32)
    right, bottom = np.maximum(points[:, :2].max(axis=0) + _AROUND, 1).astype(int)
    part, shrunk = picture[corner[1] : bottom, corner[0] : right], points - low
    factor = _ENOUGH / float(np.ptp(points[:, :2], axis=0).max())
    if factor < 1:  # else a large face would take as long as finding it
        size = [max(1, round(side * factor)) for side in part.shape[1::-1]]
        zoom = np.array([size[0] / part.shape[1], size[1] / part.shape[0], factor], np.float32)
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
        shrunk = shrunk * zoom
    flat = _flat(part, shrunk)
    return flat, np.asarray(cv2.resize(flat, (CELLS, CELLS), interpolation=cv2.INTER_AREA))


def skin_cells() -> NDArray[np.bool_]:
    """Which of the coarse cells (12, 12) are skin."""
    mask = _layout()[0].astype(np.float32)
    return np.asarray(cv2.resize(mask, (CELLS, CELLS), interpolation=cv2.INTER_AREA) > 0.7)


def features_of(flat: Picture) -> Features:
    """The histograms (1764,) of a flat face."""
    mask = _layout()[0]
    grey = cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY)
    grey[~mask] = round(float(grey[mask].mean()))
    described = cv2.HOGDescriptor(
        (_SIZE, _SIZE), (_BLOCK, _BLOCK), (_CELL, _CELL), (_CELL, _CELL), _DIRECTIONS
    ).compute(grey)
    return np.asarray(described, np.float32).ravel()


def _flat(picture: Picture, points: Points) -> Picture:
    _, corners, weights = _layout()
    low = np.maximum(points[:, :2].min(axis=0) - _AROUND, 0).astype(int)
    high = np.maximum(points[:, :2].max(axis=0) + _AROUND, 1).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    flat_points = points[:, :2] - low
    where = np.empty((_SIZE, _SIZE, 2), np.float32)
    for axis in (0, 1):
        corner = np.ascontiguousarray(flat_points[:, axis], np.float32).take(corners)
        where[..., axis] = np.einsum("ijk,ijk->ij", corner, weights) - 0.5
    face = float(np.ptp(points[list(OVAL), :2], axis=0).max())
    # What is finer than the flat face's own pixels would only flicker.
    calm = cv2.GaussianBlur(part, (0, 0), max(0.3, 0.3 * face / _SIZE))
    flat = cv2.remap(calm, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    return np.asarray(flat, np.uint8)


def alike(a: Features, b: Features) -> float:
    """How much two faces' features, or the means of several, look like one person's: -1 to 1."""
    first, second = a - mean_person(), b - mean_person()
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / max(length, 1e-9)


@cache
def mean_person() -> Features:
    """The features of the mean person, (1764,)."""
    with np.load(_MEAN) as file:
        return np.asarray(file["features"], np.float32)


@cache
def _layout() -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.float32]]:
    """Which pixels of the flat face are skin (S, S), and of which three landmarks (S, S, 3).

    The last is each one's share, (S, S, 3). The fixed face is the sample performance's neutral.
    """
    track = load_track(_SAMPLE)
    neutral = find_neutral(track)[:, :2]
    oval = neutral[list(OVAL)]
    low, high = oval.min(axis=0), oval.max(axis=0)
    flat = (neutral - low) / (high - low) * _SIZE
    triangles = face_triangles()
    index = np.full((_SIZE, _SIZE), -1, np.int32)
    for i, triangle in enumerate(np.round((flat[triangles] - 0.5) * 16).astype(np.int32)):
        cv2.fillConvexPoly(index, triangle, i, cv2.LINE_8, 4)
    corners = triangles[np.maximum(index, 0)]
    a, b, c = (flat[corners[..., i]].astype(np.float64) for i in range(3))
    y, x = np.mgrid[:_SIZE, :_SIZE] + 0.5
    here = np.stack([x, y], axis=-1)
    area = _cross(b - a, c - a)
    second, third = _cross(here - a, c - a) / area, _cross(b - a, here - a) / area
    weights = np.stack([1 - second - third, second, third], axis=-1)
    return index >= 0, corners, weights.astype(np.float32)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
