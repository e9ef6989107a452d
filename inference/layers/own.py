# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's own matte and plate: brought to the portrait's size and type, or refused."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.layers.trimap import Face
from inference.pictures import StillPicture

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_SHAPE = 0.02  # how much the ratio of the sides may differ
_SHOWN = 0.5  # of the face, which a matte must show


def own_matte(matte: StillPicture, portrait: StillPicture, face: Face) -> tuple[Pixels, str]:
    """Alpha (H, W) of the portrait's size and type, and a word on what was done to it, or "".

    Its alpha where it has one, else its lightness: white is the person. Raises InputError when it
    has another shape than the portrait, or does not show the face.
    """
    alpha = cv2.cvtColor(matte.rgb, cv2.COLOR_RGB2GRAY) if matte.alpha is None else matte.alpha
    alpha = _as_type(alpha, portrait.rgb.dtype)
    alpha, word = _as_size(alpha, portrait, "matte")
    if not shows_face(alpha, face):
        raise InputError(
            "the matte does not show the chosen face: white (or whole alpha) must be "
            "the person; invert it, or choose the right face"
        )
    return alpha, word


def shows_face(alpha: Pixels, face: Face) -> bool:
    """Is most of the face there in a matte (H, W)? face: in its pixels."""
    inside = face.filled(alpha.shape, -0.05)
    return not inside.any() or alpha[inside].mean() >= _SHOWN * np.iinfo(alpha.dtype).max


def own_plate(plate: StillPicture, portrait: StillPicture) -> tuple[Pixels, str]:
    """Colours (H, W, 3) of the portrait's size and type, and a word on what was done, or "".

    Raises InputError when it has another shape than the portrait.
    """
    return _as_size(_as_type(plate.rgb, portrait.rgb.dtype), portrait, "plate")


def _as_type(pixels: Pixels, dtype: np.dtype) -> Pixels:
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.uint8:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels.astype(np.uint16) * np.uint16(257)


def _as_size(pixels: Pixels, portrait: StillPicture, what: str) -> tuple[Pixels, str]:
    width, height = portrait.size
    own = (pixels.shape[1], pixels.shape[0])
    if own == portrait.size:
        return pixels, ""
    if abs(own[0] / own[1] * height / width - 1) > _SHAPE:
        raise InputError(
            f"the {what} is {own[0]} x {own[1]} pixels and the portrait {width} x "
            f"{height}: give one of the same shape"
        )
    smaller = own[0] > width
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    word = f"the {what} was resized from {own[0]} x {own[1]} to {width} x {height} pixels"
    return cv2.resize(pixels, portrait.size, interpolation=how), word
