# SPDX-License-Identifier: GPL-3.0-or-later
"""Values at a triangle's corners, as a linear form of x and y over it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def linear_forms(corners: Array, values: Array) -> Array:
    """(T, 3, V): what is multiplied with x, with y and with 1.

    corners: (T, 3, 2), of triangles that are not flat; values: (T, 3, V). In closed form: a
    library's solver spends most of its time on the call for matrices so small.
    """
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])[:, None]
    up, over = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    by_x = (up * second[:, 1:] - over * first[:, 1:]) / area
    by_y = (over * first[:, :1] - up * second[:, :1]) / area
    base = values[:, 0] - by_x * corners[:, 0, :1] - by_y * corners[:, 0, 1:]
    return np.stack([by_x, by_y, base], axis=1)
