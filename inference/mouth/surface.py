# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on an arch: where a tooth ends, where its gum begins, and how light each point is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GUM_TONE = 0.9  # how light gums are, of their own colour
_WIDE = np.array([7.0, 6.2, 7.3, 7.1, 7.0, 10.0])  # of the teeth, by number


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
    side = 2 * (number % 1) - 1  # across the tooth, -1 to 1
    wide = _WIDE[np.clip(number.astype(int), 0, 5)]
    canine = (number >= 2) & (number < 3)
    edge = 0.8 * side**4 + np.where(canine, 0.9 * np.abs(side), 0)
    neck = tall - 1.4 * side**2
    cover = np.clip((up - edge) * fine + 0.5, 0, 1)
    gum = np.clip((up - neck) * fine * 0.7 + 0.5, 0, 1)
    between = (1 - np.abs(side)) * wide / 2
    tone = (1 - 0.1 * side**2) * (1 - 0.3 * np.exp(-((between / 0.45) ** 2)))
    tone = tone * (1 - 0.12 * np.exp(-np.maximum(up - edge, 0) / 0.8))
    return Surface(cover, gum, tone)
