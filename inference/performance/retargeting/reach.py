# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a portrait may go: beyond what one picture can show, motion slows down and stops."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import SKIN_COUNT, mirror_order

# From the portrait's own pose, in degrees and in eye distances.
TURN, TRAVEL = 40.0, 1.6
# How far a face may be turned from the front, in degrees: about where its other half is hidden.
_FROM_FRONT = 55.0
# A portrait in half profile hides one cheek: so far from it and no further may it turn back.
_BACK = 22.0
_LEAST_ROOM = 12.0
# The largest move of any point by an expression, in eye distances.
EXPRESSION = 1.4


def eased(value: float, reach: float) -> float:
    """Unchanged up to half the reach, then slower and slower, never beyond the reach."""
    half = reach / 2
    if value <= half:
        return value
    return half + half * float(np.tanh((value - half) / half))


def within(vector: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """A vector whose length is `eased`."""
    length = float(np.linalg.norm(vector))
    return vector if length <= reach / 2 else vector * (eased(length, reach) / length)


def head_axis(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The head's own axis towards its left, (478, 3) -> unit (3,), from all mirrored pairs."""
    other = mirror_order()[:SKIN_COUNT]
    across = points[:SKIN_COUNT] - points[other]
    # Each pair votes once in either order; the sign is that of the picture's right.
    axis = (across * np.sign(across[:, :1])).sum(axis=0).astype(np.float64)
    return np.asarray(axis / np.linalg.norm(axis))


def turn_within(
    rotation: NDArray[np.float64], axis: NDArray[np.float64], gain: float = 1.0
) -> NDArray[np.float64]:
    """A head rotation (3, 3) from the portrait's own pose, `gain` times as strong, within reach.

    axis: the portrait's `head_axis`: a face that is turned already has less way to go on.
    """
    vector = within(gain * cv2.Rodrigues(rotation)[0].ravel(), np.radians(TURN))
    turned = cv2.Rodrigues(vector)[0]
    own, now = _yaw(axis), _yaw(turned @ axis)
    # Seen as if the portrait were turned to the positive side.
    side = -1.0 if own < 0 else 1.0
    own, now = side * own, side * now
    start = max(own, _FROM_FRONT - TURN)
    back = own - now
    if now > start:
        allowed = start + eased(now - start, max(_LEAST_ROOM, _FROM_FRONT - start))
        turned = cv2.Rodrigues(vector * (1, (allowed - own) / (now - own), 1))[0]
    elif back > 0:
        # Frontal portraits show both cheeks: nothing is hidden to turn out.
        reach = 2 * TURN + min(1.0, own / 25) * (_BACK - 2 * TURN)
        turned = cv2.Rodrigues(vector * (1, eased(back, reach) / back, 1))[0]
    return np.asarray(turned, np.float64)


def yaw(points: NDArray[np.floating]) -> float:
    """How far a face (478, 3) is turned from the front, in degrees; the sign is the side."""
    return _yaw(head_axis(points))


def _yaw(axis: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(axis[2], axis[0])))
