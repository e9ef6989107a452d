# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each control reaches beyond its own part of the face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.performance.face.canonical import CanonicalFace
from inference.performance.face.controls import CONTROLS

# The parts of the face that a control of another region must leave alone.
_PARTS = {"mouth": "mouth", "eyes": "eyes", "brows": "brows", "gaze": "irises"}


@dataclass(frozen=True)
class Reach:
    """A control at 1. most: its largest displacement, in eye distances; elsewhere: the largest
    one among the points of the other parts (lips, lids, brows, irises), as a share of it.
    """

    most: float
    elsewhere: float


def locality(face: CanonicalFace) -> list[Reach]:
    """For each control, how far it moves its own points, and others."""
    found = []
    for control, moved in zip(CONTROLS, face.basis, strict=True):
        sizes = np.linalg.norm(moved, axis=1)
        others = [
            point
            for region, name in _PARTS.items()
            if region != control.region
            for point in face.regions[name]
        ]
        most = float(sizes.max())
        found.append(Reach(most, float(sizes[others].max()) / max(most, 1e-9)))
    return found
