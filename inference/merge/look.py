# SPDX-License-Identifier: GPL-3.0-or-later
"""How a face is held and what it does, and how far two of them are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES, LIP_CORNERS, LIP_MIDDLES, interocular
from inference.performance.face.pose import fit_pose

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# One step of difference: degrees of turning; the lips' gap and the mouth's width in eye distances;
# the lids' gap and the gaze in widths of the eye.
_TURN, _LIPS, _LIDS, _GAZE = 6.0, 0.10, 0.08, 0.10


@dataclass(frozen=True)
class Look:
    """In steps. turn: (2,) across and down, however the head is rolled; mouth: (2,) the lips' gap
    and width; eyes: (4,) gap and gaze of each.
    """

    turn: Array
    mouth: Array
    eyes: Array


@dataclass(frozen=True)
class Apart:
    """How many steps two looks differ in each."""

    turn: float
    mouth: float
    eyes: float


def look_of(face: Points, reference: Points) -> Look:
    """The look of a face (478, 3); reference: (478, 3), any face of the same person."""
    pose = fit_pose(reference, face)
    unit = pose.scale * interocular(reference[:, :2])
    turn = np.degrees(np.arcsin(np.clip(pose.rotation[:2, 2], -1, 1)))
    lips = [np.linalg.norm(face[a] - face[b]) / unit for a, b in (LIP_MIDDLES, LIP_CORNERS)]
    upright = pose.inverse().apply(face)
    eyes = []
    for upper, lower, iris in EYES:
        corners = upright[[upper[0], upper[-1]]]
        width = float(np.linalg.norm(corners[0] - corners[1]))
        gap = np.linalg.norm(upright[list(upper)] - upright[list(lower)], axis=1)[2:-2].mean()
        gaze = (upright[iris[0]] - corners.mean(axis=0))[0]
        eyes += [gap / width / _LIDS, gaze / width / _GAZE]
    return Look(turn / _TURN, np.array(lips) / _LIPS, np.array(eyes))


def apart(a: Look, b: Look) -> Apart:
    """How far two looks are from each other."""
    return Apart(
        float(np.linalg.norm(a.turn - b.turn)),
        float(np.linalg.norm(a.mouth - b.mouth)),
        # Both eyes do the same: they count as one.
        float(np.linalg.norm(a.eyes - b.eyes) / np.sqrt(2)),
    )
