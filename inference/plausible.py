# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether landmarks can be a face's at all: nothing that comes after is made for less.

The bounds are far outside of what any detector, puppet or hand gives. Numbers beyond them lead to
divisions by nothing and to pixels that no integer counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYE_CORNERS

# How far from the picture's corner a landmark may lie, in units of the picture's longer side.
_FARTHEST = 100.0
# Between the middles of the two eyes, in pixels: what is smaller is a speck.
_CLOSEST_EYES = 0.1
# How much larger than the distance between its eyes a face is at the most, turned to its side too.
_LARGEST_FACE = 1000.0
_AT_ONCE = 4096  # frames: what is checked needs no memory of the whole take's size


def check_faces(
    points: NDArray[np.floating], valid: NDArray[np.bool_], size: tuple[int, int]
) -> str | None:
    """What is wrong with the landmarks (F, 478, 3) of the valid frames, in words, or None.

    size: of the picture that they lie in, width and height in pixels.
    """
    far = _FARTHEST * max(size)
    seen = np.flatnonzero(valid)
    for start in range(0, len(seen), _AT_ONCE):
        frames = seen[start : start + _AT_ONCE]
        faces = points[frames].astype(np.float64)
        wrong = ~np.isfinite(faces).all(axis=(1, 2))
        if wrong.any():
            return f"frame {frames[np.argmax(wrong)]} holds values that are not numbers"
        wrong = np.abs(faces).max(axis=(1, 2)) > far
        if wrong.any():
            return f"the face of frame {frames[np.argmax(wrong)]} lies far outside of the picture"
        wrong = ~_has_extent(faces)
        if wrong.any():
            return f"the points of frame {frames[np.argmax(wrong)]} are no face, they lie together"
    return None


def _has_extent(faces: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Are the eyes apart, and is the rest in proportion to that? (F,)"""
    right, left = (faces[:, list(pair)].mean(axis=1) for pair in EYE_CORNERS)
    apart = np.linalg.norm(right - left, axis=1)
    extent = np.ptp(faces, axis=1).max(axis=1)
    return np.asarray((apart > _CLOSEST_EYES) & (extent < _LARGEST_FACE * apart))
