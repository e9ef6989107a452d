# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pictures of one person: which are unlike each other, and which one to move when.

The nearest picture needs the least moving. Yet every change from one picture to another shows as
a leap, so a sequence keeps to a picture until another is nearer by enough: the choice of least
total cost over the whole sequence, known before the first frame is made, so that frames may still
be made in any order and in parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIP_CORNERS, LIP_MIDDLES, interocular
from inference.performance.face.measures import eye_opening, mouth_opening
from inference.performance.face.pose import fit_poses
from inference.performance.face.rotations import to_vectors

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
# What a change costs: in steps of difference for a picture, in mouth widths for a borrowed mouth.
CHANGE = 1.0
_CHANGE_MOUTH = 0.08


@dataclass(frozen=True)
class Chosen:
    """Which picture a frame is made of, and whether it borrows the inside of its mouth."""

    source: int
    mouth: bool


def choose_sources(targets: Points, sources: Points, change: float = CHANGE) -> list[Chosen]:
    """For consecutive targets (F, 478, 3) which of the sources (T, 478, 3) to move.

    All of one person, each in pixels of its own picture. change: what it costs to change from one
    picture to another, in steps of `looks`; 0 takes the nearest each time.
    """
    known = looks(sources, sources[0])
    seen = looks(targets, sources[0])
    apart = np.linalg.norm(seen[:, None] - known[None], axis=2)
    picked = steady(apart, change)
    open_by = np.array([mouth_opening(face) for face in sources])
    wider = np.array([mouth_opening(face) for face in targets]) - open_by[picked] - _WIDER
    # Not to borrow costs what is missing, to borrow what is there already.
    lent = steady(np.maximum(0, np.stack([wider, -wider], axis=1)), min(change, _CHANGE_MOUTH))
    return [Chosen(int(s), bool(m)) for s, m in zip(picked, lent, strict=True)]


def steady(costs: NDArray[np.float64], change: float) -> NDArray[np.int64]:
    """The path of least cost through costs (F, S), a change of column costing `change`: (F,)."""
    count, width = costs.shape
    total = costs[0].copy()
    came_from = np.zeros((count, width), np.int64)
    for row in range(1, count):
        best = int(np.argmin(total))
        stay = total <= total[best] + change
        came_from[row] = np.where(stay, np.arange(width), best)
        total = np.where(stay, total, total[best] + change) + costs[row]
    path = np.empty(count, np.int64)
    path[-1] = int(np.argmin(total))
    for row in range(count - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path


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
