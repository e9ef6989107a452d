# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on an arch: where a tooth ends, where its gum begins, and how light each point is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

GUM_TONE = 0.9  # how light gums are, of their own colour
_WIDE = np.array([7.0, 6.2, 7.3, 7.1, 7.0, 10.0], np.float32)  # of the teeth, by number


@dataclass(frozen=True)
class Surface:
    """Points (N,) of an arch. cover: how much of it is there, 0 to 1. gum: how much of that is gum.
    tone: how light the tooth is there, of its own colour.
    """

    cover: Array
    gum: Array
    tone: Array


def arch_surface(tooth: Array, up: Array, tall: Array, fine: float) -> Surface:
    """The surface at points (N,): which tooth, as of `Arch`, how far from the front teeth's edge,
    and how tall the tooth there is, both in millimetres. fine: pixels a millimetre.
    """
    number = np.abs(tooth)
    whole = number.astype(np.intp)
    side = 2 * (number - whole) - 1  # across the tooth, -1 to 1
    side, square = np.abs(side), side * side
    half = _WIDE[np.minimum(whole, 5)] / 2
    edge = 0.8 * square * square
    edge += 0.9 * side * (whole == 2)  # a canine's
    neck = tall - 1.4 * square
    above = up - edge
    cover = np.clip(above * fine + 0.5, 0, 1)
    gum = np.clip((up - neck) * fine * 0.7 + 0.5, 0, 1)
    between = (1 - side) * half / 0.45
    tone = (1 - 0.1 * square) * (1 - 0.3 * np.exp(-(between * between)))
    tone = tone * (1 - 0.12 * np.exp(-np.maximum(above, 0) / 0.8))
    return Surface(cover, gum, tone)
