# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's silhouette: MediaPipe's mask of persons, corrected by the picture's own colours.

The mask knows what a person is, but not where the hair ends, and in paintings not even the clothes;
a graph cut (Rother, Kolmogorov, Blake, "GrabCut", 2004) in Lab finds the outline near it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.persons import PersonFinder
from inference.layers.trimap import Face, Mask, distance

LONGEST = 384  # pixels of the longer side at which the cut is made
_ROUNDS = 3
# A second look at this many face sides around the face overrules the whole picture's mask.
_NEAR = 1.6
_SURE, _NONE = 0.8, 0.2  # mask values; in between only colours decide
_WITHIN, _BEYOND = 0.03, 0.10  # how far from the mask's edge one is sure, in face sides
_OPEN, _CLOSE = 0.012, 0.02


def likely_person(picture: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
    """How likely each pixel is a person's, (H, W) in [0, 1]; anybody's, not only this one's.

    Raises InputError where the model's file is missing.
    """
    height, width = picture.shape[:2]
    reach = _NEAR * face.side
    left, top = (max(0, int(at - reach)) for at in face.middle)
    right = min(width, int(face.middle[0] + reach) + 1)
    bottom = min(height, int(face.middle[1] + reach) + 1)
    with PersonFinder() as finder:
        mask = finder.mask(picture).copy()
        near = finder.mask(picture[top:bottom, left:right])
    # It fades out towards its border, except where that is the picture's.
    weight = np.ones(near.shape, np.float32)
    fade = 0.25 * face.side
    rows, columns = np.arange(near.shape[0]) + 0.5, np.arange(near.shape[1]) + 0.5
    if top > 0:
        weight *= np.clip(rows / fade, 0, 1)[:, None]
    if bottom < height:
        weight *= np.clip((near.shape[0] - rows) / fade, 0, 1)[:, None]
    if left > 0:
        weight *= np.clip(columns / fade, 0, 1)
    if right < width:
        weight *= np.clip((near.shape[1] - columns) / fade, 0, 1)
    inside = mask[top:bottom, left:right]
    inside += weight * (near - inside)
    return mask


def find_silhouette(
    picture: NDArray[np.uint8], mask: NDArray[np.float32], face: Face, others: Sequence[Face]
) -> Mask:
    """The person's pixels (H, W).

    picture: RGB (H, W, 3), best of `LONGEST` pixels. mask: (H, W), from `likely_person`. others:
    the faces of other people, which are ground, and what is nearer to them than to this one.
    """
    shape = mask.shape
    within, beyond = _WITHIN * face.side, _BEYOND * face.side
    cut = np.where(mask > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    cut[distance(mask > _SURE) > within] = cv2.GC_FGD
    cut[distance(mask <= _NONE) > beyond] = cv2.GC_BGD
    own = distance(~face.filled(shape)) / face.side
    for other in others:
        ratio = own / np.maximum(distance(~other.filled(shape)) / other.side, 1e-3)
        cut[(ratio > 1) & (cut != cv2.GC_BGD)] = cv2.GC_PR_BGD
        cut[ratio > 1.4] = cv2.GC_BGD
    cut[face.filled(shape, -0.02)] = cv2.GC_FGD
    if not np.isin(cut, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        return np.ones(shape, bool)
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    cv2.setRNGSeed(0)  # its clusters are seeded by chance
    cv2.grabCut(
        lab, cut, None, np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK
    )
    person = np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD))
    return with_face(_smooth(person, face), face)


def with_face(person: Mask, face: Face) -> Mask:
    """Of the parts of `person` (H, W) those that hang together with the face."""
    core = face.filled(person.shape, -0.02)
    _, labels = cv2.connectedComponents((person | core).astype(np.uint8))
    return np.isin(labels, np.unique(labels[core]))


def _smooth(person: Mask, face: Face) -> Mask:
    """Without specks and pinholes. What touches the picture's edge is taken to go on beyond it."""

    def ellipse(share: float) -> NDArray[np.uint8]:
        reach = max(1, round(share * face.side))
        return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))

    margin = max(2, round(0.1 * face.side))
    planes = np.pad(person.astype(np.uint8), margin, "edge")
    planes = cv2.morphologyEx(planes, cv2.MORPH_OPEN, ellipse(_OPEN))
    planes = cv2.morphologyEx(planes, cv2.MORPH_CLOSE, ellipse(_CLOSE))
    return planes[margin:-margin, margin:-margin] > 0
