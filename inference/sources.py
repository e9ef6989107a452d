# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of one person that are unlike each other: in pose, mouth and eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIP_CORNERS, LIP_MIDDLES, interocular
from inference.performance.face.measures import eye_opening
from inference.performance.face.pose import fit_poses
from inference.performance.face.rotations import to_vectors

Points = NDArray[np.float32]
Looks = NDArray[np.float64]  # (F, 6), see `looks`

# What counts as one step of difference: pitch, yaw and roll in degrees, the lips' gap and the
# mouth's width in eye distances, the lids' gap in widths of the eye. Found by trying a dozen
# weightings on people of the train split; the choice among them matters little, that poses,
# mouth and eyes all count matters much.
_STEPS = np.array([6.0, 6.0, 6.0, 0.10, 0.10, 0.08])


def looks(points: Points, reference: Points) -> Looks:
    """How faces (F, 478, 3) are held and what they do, (F, 6): the distance of two rows is theirs.

    reference: (478, 3), any face of the same person; poses are measured from it.
    """
    unit = interocular(reference[:, :2])
    poses = fit_poses(reference, points)
    turns = np.degrees(to_vectors(poses.rotation))
    gaps, widths = (
        np.linalg.norm(points[:, a] - points[:, b], axis=1) / (poses.scale * unit)
        for a, b in (LIP_MIDDLES, LIP_CORNERS)
    )
    eyes = [eye_opening(face) for face in points]
    return np.asarray(np.column_stack([turns, gaps, widths, eyes]) / _STEPS)


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
