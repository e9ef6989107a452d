# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic of whole pictures with planes of weights, some rows at a time.

Rows that fit into a processor's cache are worked on several times as fast as whole pictures; and
where a picture's three channels meet one of weights, OpenCV writes that one three times faster than
NumPy repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Plane = NDArray[np.float32]

_BAND = 1 << 15  # pixels that are worked on at once


def bands(size: tuple[int, int]) -> Iterator[slice]:
    """Rows of a picture of `size` (width, height), as many as fit into a cache."""
    rows = max(1, _BAND // max(size[0], 1))
    for first in range(0, size[1], rows):
        yield slice(first, min(first + rows, size[1]))


def rounded(colours: Plane, depth: np.dtype) -> Pixels:
    """Colours as whole numbers of uint8 or uint16, within its range."""
    if depth == np.uint8:
        return cv2.convertScaleAbs(cv2.max(colours, 0))  # rounds and saturates
    return np.clip(np.rint(colours), 0, np.iinfo(depth).max).astype(np.uint16)


def times(pixels: NDArray[Any], share: Plane) -> Plane:
    """(H, W, 3) times (H, W), float32."""
    found = pixels.astype(np.float32)
    found *= cv2.merge([share, share, share])
    return found


def laid_over(
    below: Pixels, above: Pixels, share: Plane, missed: Plane | None = None, still: float = 0
) -> Pixels:
    """A picture (H, W, 3) over another one, as far as `share` (H, W) says.

    missed: (H, W, 3), of which `still` times as much is added.
    """
    found = np.empty_like(below)
    for rows in bands((below.shape[1], below.shape[0])):
        under = below[rows].astype(np.float32)
        mixed = above[rows].astype(np.float32)
        mixed -= under
        part = share[rows]
        mixed *= cv2.merge([part, part, part])
        mixed += under
        if missed is not None and still > 0:
            mixed += np.float32(still) * missed[rows]
        found[rows] = rounded(mixed, below.dtype)
    return found


def window_of(mask: NDArray[np.bool_], around: int = 1) -> tuple[slice, slice] | None:
    """The rows and columns in which a mask (H, W) holds, and some more around; None: nowhere."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    rows = slice(max(top - around, 0), min(top + height + around, mask.shape[0]))
    return rows, slice(max(left - around, 0), min(left + width + around, mask.shape[1]))


@dataclass(frozen=True)
class Lines:
    """The rows, or the columns, of a picture that is enlarged linearly, which lie within a window
    of it before. first, last: of the large picture. below: (last - first,) the line of the window
    before each, and share: (last - first,) float32, how much of the next one is in it.
    """

    first: int
    last: int
    below: NDArray[np.intp]
    share: Plane

    def some(self, part: slice) -> Lines:
        """Some of them, counted from the first one."""
        first, last, _ = part.indices(self.last - self.first)
        there = self.first + first, self.first + last
        return Lines(*there, self.below[part], self.share[part])


def lines(window: slice, before: int, after: int) -> Lines:
    """before, after: how many there are in all."""
    zoom = before / after
    first = 0 if window.start == 0 else int(np.ceil((window.start + 0.5) / zoom - 0.5))
    last = after if window.stop == before else int(np.floor((window.stop - 0.5) / zoom - 0.5)) + 1
    at = (np.arange(first, last) + 0.5) * zoom - 0.5 - window.start
    at = np.clip(at, 0, window.stop - window.start - 1)
    below = np.minimum(at.astype(np.intp), max(window.stop - window.start - 2, 0))
    return Lines(first, last, below, (at - below).astype(np.float32))


def between(values: NDArray[Any], found: Lines, axis: int) -> Plane:
    """A window's values, by rows (axis 0) or columns (axis 1) at the enlarged picture's lines."""
    last = values.shape[axis] - 1
    low = values.take(found.below, axis)
    high = values.take(np.minimum(found.below + 1, last), axis)
    high -= low
    shape = [1] * values.ndim
    shape[axis] = -1
    high *= found.share.reshape(shape)
    high += low
    return high
