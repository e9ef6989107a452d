# SPDX-License-Identifier: GPL-3.0-or-later
"""Two rows of teeth as surfaces that stand on ellipses, in millimetres.

Means of adults, as dental anatomy has them. x runs to the picture's right from between the front
teeth, y down from the edge of the front teeth, z into the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GUM = 7.0  # millimetres of gum above the tooth
# Of the teeth from the middle outwards, in millimetres.
_UPPER = (8.5, 6.5, 7.6, 7.1, 6.8, 10), (10.5, 9, 10, 8.5, 8, 7.5)
_LOWER = (5.3, 5.9, 6.9, 7.1, 7.2, 11), (8.8, 9.2, 10.5, 8.8, 8.2, 7.5)
_PER_TOOTH = 5  # segments across each
_BITE = 25.0  # from the middle, where the edges have risen by `rise`


@dataclass(frozen=True)
class Arch:
    """vertices: (C, 3, 3) of C columns across and three rows: edge, neck, end of the gum.

    normal: (C, 2) outwards, x and z. tooth: (C,) how many teeth from the middle, 1.5 is the middle
    of the second; negative on the picture's left, 0 in the gap between the first two. along: (C,)
    how far from the middle along the arch, in millimetres. height: (C,) of the tooth there. up: -1
    for teeth that stand upwards from their edge (the upper row: gums are above), 1 for the lower.
    """

    vertices: Array
    normal: Array
    tooth: Array
    along: Array
    height: Array
    up: int


@lru_cache(64)  # an animated gap has another arch in every frame
def upper_arch(gap: float = 0.0) -> Arch:
    """The upper teeth. gap: between the two front ones, in millimetres."""
    return _arch(*_UPPER, (30, 42), 1.6, -1, gap)


@lru_cache(64)
def lower_arch(gap: float = 0.0) -> Arch:
    """The lower teeth; gap: as above."""
    return _arch(*_LOWER, (26, 38), 1.0, 1, gap)


def _arch(
    widths: tuple[float, ...],
    heights: tuple[float, ...],
    axes: tuple[float, float],
    rise: float,
    up: int,
    gap: float,
) -> Arch:
    across, deep = axes
    # Along the ellipse, from the middle outwards, by arc length.
    angle = np.linspace(0, np.radians(80), 400)
    path = np.column_stack([across * np.sin(angle), deep * (1 - np.cos(angle))])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    ends = np.concatenate([[0], np.cumsum(widths)])
    number = np.linspace(0, len(widths), len(widths) * _PER_TOOTH + 1)
    at = np.interp(number, np.arange(len(ends)), ends)
    at += gap / 2
    theta = np.interp(at, length, angle)
    middle = 0 if gap == 0 else None  # the column in the middle belongs to both sides, or to none
    theta, tooth, along = (
        np.concatenate([-half[:middle:-1], half]) for half in (theta, number, at)
    )
    height = np.interp(np.abs(tooth), np.arange(len(heights)) + 0.5, heights)
    x, z = across * np.sin(theta), deep * (1 - np.cos(theta))
    edge = -rise * (x / _BITE) ** 2
    rows = np.stack([edge, edge + up * height, edge + up * (height + GUM)], axis=1)
    wide = np.broadcast_to(x[:, None], rows.shape)
    into = np.broadcast_to(z[:, None], rows.shape)
    normal = np.column_stack([np.sin(theta) / across, -np.cos(theta) / deep])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return Arch(np.stack([wide, rows, into], axis=-1), normal, tooth, along, height, up)
