# SPDX-License-Identifier: GPL-3.0-or-later
"""Lightness and tint: the space in which colours are matched, and what a face's tints are.

A colour of display sRGB is taken as its lightness (BT.709's luma) and its chroma, red and blue
less lightness. Chroma over lightness is the tint. A light that turns warmer, a toned print and
a varnish each shift tints by about the same in shade and in light, and leave black black: a shift
of chroma alone would colour dark hair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.float32]

WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
DARK = 0.02  # below this lightness a tint is noise
_KNOTS = 16

# How far a face's tints stray from the one that belongs to their lightness, as a share of the
# face's mean lightness, in nine tenths of it. Of 300 portraits the monochrome, toned and tinted
# prints lie below 0.015, colour photos and paintings above 0.035.
_ONE_TINT, _MANY_TINTS = 0.015, 0.04


@dataclass(frozen=True)
class Palette:
    """What colour belongs to a lightness in this face.

    lightness: (K,) rising; tint: (K, 2) there, held beyond both ends.
    freedom: 0 where lightness alone decides the colour, as in a monochrome or toned print, to 1.
    """

    lightness: NDArray[np.float32]
    tint: NDArray[np.float32]
    freedom: float

    def chroma(self, lightness: Colours) -> Colours:
        """The chroma (N, 2) that belongs to lightnesses (N,)."""
        tints = [np.interp(lightness, self.lightness, column) for column in self.tint.T]
        return (np.stack(tints, axis=-1) * lightness[:, None]).astype(np.float32)


def split(colours: Colours) -> tuple[Colours, Colours]:
    """Lightness (...,) and chroma (..., 2) of colours (..., 3)."""
    lightness = colours @ WEIGHTS
    return lightness, colours[..., ::2] - lightness[..., None]


def join(lightness: Colours, chroma: Colours) -> Colours:
    """Colours (..., 3) of lightness (...,) and chroma (..., 2); not clipped."""
    red, blue = chroma[..., 0], chroma[..., 1]
    green = -(WEIGHTS[0] * red + WEIGHTS[2] * blue) / WEIGHTS[1]
    return np.stack([red, green, blue], axis=-1) + lightness[..., None]


def into_range(colours: Colours) -> Colours:
    """Colours (..., 3) within 0 to 1: those beyond grow paler at the same lightness, none clips."""
    lightness = np.clip(colours @ WEIGHTS, 0, 1)[..., None]
    away = colours - lightness
    room = np.where(away > 0, 1 - lightness, lightness)
    share = np.min(room / np.maximum(np.abs(away), 1e-6), axis=-1, keepdims=True)
    return np.clip(lightness + away * np.minimum(share, 1), 0, 1).astype(np.float32)


def palette_of(face: Colours) -> Palette:
    """The palette of a face's colours (N, 3)."""
    lightness, chroma = split(face)
    edges = np.unique(np.quantile(lightness, np.linspace(0.02, 0.98, _KNOTS + 1)))
    bins = np.clip(np.searchsorted(edges, lightness) - 1, 0, max(0, len(edges) - 2))
    tints = chroma / np.maximum(lightness, DARK)[:, None]
    known = [index for index in range(max(1, len(edges) - 1)) if (bins == index).any()]
    at = np.array([np.median(lightness[bins == index]) for index in known], np.float32)
    tint = np.array([np.median(tints[bins == index], axis=0) for index in known], np.float32)
    bound = Palette(at, tint, 0.0)
    astray = np.abs(chroma - bound.chroma(lightness)).max(axis=1)
    width = float(np.quantile(astray, 0.9)) / max(float(lightness.mean()), DARK)
    freedom = float(np.clip((width - _ONE_TINT) / (_MANY_TINTS - _ONE_TINT), 0, 1))
    return Palette(at, tint, freedom)
