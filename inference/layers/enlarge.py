# SPDX-License-Identifier: GPL-3.0-or-later
"""From the size at which layers are solved for to the portrait's own, a few rows at a time.

Alpha is carried over as an affine function of colour (K. He, J. Sun, "Fast Guided Filter", 2015):
what the closed form assumes of each window holds for the pixels between, so that strands that are
thinner than the small picture's pixels come back from the large one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_RADIUS, _EPSILON = 2, 1e-4  # of the guided filter's windows, pixels; of their colours


def enlarged(small: Plane, size: tuple[int, int], rows: slice) -> Plane:
    """Some rows of `small` (h, w[, C]) enlarged to `size` (width, height), bilinear."""
    if (small.shape[1], small.shape[0]) == size:
        return small[rows]
    x, y = small.shape[1] / size[0], small.shape[0] / size[1]
    back = np.array([[x, 0, (x - 1) / 2], [0, y, (rows.start + 0.5) * y - 0.5]])
    return cv2.warpAffine(
        small,
        back,
        (size[0], rows.stop - rows.start),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


class AlphaEnlarger:
    """Enlarges alpha (h, w) of a small picture (h, w, 3), all in [0, 1], along a large one."""

    def __init__(self, picture: Plane, alpha: Plane) -> None:
        self._alpha = alpha
        around = np.ones((2 * _RADIUS + 1,) * 2, np.uint8)
        self._low, self._high = cv2.erode(alpha, around), cv2.dilate(alpha, around)
        self._slope, self._level = _affine(picture, alpha)

    def rows(self, picture: Plane, size: tuple[int, int], rows: slice) -> Plane:
        """Alpha (rows, W) of the large picture's rows (rows, W, 3); size: its width, height."""
        low, high = (enlarged(plane, size, rows) for plane in (self._low, self._high))
        alpha = enlarged(self._alpha, size, rows).copy()
        open_ = high - low > 1e-3
        if open_.any():
            guided = (enlarged(self._slope, size, rows) * picture).sum(axis=2)
            guided += enlarged(self._level, size, rows)
            alpha[open_] = np.clip(guided, low, high)[open_]
        return np.clip(alpha, 0, 1)


def _affine(picture: Plane, alpha: Plane) -> tuple[Plane, Plane]:
    """alpha = slope (h, w, 3) . colour + level (h, w), the mean over each pixel's windows."""

    def mean(plane: NDArray) -> NDArray:
        return cv2.blur(plane, (2 * _RADIUS + 1,) * 2, borderType=cv2.BORDER_REFLECT_101)

    colours = picture.astype(np.float64)
    middle, share = mean(colours), mean(alpha.astype(np.float64))
    r, g, b = (colours[..., k] for k in range(3))
    mr, mg, mb = (middle[..., k] for k in range(3))
    rr, gg, bb = (mean(c * c) - m * m + _EPSILON for c, m in ((r, mr), (g, mg), (b, mb)))
    rg, rb, gb = mean(r * g) - mr * mg, mean(r * b) - mr * mb, mean(g * b) - mg * mb
    with_alpha = mean(colours * alpha[..., None]) - middle * share[..., None]
    p, q, s = (with_alpha[..., k] for k in range(3))
    a, d, e = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    f, h, i = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * a + rg * d + rb * e)
    slope = np.dstack([a * p + d * q + e * s, d * p + f * q + h * s, e * p + h * q + i * s])
    slope *= scale[..., None]
    level = share - (slope * middle).sum(axis=2)
    return mean(slope).astype(np.float32), mean(level).astype(np.float32)
