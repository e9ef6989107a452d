# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a detector lets a head look up as its mouth opens, found out from a whole track.

Lips part within a tenth of a second; a head does not turn there and back in that time. What the
pitch does at that pace together with the lips is therefore not the head's.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from inference.performance.cleaning.shots import runs
from inference.performance.face.pose import LIPS_TURN

Array = NDArray[np.float64]

_PACE = 0.1  # seconds
_NOD = np.radians(3.0)  # a head that turns further in this time was thrown, or it is another shot
# What is usual is believed as much as lips that open this far in all, squared eye distances.
_BELIEF = 0.02
_ROUNDS = 5
_LEAST, _MOST = np.radians(-2.0), np.radians(12.0)


def own_lips_turn(
    opened: Array, pitch: Array, valid: NDArray[np.bool_], cuts: Sequence[int], rate: Fraction
) -> float:
    """Radians that a gap of the lips of one eye distance turns this track's heads up.

    opened: how far the lips are apart, in eye distances, and pitch: upwards, in radians, both of
    the V valid frames of (F,) `valid`. Short and silent tracks get what is usual.
    """
    lag = max(1, round(float(rate) * _PACE))
    every = np.full((2, len(valid)), np.nan)
    every[:, valid] = opened, pitch
    parts = [every[:, run.start : run.stop] for run in runs(valid, cuts)]
    quick = [part[:, 2 * lag :] - 2 * part[:, lag:-lag] + part[:, : -2 * lag] for part in parts]
    lips, turn = np.concatenate([np.zeros((2, 0)), *quick], axis=1)
    found = LIPS_TURN
    for _ in range(_ROUNDS):
        # Who threw their head is known once the lips' share is off.
        steady = np.abs(turn - found * lips) < _NOD
        agree = float(lips[steady] @ turn[steady]) + _BELIEF * LIPS_TURN
        found = agree / (float(lips[steady] @ lips[steady]) + _BELIEF)
    return float(np.clip(found, _LEAST, _MOST))
