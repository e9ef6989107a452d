# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pictures of one person: which to take from a clip, and which is nearest to a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import interocular
from inference.performance.neutral import eye_opening
from inference.performance.pose import fit_pose
from inference.portrait import mouth_opening

Points = NDArray[np.float32]
Looks = NDArray[np.float64]  # (F, 6), see `looks`

# What counts as one step of difference: pitch, yaw and roll in degrees, the lips' gap and the
# mouth's width in eye distances, the lids' gap in widths of the eye. Found by trying a dozen
# weightings on people of the train split; the choice among them matters little, that poses,
# mouth and eyes all count matters much.
_STEPS = np.array([6.0, 6.0, 6.0, 0.10, 0.10, 0.08])
# A mouth is borrowed when the target's is open wider than the source's by this (in mouth widths):
# a nearest source that shows enough of its own mouth does better than the widest one.
_WIDER = 0.06


def looks(points: Points, reference: Points) -> Looks:
    """How faces (F, 478, 3) are held and what they do, (F, 6): the distance of two rows is theirs.

    reference: (478, 3), any face of the same person; poses are told from it.
    """
    unit = interocular(reference[:, :2])
    rows = []
    for face in points:
        pose = fit_pose(reference, face)
        turn = np.degrees(cv2.Rodrigues(pose.rotation)[0].ravel())
        gap = float(np.linalg.norm(face[13] - face[14])) / (pose.scale * unit)
        width = float(np.linalg.norm(face[61] - face[291])) / (pose.scale * unit)
        rows.append([*turn, gap, width, eye_opening(face)])
    return np.array(rows) / _STEPS


def spread(faces: Looks, count: int) -> list[int]:
    """`count` rows (or all, if fewer) as unlike each other as can be; the first row comes first.

    Each further row is the one farthest from all before it, so a smaller choice begins a larger.
    """
    chosen = [0]
    distance = np.linalg.norm(faces - faces[0], axis=1)
    while len(chosen) < min(count, len(faces)):
        distance[chosen] = -1
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(faces - faces[chosen[-1]], axis=1))
    return chosen


def nearest(face: NDArray[np.float64], sources: Looks) -> int:
    """The row of `sources` (T, 6) that is nearest to `face` (6,)."""
    return int(np.argmin(np.linalg.norm(sources - face, axis=1)))


def needs_mouth(target: Points, source: Points) -> bool:
    """Does the target show more of the mouth's inside than the source does?"""
    return mouth_opening(target) > mouth_opening(source) + _WIDER
