# SPDX-License-Identifier: GPL-3.0-or-later
"""Cheap measures of what a face does in a frame, by which hard pairs are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    CHIN,
    FOREHEAD,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIP_MIDDLES,
    MOUTH_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)

MEASURES = ("yaw", "pitch", "mouth", "eyes")
# The middles of the inner lips, between the mouth's corners.
_MOUTH = tuple((MOUTH_UPPER[0], middle, MOUTH_UPPER[-1]) for middle in LIP_MIDDLES)


def face_measures(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """`MEASURES` of landmarks (F, 478, 3): (F, 4) float32.

    yaw, pitch: the head's turn to its left and down, in degrees. mouth: the gap between the lips
    in units of the mouth's width. eyes: the gap between the lids in units of the eyes' width.
    """
    across = points[:, 454] - points[:, 234]
    along = points[:, CHIN] - points[:, FOREHEAD]
    yaw = np.degrees(np.arctan2(across[:, 2], across[:, 0]))
    pitch = np.degrees(np.arctan2(along[:, 2], along[:, 1]))
    mouth = _gap(points, *_MOUTH)
    eyes = (
        _gap(points, RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)
        + _gap(points, LEFT_EYE_UPPER, LEFT_EYE_LOWER)
    ) / 2
    return np.stack([yaw, pitch, mouth, eyes], axis=1).astype(np.float32)


def _gap(
    points: NDArray[np.float32], upper: tuple[int, ...], lower: tuple[int, ...]
) -> NDArray[np.float32]:
    """Mean distance of two edges between their common corners, in units of the corners' own."""
    inner = slice(len(upper) // 4, -(len(upper) // 4)) if len(upper) > 3 else slice(1, 2)
    apart = np.linalg.norm(points[:, list(upper[inner])] - points[:, list(lower[inner])], axis=2)
    width = np.linalg.norm(points[:, upper[0]] - points[:, upper[-1]], axis=1)
    return apart.mean(axis=1) / np.maximum(width, 1e-3)
