# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether landmarks lie on a face that is the right way up, and how a face lies that is not.

The mesh knows no such thing: shown a face upside down it paints eyes on a chin. The detector before
it does: of 37 people it gave each upright face .85 or more, and at least .05 less to every turn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.capture.small_faces import has_solutions
from inference.capture.without_matplotlib import without_matplotlib
from inference.landmarks import EYE_CORNERS
from inference.quiet import quiet_libraries

Points = NDArray[np.float32]

# From this score on a face is upright; a turn must be that sure, and by so much surer than none.
_UPRIGHT, _SURE, _SURER = 0.84, 0.8, 0.1
_AROUND = 1.0  # what is looked at beside the face, in units of its longer side


def face_turns(picture: NDArray[np.uint8], points: Points | None = None) -> int:
    """By how many quarters, counterclockwise, to turn an RGB picture to set its face upright.

    points: landmarks that were found, (478, 3); the answer is for the part around them, and 0 means
    that they lie rightly, however the face is turned. None: of the largest face, if there is one.
    Without MediaPipe's own detector the answer is 0.
    """
    if not has_solutions():
        return 0
    claimed = 0
    if points is not None:
        picture, claimed = _part(picture, points), _claimed(points)
    with without_matplotlib():
        from mediapipe.python.solutions import face_detection

    with (
        quiet_libraries(),
        face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.5) as finder,
    ):

        def score(turns: int) -> float:
            turned = np.ascontiguousarray(np.rot90(picture, turns))
            return max([f.score[0] for f in finder.process(turned).detections or ()], default=0.0)

        as_claimed = score(claimed)
        if as_claimed >= _UPRIGHT:
            return 0 if points is not None else claimed
        others = {turns: score(turns) for turns in range(4) if turns != claimed}
    best = max(others, key=lambda turns: others[turns])
    if others[best] < _SURE or others[best] < as_claimed + _SURER:
        return 0
    return best


def turned_back(points: Points, turns: int, size: tuple[int, int]) -> Points:
    """Landmarks (N, 3) of a picture turned by quarters, in the picture as it was.

    size: width and height as it was.
    """
    width, height = size
    x, y, z = points.T
    back = {
        0: (x, y),
        1: (width - y, x),
        2: (width - x, height - y),
        3: (y, height - x),
    }[turns % 4]
    return np.stack([*back, z], axis=1).astype(np.float32)


def _claimed(points: Points) -> int:
    """Quarters, counterclockwise, that set upright what the landmarks say."""
    right, left = (points[list(pair), :2].mean(axis=0) for pair in EYE_CORNERS)
    across, down = left - right
    return round(float(np.arctan2(down, across)) / (np.pi / 2)) % 4


def _part(picture: NDArray[np.uint8], points: Points) -> NDArray[np.uint8]:
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    margin = _AROUND * float((high - low).max())
    left, top = np.maximum(0, low - margin).astype(int)
    right, bottom = np.maximum(1, high + margin).astype(int)
    return picture[top:bottom, left:right]
