# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's own expression taken away: a smile or an open mouth that would mix with the acting.

One picture does not say what is this person's shape and what is expression. Only what is surely
expression goes: the lips' opening, with the jaw that belongs to it, and what is wider in a mouth
than nearly all mouths at rest are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import CHIN, FOREHEAD, LIP_CORNERS, interocular
from inference.performance.face.measures import lip_gap
from inference.performance.face.regions import LIP_COLUMNS, corner_spread, jaw_spread

Points = NDArray[np.float32]

# A mouth at rest, in eye distances: nine of ten people's are less wide than this.
_WIDE = 0.88
# How much of what is beyond goes, and how far smiling corners sink as they come together.
_NARROWED, _LOWERED = 0.75, 0.35
# Share of an opening that is the lower lip's and the jaw's.
_LOWER_SHARE = 0.8


def resting_face(portrait: Points) -> Points:
    """The portrait's landmarks (478, 3) with the mouth closed and at rest, the head as it is."""
    face = portrait.astype(np.float64)
    unit = interocular(portrait)
    down = face[CHIN] - face[FOREHEAD]
    down /= np.linalg.norm(down)
    across = face[LIP_CORNERS[1]] - face[LIP_CORNERS[0]]
    width = float(np.linalg.norm(across))
    across /= width
    too_wide = max(0.0, width - _WIDE * unit) * _NARROWED
    inwards = np.stack([across, -across]) * (too_wide / 2)
    face = face + corner_spread() @ (inwards + down * (too_wide / 2 * _LOWERED))
    if lip_gap(face) > 0:
        upper, lower = map(list, LIP_COLUMNS)
        gap = face[lower] - face[upper]
        closing = np.concatenate([gap * (1 - _LOWER_SHARE), -gap * _LOWER_SHARE])
        face = face + jaw_spread() @ closing
    return face.astype(np.float32)
