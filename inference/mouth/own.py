# SPDX-License-Identifier: GPL-3.0-or-later
"""The teeth that a picture itself shows between its lips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import MOUTH_LOWER, MOUTH_UPPER

Array = NDArray[np.float64]

# Where is looked: columns from corner to corner, heights from the upper lip to the lower one.
_ACROSS, _DOWN = np.linspace(0.25, 0.75, 15), np.linspace(0.15, 0.75, 7)
_SHUT = 0.025  # of the mouth's width: a narrower opening shows nothing
# A tooth is so light, of the teeth that would be drawn and of the lips, and has no more colour than
# this of the lips' own, which a moist lip's gleam has.
_OF_DRAWN, _OF_LIPS, _COLOUR = 0.6, 1.1, 0.75
_GREY = 0.1  # spread of the channels, of the brightest, that every print may have
_TYPICAL = 0.7  # the quantile of their lightness that counts
_SEEN = (0.3, 0.7)  # of the columns: with fewer there are no teeth, with more they are all there
_WEIGHTS = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class OwnTeeth:
    """share: how much the upper teeth are seen, 0 to 1. colour: (3,) theirs."""

    share: float
    colour: Array


def find_own_teeth(
    pixels: NDArray[np.generic], points: NDArray[np.floating], drawn: NDArray[np.floating]
) -> OwnTeeth:
    """pixels: (H, W, 3), points: (478, 2 or 3) in them. drawn: (3,) the colour that teeth would be
    drawn with, in the pixels' range.
    """
    upper, lower = (points[list(lip), :2].astype(np.float64) for lip in (MOUTH_UPPER, MOUTH_LOWER))
    nothing = OwnTeeth(0.0, np.asarray(drawn, np.float64))
    wide = float(np.linalg.norm(upper[-1] - upper[0]))
    place = np.linspace(0, 1, len(upper))
    top, bottom = (
        np.stack([np.interp(_ACROSS, place, lip[:, axis]) for axis in (0, 1)], axis=-1)
        for lip in (upper, lower)
    )
    gap = np.linalg.norm(bottom - top, axis=1)
    if np.median(gap) < max(_SHUT * wide, 1.0):
        return nothing
    at = top[:, None] + _DOWN[:, None] * (bottom - top)[:, None]
    edge = 0.5 * (points[[0, 17], :2] + points[[13, 14], :2])
    inside, lips = _colours(pixels, at), _colours(pixels, edge)
    light = inside @ _WEIGHTS
    least = max(_OF_DRAWN * float(drawn @ _WEIGHTS), _OF_LIPS * float((lips @ _WEIGHTS).mean()))
    colourful = max(float(_spread(lips).mean()) * _COLOUR, _GREY)
    teeth = (light > least) & (_spread(inside) < colourful)
    low, high = _SEEN
    share = float(np.clip((teeth.any(axis=1).mean() - low) / (high - low), 0, 1))
    if share == 0:
        return nothing
    found, lightness = inside[teeth], light[teeth]
    tint = np.median(found / lightness[:, None], axis=0)
    return OwnTeeth(share, tint * float(np.quantile(lightness, _TYPICAL)))


def _spread(colours: Array) -> Array:
    return np.asarray(np.ptp(colours, axis=-1) / np.maximum(colours.max(axis=-1), 1e-6))


def _colours(pixels: NDArray[np.generic], at: NDArray[np.floating]) -> Array:
    height, width = pixels.shape[:2]
    whole = np.round(at - 0.5).astype(int)
    x, y = np.clip(whole[..., 0], 0, width - 1), np.clip(whole[..., 1], 0, height - 1)
    return pixels[y, x].astype(np.float64)
