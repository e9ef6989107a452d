# SPDX-License-Identifier: GPL-3.0-or-later
"""Borrow the inside of the mouth from the picture of the same person in which it is seen best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIPS_LOWER, LIPS_UPPER, interocular
from inference.performance.face.measures import mouth_opening
from inference.pictures import at_depth, rescaled
from inference.portrait import Portrait

Points = NDArray[np.float32]

# A mouth is worth borrowing when it is open wider than the portrait's own by this much, in units
# of the mouth's width.
WORTH = 0.06


@dataclass(frozen=True)
class OpenMouth:
    """pixels: (H, W, 3) of another picture, its face as large and as lit as the portrait's.

    points: (478, 3) in its pixels.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    points: Points


def open_mouth(portrait: Portrait, others: Iterable[Portrait]) -> OpenMouth | None:
    """The most open mouth among the other pictures, at the portrait's size and light."""
    own = mouth_opening(portrait.points)
    best = max(others, key=lambda other: mouth_opening(other.points), default=None)
    if best is None or mouth_opening(best.points) < own + WORTH:
        return None
    zoom = interocular(portrait.points[:, :2]) / interocular(best.points[:, :2])
    pixels = rescaled(at_depth(best.crop(), portrait.crop().dtype), zoom)
    points = best.crop_points() * np.float32(zoom)
    gain = _lip_color(portrait.crop(), portrait.crop_points()) / np.maximum(
        _lip_color(pixels, points), 1
    )
    top = np.iinfo(pixels.dtype).max
    lit = np.clip(pixels * np.clip(gain, 0.5, 2), 0, top)
    return OpenMouth(np.round(lit).astype(pixels.dtype), points)


def _lip_color(pixels: NDArray[np.generic], points: Points) -> NDArray[np.float64]:
    """Mean colour (3,) on the outer lips."""
    where = np.round(points[[*LIPS_UPPER, *LIPS_LOWER], :2]).astype(int)
    x = np.clip(where[:, 0], 0, pixels.shape[1] - 1)
    y = np.clip(where[:, 1], 0, pixels.shape[0] - 1)
    return pixels[y, x].astype(np.float64).mean(axis=0)
