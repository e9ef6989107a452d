# SPDX-License-Identifier: GPL-3.0-or-later
"""Where alpha is open: a narrow band along the person's outline, wider where hair is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Half widths of the band in units of the face's larger side: inwards, outwards.
_BODY = (0.012, 0.02)
_HEAD = (0.05, 0.09)
_HEAD_REACH = (1.05, 1.45)  # from the face's middle: whole width within, body's width beyond
# Ground so many times further away than the band is wide has been cut off by the picture's edge: a
# guess by colour begins to count there, and counts in full. Strands beside the person, so near in
# sides of the face, are left to the matting.
_CUT_OFF = (1.2, 1.7)
_STRAND = 0.02
_STRANGE = 0.3  # ground so many face sides away begins to tell nothing of the ground here
_NEAR = 0.12  # of the face's side: how far colours are gathered
_UNLIKE = 0.01  # squared distance of colours below which they tell nothing
_TRUST = 0.1


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
    inwards, outwards = _widths(person.shape, face)
    core = face.filled(person.shape, -0.05)
    open_ = (distance(person) < inwards) & person | (distance(~person) < outwards) & ~person
    open_ &= ~core
    return (person | core).astype(np.float32), open_


def beside_edge(
    picture: Plane, known: Plane, open_: Mask, face: Face
) -> tuple[Plane, Plane | None]:
    """Alpha guessed by colour where the picture's edge cuts the ground off, and the trust in it.

    Matting carries alpha in from both sides. Where the band runs into the picture's edge there is
    no other side, and alpha would hang at one half. picture: (H, W, 3) in [0, 1]; known and open_:
    (H, W), of `open_band`. Gives `known` with the guesses in it (H, W), and the trust (H, W) for
    `closed_form`; None where no band is cut off.
    """
    ground = ~open_ & (known < 0.5)
    person = ~open_ & (known > 0.5)
    _, reach = _widths(known.shape, face)
    away = distance(~ground)
    far = away / reach
    trust = np.clip((far - _CUT_OFF[0]) / (_CUT_OFF[1] - _CUT_OFF[0]), 0, 1)
    trust *= np.clip(2 - away / (_STRANGE * face.side), 0, 1)
    trust *= open_ & (known < 0.5)  # within the silhouette ground is always this far
    trust *= (distance(~person) > _STRAND * face.side) & (_from_edge(known.shape) < reach)
    if not ground.any() or not trust.any():
        return known, None
    near, other = (_colour_near(picture, mask, _NEAR * face.side) for mask in (person, ground))
    across = near - other
    share = ((picture - other) * across).sum(axis=-1) / np.maximum(
        np.square(across).sum(axis=-1), _UNLIKE
    )
    guess = np.where(open_, np.clip(share, 0, 1), known).astype(np.float32)
    return guess, (_TRUST * trust).astype(np.float32)


def _widths(shape: tuple[int, ...], face: Face) -> tuple[Plane, Plane]:
    """How far the band reaches inwards and outwards, (H, W) each, in pixels."""
    head = face.head(shape)
    inwards, outwards = (
        np.maximum((body + (hair - body) * head) * face.side, 1.5)
        for body, hair in zip(_BODY, _HEAD, strict=True)
    )
    return inwards, outwards


def _from_edge(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """How far each pixel (H, W) lies from the picture's edge."""
    rows, columns = (np.minimum(np.arange(n), n - 1 - np.arange(n)) for n in shape[:2])
    return np.minimum(rows[:, None], columns)


def _colour_near(picture: Plane, mask: Mask, sigma: float) -> Plane:
    """The mean colour (H, W, 3) of the mask's pixels around each pixel."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)[..., None] + np.float32(1e-6)
    whole = picture[mask].mean(axis=0)
    total = cv2.GaussianBlur(picture * mask[..., None].astype(np.float32), (0, 0), sigma)
    return np.asarray((total + np.float32(1e-6) * whole) / weight)
