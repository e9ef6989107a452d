# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two pictures show a head with the same hair: cut as full, and of one colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.source import HeadSource
from inference.landmarks import OVAL
from inference.warp.warp import GRID

# Mean differences, as logarithms, of the hair's colours and of the outlines' distances from the
# skull's middle. Between frames of a clip they stay below these, also where a head turns by 40
# degrees; between photographs of one person from different years one of them is above.
_COLOUR, _OUTLINE = 0.17, 0.25
_DARK = 12.0  # of 255: below it colours are not told apart
_LEAST = 50  # cells of hair; with less of it there is nothing to compare


def same_hair(first: HeadSource, other: HeadSource) -> bool:
    """Whether the two heads, laid in one crop, can be taken for the same one seen twice."""
    shells = first.mesh.shell, other.mesh.shell
    seen = (shells[0].skull > 0.5) & (shells[0].cut < 0.5) & (shells[1].cut < 0.5)
    outlines = np.abs(np.log(shells[0].ratio_outline / shells[1].ratio_outline))[seen]
    if seen.any() and outlines.mean() > _OUTLINE:
        return False
    colours = [_hair_colour(head) for head in (first, other)]
    if colours[0] is None or colours[1] is None:
        return True
    return bool(np.abs(np.log(colours[0] / colours[1])).mean() < _COLOUR)


def _hair_colour(head: HeadSource) -> NDArray[np.float64] | None:
    """Mean colour (3,) of 255 of the head above the face's middle and outside of its outline."""
    pixels, alpha = (
        cv2.resize(plane, (GRID, GRID), interpolation=cv2.INTER_AREA)
        for plane in (head.person.pixels, head.alpha)
    )
    zoom = np.float32(GRID) / np.array(head.person.size, np.float32)
    oval = head.person.points[list(OVAL), :2] * zoom
    face = cv2.fillPoly(np.zeros((GRID, GRID), np.uint8), [np.round(oval).astype(np.int32)], 1)
    face = cv2.dilate(face, np.ones((11, 11), np.uint8))
    hair = (face == 0) & (alpha > 200) & (head.skull > 0)
    hair &= np.arange(GRID)[:, None] < oval[:, 1].mean()
    if np.count_nonzero(hair) < _LEAST:
        return None
    top = np.iinfo(pixels.dtype).max
    return np.asarray(pixels[hair].mean(axis=0) * (255 / top) + _DARK, np.float64)
