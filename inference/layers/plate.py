# SPDX-License-Identifier: GPL-3.0-or-later
"""The clean plate: the portrait without its person.

Away from the person it is the portrait, pixel for pixel. Behind the person nothing is known. Plain
ground is carried in by A. Telea's inpainting (2004) of a small picture, blurred the more the deeper
it lies, with the ground's own grain over it; textured ground by pieces of itself.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.layers.enlarge import enlarged
from inference.layers.grain import Grain
from inference.layers.patches import LONGEST, match_patches
from inference.layers.pieces import Pieces
from inference.layers.trimap import Face, Mask, distance
from inference.pictures import strips

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

SHOWN = 0.02  # alpha from which on a pixel is not the ground's alone
# How far the hole reaches beyond, of the face's side: at the body, and about the head, where
# strands fly that no matte holds. In textured ground they are hardly seen, and a fill is.
_GROWN, _GROWN_HEAD, _GROWN_TEXTURED = 0.03, 0.06, 0.035
_NEIGHBOUR = 0.08  # of the face's side: around other people, whose hair the mask cuts short
_FADES = 2.5  # so many times within that reach the plate gives way to the picture
_SMALL = 256  # pixels of the longer side at which colours are carried in
_BLUR = (0.03, 0.10)  # of the face's side, at the hole's edge and deep in it
_DEEP = 0.3  # of the face's side
_BLOCK = 0.12  # of the face's side: a piece of grain
_TEXTURED = 0.02  # how much the ground near the person differs from its own blur, in [0, 1]


def find_hole(alpha: Pixels, face: Face) -> tuple[Mask, Plane]:
    """Where the plate may be made up, (H, W), and how far it must hide a head at rest, (H, W).

    The second is whole where the person shows, and nothing a little beyond. The rim of the hole is
    ground that the picture shows itself, and what is made up there must not be seen around a head
    that hardly moves; one that has moved leaves strands there, and all of the hole must be hidden.
    alpha: (H, W); face: in its pixels.
    """
    beyond = _beyond(alpha, face, _GROWN_HEAD)
    near = np.clip(1 - _FADES * beyond, 0, 1).astype(np.float32)
    return beyond < 1, near * near * (3 - 2 * near)


def _beyond(alpha: Pixels, face: Face, grown_head: float) -> Plane:
    """How far each pixel (H, W) lies beyond what alpha shows, in units of the hole's reach."""
    reach = (_GROWN + (grown_head - _GROWN) * face.head(alpha.shape)) * face.side
    return distance(alpha <= SHOWN * np.iinfo(alpha.dtype).max) / np.maximum(reach, 2)


def make_plate(
    picture: Pixels,
    alpha: Pixels,
    face: Face,
    step: Callable[[], None] = lambda: None,
    others: Mask | None = None,
) -> Pixels:
    """The picture (H, W, 3) without its person; of its type, and equal to it outside of the hole.

    alpha: (H, W) of the same type; face: in its pixels. step: called now and then; what it
    raises goes through. others: where other people are, in a picture of any size; they stay, but
    nothing of them is copied. A picture that shows no ground is given back as it is.
    """
    top = np.iinfo(picture.dtype).max
    side, mix = face.side, _ramp(_beyond(alpha, face, _GROWN_HEAD))
    hole = mix > 0
    if hole.all() or not hole.any():
        return picture.copy()
    closed = hole if others is None else hole | _grown(others, hole, side)
    if closed.all():
        closed = hole
    colours, share = _ground(picture, closed, _SMALL)
    broad = _carry_in(colours, share < 0.3, side * colours.shape[0] / hole.shape[0])
    step()
    pieces = None
    if _is_textured(colours, share, side * colours.shape[0] / hole.shape[0]):
        pieces = _find_pieces(picture, closed, broad, side, step)
        mix = _ramp(_beyond(alpha, face, _GROWN_TEXTURED))
    grain = None if pieces else Grain(picture, closed, _BLOCK * side, _BLUR[0] * side)
    plate = picture.copy()
    size = (hole.shape[1], hole.shape[0])
    for rows in strips(size):
        here = mix[rows] > 0
        if not here.any():
            continue
        step()
        made = pieces.rows(rows) if pieces else enlarged(broad, size, rows) * np.float32(top)
        if grain:
            made = made + grain.rows(rows) * np.float32(top)
        below = picture[rows].astype(np.float32)
        below += mix[rows, :, None] * (made - below)
        plate[rows][here] = np.clip(np.round(below[here]), 0, top).astype(picture.dtype)
    return plate


def lay_in(picture: Pixels, plate: Pixels, alpha: Pixels, face: Face) -> Pixels:
    """The picture with an artist's own plate (H, W, 3) where the person is, met softly."""
    mix = _ramp(_beyond(alpha, face, _GROWN))
    hole = mix > 0
    result = picture.copy()
    for rows in strips((hole.shape[1], hole.shape[0])):
        here = hole[rows]
        below = picture[rows][here].astype(np.float32)
        below += mix[rows][here][:, None] * (plate[rows][here] - below)
        result[rows][here] = np.round(below).astype(picture.dtype)
    return result


def _grown(others: Mask, hole: Mask, side: float) -> Mask:
    """Other people, with a margin for what the mask misses of them, in the hole's size."""
    size = (hole.shape[1], hole.shape[0])
    there = cv2.resize(others.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return distance(~there) < _NEIGHBOUR * side if there.any() else there


def _ground(picture: Pixels, hole: Mask, longest: int) -> tuple[Plane, Plane]:
    """The ground's colours (h, w, 3) in [0, 1], small, and how much of each pixel it is (h, w)."""
    factor = min(1.0, longest / max(hole.shape))
    size = (max(1, round(hole.shape[1] * factor)), max(1, round(hole.shape[0] * factor)))
    ground = np.where(hole[..., None], 0, picture).astype(picture.dtype)
    colours = cv2.resize(ground, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize((~hole).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    colours /= np.maximum(share, 1e-3)[..., None] * np.float32(np.iinfo(picture.dtype).max)
    return np.clip(colours, 0, 1), share


def _carry_in(colours: Plane, unknown: Mask, side: float) -> Plane:
    """The ground's broad colours all over, (h, w, 3) in [0, 1]; side: the face's, in pixels."""
    if unknown.all():
        return np.full_like(colours, colours.mean(axis=(0, 1)))
    bytes_ = np.round(colours * 255).astype(np.uint8)
    filled = cv2.inpaint(bytes_, unknown.astype(np.uint8), 4, cv2.INPAINT_TELEA)
    filled = np.where(unknown[..., None], filled * np.float32(1 / 255), colours)
    depth = distance(unknown)
    sigmas = np.geomspace(*_BLUR, 4) * side
    levels = [filled] + [cv2.GaussianBlur(filled, (0, 0), max(s, 0.4)) for s in sigmas]
    at = np.clip(depth / (_DEEP * side), 0, 1) * 3 + np.clip(depth / (_BLUR[0] * side), 0, 1)
    result = np.zeros_like(filled)
    for k, level in enumerate(levels):
        result += np.maximum(1 - np.abs(at - k), 0)[..., None] * level
    return result


def _is_textured(colours: Plane, share: Plane, side: float) -> bool:
    """Is there more in the ground around the person than a blur with grain could stand for?"""
    known = share > 0.99
    weight = known.astype(np.float32)
    sigma = max(2 * _BLUR[1] * side, 1.0)
    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)[..., None]
    broad = cv2.GaussianBlur(colours * weight[..., None], (0, 0), sigma) / total
    around = known & (distance(known) < side)
    if around.sum() < 50:
        return False
    return float(np.sqrt(np.square(colours - broad)[around].mean())) > _TEXTURED


def _ramp(beyond: Plane) -> Plane:
    """How much of the plate is made up, (H, W): 1 where the person is, 0 outside of the hole.

    In its outer half picture and fill meet softly: strands are in the inner one.
    """
    share = np.clip(2 - 2 * beyond, 0, 1)
    return share * share * (3 - 2 * share)


def _find_pieces(
    picture: Pixels, hole: Mask, broad: Plane, side: float, step: Callable[[], None]
) -> Pieces | None:
    """None where the ground is too little to copy from."""
    colours, share = _ground(picture, hole, LONGEST)
    unknown = share < 0.99
    size = (colours.shape[1], colours.shape[0])
    first = cv2.resize(broad, size, interpolation=cv2.INTER_AREA)
    offsets = match_patches(colours, unknown, first, step)
    if offsets is None:
        return None
    return Pieces(picture, colours, offsets, unknown, side * size[0] / hole.shape[1])
