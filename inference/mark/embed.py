# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of one portrait: small changes of brightness that its skin carries along.

Anchored to the skin, one pattern turns into another and back once a second, too slowly and too
little to be seen. Over a second everything that stays, which is the face, falls out of a reader's
sum, and the mark remains: so it is found without the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.mark.canonical import lay_back, lay_out, sheet
from inference.mark.code import encode
from inference.mark.patterns import COUNT, patterns
from inference.planes import Pixels, rounded
from inference.portrait import Portrait
from inference.warp.raster import Raster

Plane = NDArray[np.float32]

# Root mean square over the skin at strength 1, in steps of 255; turns a second.
RMS, TURNS = 1.5, 1
_PEAK = np.float32(5)  # the most that it changes any pixel by, likewise
# Skin of more contrast than this (standard deviation in steps of 255) hides more of a mark, smooth
# skin less; between these shares. Below this luma a step of 255 is seen more.
_USUAL, _LEAST, _MOST, _DARK = 4.0, 0.7, 1.4, 60.0
_BROAD, _WINDOW = 4.0, 7.0  # cells: what is light and shade, and where contrast is measured


@dataclass(frozen=True)
class SkinMark:
    """planes: (2, rows, columns) over the portrait's crop, in steps of 255, as its skin lies there.

    rate: frames a second.
    """

    planes: Plane
    rate: Fraction

    def at(self, frame: int) -> Plane:
        """The pattern (rows, columns) of a frame, as the portrait's skin lies."""
        # Exact for any frame: only the part of a turn counts.
        angle = 2 * np.pi * float(Fraction(frame * TURNS) / self.rate % 1)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return np.clip(cos * self.planes[0] + sin * self.planes[1], -_PEAK, _PEAK)


def payload_of(sha256: str) -> int:
    """The 32 bits that a portrait's frames carry: the first eight digits of its file's SHA-256."""
    return int(sha256[:8], 16)


def check_strength(strength: float) -> None:
    """Raises InputError outside of 0 to 1."""
    if not 0 <= strength <= 1:
        raise InputError(f"a mark of strength {strength:g}: give 0 (off) to 1")


def skin_mark(
    portrait: Portrait, strength: float, rate: Fraction, grid: tuple[int, int]
) -> SkinMark | None:
    """The mark of a portrait's frames; None at strength 0.

    rate: frames a second. grid: (columns, rows) over its crop, those of the warp's raster.
    """
    check_strength(strength)
    if strength == 0:
        return None
    zoom = np.array(grid, np.float32) / np.array([portrait.box.width, portrait.box.height])
    places = (portrait.crop_points()[:, :2] * zoom).astype(np.float32)
    luma = cv2.cvtColor(portrait.picture.rgb8(), cv2.COLOR_RGB2GRAY).astype(np.float32)
    laid = signal(payload_of(portrait.picture.sha256)) * _hidden(lay_out(luma, portrait.points))
    planes = lay_back(laid.transpose(1, 2, 0) * np.float32(RMS * strength), places, grid)
    return SkinMark(np.ascontiguousarray(planes.transpose(2, 0, 1)), rate)


def signal(payload: int) -> Plane:
    """A payload's two planes (2, H, W) on the sheet, of mean square 1 over the skin."""
    signed = encode(payload).reshape(COUNT, 1, 1) * patterns()
    planes = np.stack([signed[0::2].sum(axis=0), signed[1::2].sum(axis=0)])
    return planes / np.float32(np.sqrt(COUNT / 2))


def add_mark(mark: SkinMark, frame: int, pixels: Pixels, raster: Raster) -> Pixels:
    """A frame (H, W, 3) of the crop with its mark. raster: where its pixels come from."""
    left, top, across, down = cv2.boundingRect(raster.face)
    if not across:
        return pixels
    here = np.s_[top : top + down, left : left + across]
    zoom = np.array(raster.face.shape[::-1], np.float32) / np.array(pixels.shape[1::-1])
    where = raster.displacement[here] * zoom.astype(np.float32)
    where[..., 0] += np.arange(left, left + across, dtype=np.float32)
    where[..., 1] += np.arange(top, top + down, dtype=np.float32)[:, None]
    pattern = cv2.remap(mark.at(frame), where, None, cv2.INTER_LINEAR)
    pattern *= raster.face[here]
    first = np.floor(np.array([left, top]) / zoom).astype(int)
    last = np.minimum(np.ceil(np.array([left + across, top + down]) / zoom), pixels.shape[1::-1])
    size = (last - first).astype(int)
    corner = (first + 0.5) * zoom - 0.5 - np.array([left, top])
    lookup = np.array([[zoom[0], 0, corner[0]], [0, zoom[1], corner[1]]], np.float32)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    drawn = cv2.warpAffine(pattern, lookup, tuple(size.tolist()), None, how)
    part = np.s_[first[1] : first[1] + size[1], first[0] : first[0] + size[0]]
    if pixels.dtype == np.uint8:
        drawn += _grain(pixels.shape[0], pixels.shape[1])[part]
    else:
        drawn *= np.float32(257)
    marked = pixels.copy()
    marked[part] = rounded(marked[part] + cv2.merge([drawn, drawn, drawn]), pixels.dtype)
    return marked


def _hidden(luma: Plane) -> Plane:
    """How much of the mark each cell of a sheet's skin (H, W) takes, by its texture and light."""
    skin = sheet().skin

    def mean(plane: Plane, sigma: float) -> Plane:
        share = cv2.GaussianBlur(skin, (0, 0), sigma)
        return np.asarray(
            cv2.GaussianBlur(plane * skin, (0, 0), sigma) / np.maximum(share, 1e-3), np.float32
        )

    light = mean(luma, _BROAD)
    contrast = np.sqrt(mean((luma - light) ** 2, _WINDOW))
    texture = np.clip(contrast / _USUAL, _LEAST, _MOST)
    return (texture * np.clip(light / _DARK, 0.25, 1)).astype(np.float32)


@lru_cache(8)
def _grain(rows: int, columns: int) -> Plane:
    """Less than half a step, so that a pattern of half a step has no contours; it never changes.

    "Interleaved gradient noise" (J. Jimenez, "Next generation post processing", 2014).
    """
    x, y = np.arange(columns)[None, :], np.arange(rows)[:, None]
    inner = (0.06711056 * x + 0.00583715 * y) % 1
    return (((52.9829189 * inner) % 1 - 0.5) * 0.99).astype(np.float32)
