# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's matte: from a picture and its faces to alpha at the picture's own resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.layers.closed_form import closed_form
from inference.layers.silhouette import LONGEST, find_silhouette, likely_person
from inference.layers.trimap import Face, beside_edge, open_band

Plane = NDArray[np.float32]

LARGEST = 1024  # pixels of the longer side at which alpha is solved for
_LEVELS = (0.06, 0.94)  # below is none, above is whole


def shrink(picture: NDArray, longest: int) -> tuple[NDArray, float]:
    """The picture at most `longest` pixels long, and its size in units of the one before."""
    factor = longest / max(picture.shape[:2])
    if factor >= 1:
        return picture, 1.0
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), factor


def make_matte(
    picture: NDArray[np.uint8],
    face: Face,
    others: Sequence[Face] = (),
    unit: float = 1.0,
    step: Callable[[], None] = lambda: None,
) -> tuple[Plane, Plane]:
    """Alpha (H, W) in [0, 1] and the mask of persons (H, W) that it came from.

    picture: RGB (H, W, 3), at most `LARGEST` pixels long; face: in its pixels. others: other
    people's faces, in pixels of a picture `1 / unit` times as large.
    """
    small, factor = shrink(picture, LONGEST)
    mask = likely_person(small, face.times(factor))
    person = find_silhouette(
        small, mask, face.times(factor), [other.times(unit * factor) for other in others]
    )
    size = (picture.shape[1], picture.shape[0])
    person = cv2.resize(person.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    known, open_ = open_band(person, face)
    colours = picture.astype(np.float32) * np.float32(1 / 255)
    guess, trust = beside_edge(colours, known, open_, face)
    alpha = closed_form(colours, guess, open_, step, trust)
    low, high = _LEVELS
    alpha = np.clip((alpha - low) / (high - low), 0, 1)
    return without_islands(alpha, face), cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)


def without_islands(alpha: Plane, face: Face) -> Plane:
    """Alpha (H, W) where it hangs together with the face, 0 elsewhere."""
    core = face.filled(alpha.shape, -0.02)
    _, labels = cv2.connectedComponents(((alpha > 0.02) | core).astype(np.uint8))
    return np.where(np.isin(labels, np.unique(labels[core])), alpha, 0)
