# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture of a person is good for beside others, in words: "left", "mouth-open"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIP_CORNERS, interocular
from inference.performance.face.canonical import canonical_face
from inference.performance.face.measures import eye_opening, mouth_opening
from inference.performance.face.pose import fit_poses

Points = NDArray[np.float32]

# Where a face differs from the first one by so much: degrees of turning and nodding; the lips' gap
# in widths of the mouth; the mouth's width and the lids' gap, as factors.
TURN, OPEN = 8.0, 0.12
_NOD, _WIDE, _SHUT = 7.0, 1.1, 0.4


def turns_of(faces: Points) -> NDArray[np.float64]:
    """By how many degrees faces (F, 478, 3) are turned to the picture's right, and down: (F, 2)."""
    rotation = fit_poses(canonical_face().mean, faces).rotation
    return np.asarray(-np.degrees(np.arcsin(np.clip(rotation[:, :2, 2], -1, 1))))


def shows(face: Points, leading: Points | None = None) -> str:
    """The words, joined by hyphens; "" where there is nothing to say.

    face: (478, 3). leading: (478, 3), the same person's first picture; None: a mean face that looks
    ahead, of which a mouth's width says nothing.
    """
    first = canonical_face().mean if leading is None else leading
    across, down = turns_of(face[None])[0]
    if leading is not None:
        across, down = np.array([across, down]) - turns_of(leading[None])[0]
    lips = mouth_opening(face) - mouth_opening(first)
    wide = _mouth_width(face) > _WIDE * _mouth_width(first) and lips < OPEN
    words = [
        ("right", across > TURN), ("left", across < -TURN), ("down", down > _NOD),
        ("up", down < -_NOD), ("mouth-open", lips > OPEN),
        ("smile", wide and leading is not None),
        ("eyes-closed", eye_opening(face) < _SHUT * eye_opening(first)),
    ]  # fmt: skip
    return "-".join(word for word, true in words if true)


def _mouth_width(face: Points) -> float:
    return float(np.linalg.norm(face[LIP_CORNERS[0]] - face[LIP_CORNERS[1]])) / interocular(face)
