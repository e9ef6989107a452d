# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a control may act: 1 on its own part of the face, softly down to exactly 0 elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import (
    EYES,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    OVAL,
    SKIN_COUNT,
)
from inference.performance.face.regions import region_weights

Array = NDArray[np.float64]

_LIPS = sorted({*MOUTH_UPPER, *MOUTH_LOWER, *LIPS_UPPER, *LIPS_LOWER})
_LIDS = sorted({point for upper, lower, _ in EYES for point in (*upper, *lower)})
_CHEEKS = (50, 280)


def windows(mean: Array) -> dict[str, Array]:
    """Windows (478, 1) for the mean face (478, 3) in canonical space; irises are in none."""
    parts = {name: _full(weight) for name, weight in region_weights().items()}
    # The halves of a symmetric motion add up to the whole.
    right = _soft((0.2 - mean[:, :1]) / 0.4)
    lips = _distance(mean, _LIPS)
    # Only the jaw takes the face's outline along.
    mouth = parts["mouth"] * _soft(_distance(mean, OVAL) / 0.4)
    # The skin of the forehead slides, the skull under the hair line does not.
    forehead = parts["brows"] * _soft(_distance(mean, OVAL) / 0.4)
    found = {
        "jaw": parts["mouth"] * _soft((mean[:, 1:2] - 0.1) / 1.0),  # not the ears
        "mouth": mouth,
        "lips": mouth * (1 - _soft(lips / 0.3)),
        "right_mouth": mouth * right,
        "brows": forehead,
        "right_brow": forehead * right,
        "right_eye": parts["right_eye"],
        "eyes": parts["right_eye"] + parts["left_eye"],
        "cheeks": (1 - _soft((_distance(mean, _CHEEKS) - 0.15) / 0.5))
        * _soft(lips / 0.3)
        * _soft(_distance(mean, _LIDS) / 0.2)
        * _soft(_distance(mean, OVAL) / 0.4),
    }
    for window in found.values():
        window[SKIN_COUNT:] = 0
    return found


def _full(weight: Array) -> Array:
    """A region's weight, which fades from its seeds on, held at 1 over its nearer half."""
    return _soft(2 * weight)


def _soft(share: Array) -> Array:
    share = np.clip(share, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _distance(mean: Array, points: list[int] | tuple[int, ...]) -> Array:
    """From the nearest of the points, as seen from the front, (478, 1)."""
    apart = mean[:, None, :2] - mean[None, list(points), :2]
    return np.asarray(np.linalg.norm(apart, axis=2).min(axis=1)[:, None])
