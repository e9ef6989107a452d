# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be said of a matte, in words, and when there is none to speak of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.layers.trimap import Face, Mask, distance

Plane = NDArray[np.float32]

_HEAD = 1.3  # face sides around the face's middle
_BESIDE = 0.35  # of the face's side: ground that the hair is seen against
_BUSY = 0.055  # how much that ground changes over a few pixels, in [0, 1]
_HAZY = 0.30  # share of the outline's band around the head that is neither person nor ground
_TOUCHES = 0.08  # of the face's side
_FOUND = 0.5  # of the face that the mask of persons must show
_LEAST_GROUND = 0.01  # of the picture


def no_person(mask: Plane, alpha: Plane, face: Face) -> str:
    """Why the matte cannot be used, or "". mask: of persons; both (H, W) in [0, 1]."""
    oval = face.filled(mask.shape)
    if oval.any() and mask[oval].mean() < _FOUND:
        return "no person was found around the face"
    if (alpha < 0.02).mean() < _LEAST_GROUND:
        return "the picture shows no ground beside the person"
    return ""


def describe(
    picture: Plane, mask: Plane, alpha: Plane, face: Face, others: Mask | None = None
) -> list[str]:
    """What to check, most important first.

    picture: (H, W, 3), mask, of this person, and alpha: (H, W), all in [0, 1]. others: (H, W),
    where other people are.
    """
    head = face.away(alpha.shape) < _HEAD
    person, ground = alpha > 0.5, alpha < 0.02
    beside = ground & head & (distance(~person) < _BESIDE * face.side)
    words = []
    if others is not None and (others & (distance(~person) < _TOUCHES * face.side)).any():
        words.append("another person is close: check where they touch")
    if beside.sum() > 50:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        sigma = max(0.03 * face.side, 1.0)
        rough = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), sigma))
        if float(rough[beside].mean()) > _BUSY / 2:
            words.append("busy background: check the hair")
    band = head & (distance(~person) < 0.07 * face.side) & (distance(person) < 0.05 * face.side)
    if band.any() and float(((alpha > 0.1) & (alpha < 0.9))[band].mean()) > _HAZY:
        words.append("soft outline: check the hair")
    if np.logical_xor(mask > 0.5, person).mean() > 0.12 * person.mean():
        words.append("the outline is unsure: check the matte")
    hair = (person & head)[: max(1, int(face.middle[1]))]
    if hair[0].any() or hair[:, 0].any() or hair[:, -1].any():
        words.append("the head leaves the picture")
    return words
