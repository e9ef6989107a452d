# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network sees: the warped portrait, how it was warped, and the target's landmarks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.generator.contract import CHANNELS
from inference.landmarks import (
    EYES,
    LEFT_BROW,
    LEFT_BROW_LOWER,
    LIPS_LOWER,
    LIPS_UPPER,
    MOUTH_LOWER,
    MOUTH_UPPER,
    NOSE_BASE,
    NOSE_BRIDGE,
    OVAL,
    RIGHT_BROW,
    RIGHT_BROW_LOWER,
)
from inference.warp.openings import Patch
from inference.warp.raster import Raster

Points = NDArray[np.float32]

_SHIFT = 4
_EYES = tuple((upper, lower) for upper, lower, _ in EYES)
_MOUTH = ((MOUTH_UPPER, MOUTH_LOWER),)
_IRISES = tuple(iris for _, _, iris in EYES)
_FACE_LINES = (
    (*OVAL, OVAL[0]), RIGHT_BROW, RIGHT_BROW_LOWER, LEFT_BROW, LEFT_BROW_LOWER, NOSE_BRIDGE,
    NOSE_BASE,
)  # fmt: skip
_EYE_LINES = tuple(lid for eye in _EYES for lid in eye) + tuple(
    (*iris[1:], iris[1]) for iris in _IRISES
)
_MOUTH_LINES = (MOUTH_UPPER, MOUTH_LOWER, LIPS_UPPER, LIPS_LOWER)
# By landmarks: the lines of the three line channels, and the openings (upper and lower edge) of
# the two channels of areas after them.
LINES = (_FACE_LINES, _EYE_LINES, _MOUTH_LINES)
AREAS = (_MOUTH, _EYES)


def generator_input(
    warped: NDArray[np.uint8], raster: Raster, points: Points, patches: list[Patch]
) -> NDArray[np.float32]:
    """Stack the channels of `contract.CHANNELS`: (11, S, S) float32.

    warped: (S, S, 3) uint8. points: the target's (478, 2 or 3) in pixels of S.
    patches: the openings laid into `warped`, at its size.
    """
    size = warped.shape[0]
    stack = np.empty((len(CHANNELS), size, size), np.float32)
    stack[:3] = warped.transpose(2, 0, 1)
    stack[:3] *= np.float32(1 / 255)
    stack[3] = _fit(raster.stretch, size)
    stack[4] = _fit(raster.seen, size)
    for patch in patches:
        if patch.made_up is not None and patch.teeth is not None:
            height, width = patch.mask.shape
            valid = stack[4, patch.top : patch.top + height, patch.left : patch.left + width]
            valid *= 1 - patch.mask * patch.made_up * (1 - patch.teeth)
    stack[5:] = landmark_channels(points[:, :2], size)
    return stack


def landmark_channels(points: Points, size: int) -> NDArray[np.float32]:
    """The lines of face, eyes and mouth, and the areas of mouth, eyes and irises: (6, S, S)."""
    corners = np.round((points - 0.5) * (1 << _SHIFT)).astype(np.int32)
    drawn = np.zeros((6, size, size), np.uint8)
    for layer, lines in zip(drawn, LINES, strict=False):
        curves = [corners[list(line)] for line in lines]
        cv2.polylines(layer, curves, False, 255, 1, cv2.LINE_AA, _SHIFT)
    for layer, openings in zip(drawn[3:], AREAS, strict=False):
        for upper, lower in openings:
            outline = corners[[*upper, *lower[-2:0:-1]]]
            cv2.fillPoly(layer, [outline], 255, cv2.LINE_AA, _SHIFT)
    for iris in _IRISES:
        center = points[iris[0]]
        radius = float(np.linalg.norm(points[list(iris[1:])] - center, axis=1).mean())
        where = tuple(np.round((center - 0.5) * (1 << _SHIFT)).astype(int).tolist())
        cv2.circle(drawn[5], where, round(radius * (1 << _SHIFT)), 255, -1, cv2.LINE_AA, _SHIFT)
    np.minimum(drawn[5], drawn[4], out=drawn[5])
    return drawn.astype(np.float32) * np.float32(1 / 255)


def _fit(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    if values.shape[0] == size:
        return values
    return cv2.resize(values, (size, size), interpolation=cv2.INTER_LINEAR)
