# SPDX-License-Identifier: GPL-3.0-or-later
"""The person beyond the picture's edge: hair, shoulders and clothes that the picture cuts off.

A head that moves away from the edge shows what was never in the picture. Mirrored, it would be a
second piece of hair or lettering, the surest sign of a made picture; so hair and cloth go on in
pieces of their own, found as for the plate, and the crown of a head closes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import OVAL
from inference.layers.patches import LONGEST, match_patches
from inference.layers.pieces import Pieces
from inference.layers.trimap import Face, Mask, make_face
from inference.pictures import strips
from inference.portrait import Portrait

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_WHOLE = 0.98  # alpha of pixels that may be copied
_CROWN = 0.5  # how high a crown rises: 1 is a half circle over what the edge cuts
_SOFT = 0.02  # of the face's side: the crown's edge


@dataclass(frozen=True)
class Beyond:
    """The pixels of a portrait's crop that lie beyond the picture, in row order: person (K, 3) and
    alpha (K,), as in `Layers`.
    """

    person: Pixels
    alpha: Pixels


def beyond_picture(portrait: Portrait) -> Mask:
    """Where the portrait's crop (H, W) lies beyond the picture."""
    left, top, right, bottom = portrait.visible()
    beyond = np.ones((portrait.box.height, portrait.box.width), bool)
    beyond[top:bottom, left:right] = False
    return beyond


def make_beyond(
    portrait: Portrait, person: Pixels, alpha: Pixels, step: Callable[[], None] = lambda: None
) -> Beyond:
    """Carry the person on over the part of the crop that the picture does not show.

    person: (H, W, 3) and alpha (H, W) of the whole portrait. step: as of `beyond_edge`.
    """
    box = portrait.box
    left, top, right, bottom = portrait.visible()
    wanted = beyond_picture(portrait)
    here = np.s_[box.y + top : box.y + bottom, box.x + left : box.x + right]
    margin = max(left, top, box.width - right, box.height - bottom)
    if not margin:
        return Beyond(person[:0, 0], alpha[:0, 0])
    outline = portrait.points[list(OVAL), :2] - (box.x + left, box.y + top)
    face = make_face(outline.astype(np.float32))
    wide, shown = beyond_edge(person[here], alpha[here], face, margin, step)
    crop = np.s_[margin - top :, margin - left :]
    size = np.s_[: box.height, : box.width]
    return Beyond(wide[crop][size][wanted], shown[crop][size][wanted])


def beyond_edge(
    person: Pixels, alpha: Pixels, face: Face, margin: int, step: Callable[[], None] = lambda: None
) -> tuple[Pixels, Pixels]:
    """Person (H + 2m, W + 2m, 3) and alpha (H + 2m, W + 2m), `margin` m pixels more on each side.

    person: (H, W, 3) and alpha (H, W), as in `Layers`; face: in their pixels. Within the picture
    nothing changes. step: called now and then; what it raises goes through.
    """
    wide = cv2.copyMakeBorder(person, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    shown = _alpha_beyond(alpha, face, margin)
    top = np.iinfo(alpha.dtype).max
    outside = np.ones(shown.shape, bool)
    outside[margin:-margin, margin:-margin] = False
    wanted = outside & (shown > 0)
    if not wanted.any():
        return wide, shown
    moved = Face(
        (face.middle[0] + margin, face.middle[1] + margin), face.side,
        face.outline + np.float32(margin),
    )  # fmt: skip
    # Neither the face nor what is half ground is copied.
    closed = outside | (shown < _WHOLE * top) | moved.filled(shown.shape, 0.03)
    factor = min(1.0, LONGEST / max(shown.shape))
    size = (round(shown.shape[1] * factor), round(shown.shape[0] * factor))
    unknown = cv2.resize(closed.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.05
    colours = cv2.resize(wide, size, interpolation=cv2.INTER_AREA) * np.float32(1 / top)
    first = cv2.GaussianBlur(colours, (0, 0), max(0.05 * face.side * factor, 0.5))
    offsets = match_patches(colours, unknown, first, step)
    if offsets is None:
        return wide, shown
    pieces = Pieces(wide, colours, offsets, unknown, face.side * factor)
    for rows in strips((shown.shape[1], shown.shape[0])):
        here = wanted[rows]
        if here.any():
            step()
            made = np.clip(np.round(pieces.rows(rows)[here]), 0, top)
            wide[rows][here] = made.astype(wide.dtype)
    return wide, shown


def _alpha_beyond(alpha: Pixels, face: Face, margin: int) -> Pixels:
    """Alpha goes straight on, but a head that the upper edge cuts closes over it."""
    wide = cv2.copyMakeBorder(alpha, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    edge = wide[margin] > 0
    starts = np.flatnonzero(edge & ~np.roll(edge, 1))
    ends = np.flatnonzero(edge & ~np.roll(edge, -1))
    height = np.zeros(edge.size, np.float32)
    for first, last in zip(starts, ends, strict=True):
        at = np.arange(first, last + 1, dtype=np.float32)
        height[first : last + 1] = _CROWN * np.sqrt((at - first + 1) * (last + 1 - at))
    above = margin - np.arange(margin, dtype=np.float32)[:, None]
    share = np.clip((height - above) / max(_SOFT * face.side, 1.0) + 0.5, 0, 1)
    wide[:margin] = np.round(wide[:margin] * share).astype(alpha.dtype)
    return wide
