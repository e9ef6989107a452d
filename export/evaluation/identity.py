# SPDX-License-Identifier: GPL-3.0-or-later
"""Who it is, for the evaluation: the capture's features, seen from the mean of the people in it.

Between frames of different clips of 38 people among 205 a same pair was nearer than a pair of two
people in 98.7 of 100 cases.
"""

from __future__ import annotations

import numpy as np

from inference.capture.appearance import Features

EMBEDDER = (
    "histograms of oriented gradients of the face's skin laid flat by its landmarks (eyes and "
    "mouth's inside left out), less the mean of the evaluated people; cosine with the mean of the "
    "person's real target frames"
)


def likeness(features: Features, person: Features, middle: Features) -> float:
    """Mean cosine of features (F, D) with a person's (D,), both seen from `middle` (D,)."""
    if not len(features):
        return float("nan")
    a, b = features - middle, person - middle
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b)
    return float((a @ b / np.maximum(lengths, 1e-9)).mean())
