# SPDX-License-Identifier: GPL-3.0-or-later
"""How far mouth and eyes of a face are open, measured on its landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES, LIP_MIDDLES, MOUTH_UPPER
from inference.performance.face.regions import LID_COLUMNS, LIP_COLUMNS

Points = NDArray[np.floating]


def mouth_opening(points: Points) -> float:
    """Gap between the inner lips' middles in units of the mouth's width; (478, 2 or 3)."""
    width = float(np.linalg.norm(points[MOUTH_UPPER[0]] - points[MOUTH_UPPER[-1]]))
    upper, lower = LIP_MIDDLES
    return float(np.linalg.norm(points[upper] - points[lower])) / max(width, 1e-6)


def eye_opening(points: Points) -> float:
    """Mean gap between the lids of both eyes in units of the eyes' width, (478, 3) -> 0 to ~0.5."""
    gaps = []
    for upper, lower, _ in EYES:
        gap = np.linalg.norm(points[list(upper[2:-2])] - points[list(lower[2:-2])], axis=1).mean()
        gaps.append(gap / np.linalg.norm(points[upper[0]] - points[upper[-1]]))
    return float(np.mean(gaps))


def lip_gap(points: Points) -> float:
    """Mean distance between the inner lips, in the points' unit."""
    upper, lower = LIP_COLUMNS
    return float(np.linalg.norm(points[list(lower)] - points[list(upper)], axis=-1).mean())


def lid_gap(points: Points, eye: int) -> float:
    """Mean distance between an eye's lids, in the points' unit; 0 is the right eye."""
    upper, lower = LID_COLUMNS[eye]
    return float(np.linalg.norm(points[list(upper)] - points[list(lower)], axis=-1).mean())
