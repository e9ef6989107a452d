# SPDX-License-Identifier: GPL-3.0-or-later
"""Borrow the inside of the mouth from another picture of the same person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIPS_LOWER, LIPS_UPPER, interocular
from inference.mouth.own import find_own_teeth
from inference.mouth.paint import SKIN, TEETH, find_palette
from inference.performance.face.measures import mouth_opening
from inference.pictures import at_depth, rescaled
from inference.portrait import Portrait

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# A mouth is worth borrowing when it is open wider than the portrait's own by this much, in units
# of the mouth's width.
WORTH = 0.06


@dataclass(frozen=True)
class OpenMouth:
    """pixels: (H, W, 3) of another picture, its face as large and as lit as the portrait's.

    points: (478, 3) in its pixels.
    """

    pixels: Pixels
    points: Points

    def resized(self, share: float) -> OpenMouth:
        """The same, larger or smaller by a factor."""
        if share == 1:
            return self
        return OpenMouth(rescaled(self.pixels, share), self.points * np.float32(share))


def open_mouth(portrait: Portrait, others: Iterable[Portrait]) -> OpenMouth | None:
    """The most open mouth among the other pictures, at the portrait's size and light."""
    own = mouth_opening(portrait.points)
    best = max(others, key=lambda other: mouth_opening(other.points), default=None)
    if best is None or mouth_opening(best.points) < own + WORTH:
        return None
    pixels, points = _at_size(portrait, best)
    lips = (*LIPS_UPPER, *LIPS_LOWER)
    here, there = portrait.crop(), portrait.crop_points()
    gain = _colour(here, there, lips) / np.maximum(_colour(pixels, points, lips), 1)
    return OpenMouth(_lit(pixels, gain), points)


def lent_mouth(portrait: Portrait, other: Portrait) -> OpenMouth:
    """The other picture's mouth, however far it is open, at the portrait's size.

    It is as light as makes its teeth those that the portrait has or would be drawn with; where it
    shows none, as makes its skin the portrait's. Lips may be painted in one picture and not in the
    other.
    """
    pixels, points = _at_size(portrait, other)
    here, there = portrait.crop(), portrait.crop_points()
    wanted, shown = (
        find_own_teeth(picture, face, find_palette(picture, face)[TEETH])
        for picture, face in ((here, there), (pixels, points))
    )
    if shown.share > 0:
        gain = wanted.colour / np.maximum(shown.colour, 1)
    else:
        gain = _colour(here, there, SKIN) / np.maximum(_colour(pixels, points, SKIN), 1)
    return OpenMouth(_lit(pixels, gain), points)


def _at_size(portrait: Portrait, other: Portrait) -> tuple[Pixels, Points]:
    """The other picture's crop and landmarks, its face as large as the portrait's."""
    zoom = interocular(portrait.points[:, :2]) / interocular(other.points[:, :2])
    pixels = rescaled(at_depth(other.crop(), portrait.crop().dtype), zoom)
    return pixels, other.crop_points() * np.float32(zoom)


def _lit(pixels: Pixels, gain: NDArray[np.float64]) -> Pixels:
    lit = np.round(np.clip(pixels * np.clip(gain, 0.5, 2), 0, np.iinfo(pixels.dtype).max))
    return lit.astype(np.uint8) if pixels.dtype == np.uint8 else lit.astype(np.uint16)


def _colour(pixels: NDArray[np.generic], points: Points, lit: Sequence[int]) -> NDArray[np.float64]:
    """Mean colour (3,) at some landmarks."""
    where = np.round(points[list(lit), :2]).astype(int)
    x = np.clip(where[:, 0], 0, pixels.shape[1] - 1)
    y = np.clip(where[:, 1], 0, pixels.shape[0] - 1)
    return pixels[y, x].astype(np.float64).mean(axis=0)
