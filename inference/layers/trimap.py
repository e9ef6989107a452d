# SPDX-License-Identifier: GPL-3.0-or-later
"""Where alpha is open: a narrow band along the person's outline, wider where hair is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# Half widths of the band in units of the face's larger side: inwards, outwards.
_BODY = (0.012, 0.02)
_HEAD = (0.05, 0.09)
_HEAD_REACH = (1.05, 1.45)  # from the face's middle: whole width within, body's width beyond


@dataclass(frozen=True)
class Face:
    """middle: x, y; side: the larger side of the outline; outline: (36, 2); all in pixels."""

    middle: tuple[float, float]
    side: float
    outline: NDArray[np.float32]

    def filled(self, shape: tuple[int, ...], grow: float = 0.0) -> Mask:
        """The outline's inside (H, W), grown (or with a negative number shrunk) by `grow` sides."""
        mask = np.zeros(shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(self.outline).astype(np.int32)], 1)
        if grow < 0:
            return distance(mask > 0) > -grow * self.side
        return distance(mask == 0) <= grow * self.side

    def away(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """How far each pixel (H, W) is from the face's middle, in face sides."""
        columns = (np.arange(shape[1], dtype=np.float32) - self.middle[0]) / self.side
        rows = (np.arange(shape[0], dtype=np.float32) - self.middle[1]) / self.side
        return np.hypot(columns, rows[:, None])

    def head(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """How much each pixel (H, W) may be hair rather than body or clothes, 0 to 1."""
        near, far = _HEAD_REACH
        return np.clip((far - self.away(shape)) / (far - near), 0, 1)

    def times(self, factor: float) -> Face:
        """The same face in a picture of another size."""
        x, y = self.middle
        return Face((x * factor, y * factor), self.side * factor, self.outline * np.float32(factor))


def make_face(outline: NDArray[np.float32]) -> Face:
    """From the outline (36, 2) in pixels."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    middle = (low + high) / 2
    return Face((float(middle[0]), float(middle[1])), float((high - low).max()), outline)


def distance(mask: Mask) -> NDArray[np.float32]:
    """Of each true pixel to the nearest false one, in pixels; 0 where false; huge if all are true.

    Beyond the picture nothing is known, which is not false.
    """
    if mask.all():
        return np.full(mask.shape, 1e6, np.float32)
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)


def open_band(person: Mask, face: Face) -> tuple[NDArray[np.float32], Mask]:
    """What is known of alpha (H, W), 0 or 1, and the band (H, W) where it is open.

    person: (H, W), the silhouette. The face itself is the person's whatever the silhouette says.
    """
    head = face.head(person.shape)
    inwards, outwards = (
        np.maximum((body + (hair - body) * head) * face.side, 1.5)
        for body, hair in zip(_BODY, _HEAD, strict=True)
    )
    core = face.filled(person.shape, -0.05)
    open_ = (distance(person) < inwards) & person | (distance(~person) < outwards) & ~person
    open_ &= ~core
    return (person | core).astype(np.float32), open_
