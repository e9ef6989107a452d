# SPDX-License-Identifier: GPL-3.0-or-later
"""The 478-point face topology: which landmark is where, and the triangles between them.

MediaPipe's face mesh: 468 points of the skin, lids and lips, then five points of each iris.
"Right" and "left" are the person's own. All contours run around their opening in order.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOPOLOGY = "mediapipe-478-1"
POINT_COUNT = 478
SKIN_COUNT = 468  # the points below this index are skin; the rest are irises

# The face's outline, from the right jaw over chin and left ear to the forehead and back.
OVAL = (
    58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454,
    356, 389, 251, 284, 332, 297, 338, 10, 109, 67, 103, 54, 21, 162, 127, 234, 93, 132,
)  # fmt: skip

# Inner lips: corner, upper edge to the other corner, and the lower edge under the same columns.
MOUTH_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
MOUTH_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIP_MIDDLES = (13, 14)  # of the inner lips, upper and lower
LIPS_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIPS_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)

# Lid edges: the person's right eye runs from its outer corner inwards, the left one from its
# inner corner outwards, so that both go left to right in the picture.
RIGHT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_EYE_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LEFT_EYE_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263)
RIGHT_IRIS = (468, 469, 470, 471, 472)  # centre, then four points of the rim
LEFT_IRIS = (473, 474, 475, 476, 477)
# Both eyes, the picture's left one first: upper lid, lower lid, iris.
EYES = (
    (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_IRIS),
    (LEFT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_IRIS),
)

RIGHT_BROW = (70, 63, 105, 66, 107)
RIGHT_BROW_LOWER = (46, 53, 52, 65, 55)
LEFT_BROW = (336, 296, 334, 293, 300)
LEFT_BROW_LOWER = (285, 295, 282, 283, 276)
LIP_CORNERS = (61, 291)  # of the outer lips, right and left
FOREHEAD, CHIN = 10, 152  # the outline's highest and lowest point
NOSE_TIP = 4
NOSE_BRIDGE = (168, 6, 197, 195, 5, 4)
NOSE_BASE = (98, 97, 2, 326, 327)

# Points that expressions hardly move: temples, forehead, nose bridge and base, eye corners, ears.
RIGID = (
    10, 109, 338, 67, 297, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 93, 323,
    168, 6, 197, 195, 5, 4, 122, 351, 33, 133, 362, 263, 98, 327, 2, 151, 9, 8,
)  # fmt: skip

EYE_CORNERS = ((33, 133), (362, 263))


@cache
def face_triangles() -> NDArray[np.int32]:
    """The skin's triangles, (852, 3); eyes and mouth are holes.

    The corners run clockwise as seen on the screen (x right, y down), so a triangle that faces
    the camera has a positive cross product of its edges.
    """
    path = Path(__file__).with_name("face_triangles.csv")
    return np.loadtxt(path, delimiter=",", dtype=np.int32)


@cache
def hole_triangles() -> NDArray[np.int32]:
    """Triangles that close the holes of eyes and mouth, (46, 3), wound as the skin's."""
    holes = (
        (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER),
        (LEFT_EYE_UPPER, LEFT_EYE_LOWER),
        (MOUTH_UPPER, MOUTH_LOWER),
    )
    rows: list[tuple[int, int, int]] = []
    for upper, lower in holes:
        for i in range(len(upper) - 1):
            if upper[i] != lower[i]:
                rows.append((upper[i], upper[i + 1], lower[i]))
            if upper[i + 1] != lower[i + 1]:
                rows.append((upper[i + 1], lower[i + 1], lower[i]))
    return np.array(rows, np.int32)


@cache
def mirror_order() -> NDArray[np.intp]:
    """Which landmark of a face is which of its mirror image, (478,): `points[mirror_order()]`.

    The pairs were matched on the mean face of some hundred people laid over its own mirror image;
    the points of the midline stand for themselves.
    """
    order = np.arange(POINT_COUNT)
    pairs = np.loadtxt(Path(__file__).with_name("mirror_pairs.csv"), delimiter=",", dtype=np.intp)
    order[pairs], order[pairs[:, ::-1]] = pairs[:, ::-1], pairs
    return order


def interocular(points: NDArray[np.float32]) -> float:
    """Distance between the middles of the two eyes, (478, 2 or 3) -> pixels of the picture.

    The middles are those of the eye corners, so neither gaze nor a blink changes it.
    """
    middles = [(points[a] + points[b]) / 2 for a, b in EYE_CORNERS]
    return float(np.linalg.norm(middles[0] - middles[1]))
