# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground's grain: noise, paper, canvas and brushwork, laid where the plate is made up."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.layers.trimap import Mask

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_SMALLEST, _LARGEST = 12, 96  # pixels of a block
_TRIES, _FEWEST, _ENOUGH = 4000, 8, 150
_CALM = 0.2  # of the blocks found, those with the least in them: edges of things are not grain


class Grain:
    """The grain of a picture's ground, drawn again wherever it is wanted.

    Blocks of the ground's own, chosen by chance, overlap by half with windows whose squares sum to
    one, which keeps the variance. Strips that are drawn apart fit together.
    """

    def __init__(self, picture: Pixels, hole: Mask, side: float, broad: float) -> None:
        """picture: (H, W, 3); hole: (H, W), where it tells nothing.

        side: a block's, broad: the size from which structure is not grain, both in pixels.
        """
        self._half = int(np.clip(side, _SMALLEST, _LARGEST)) // 2
        self._width = hole.shape[1]
        pieces = _calm_pieces(picture, hole, 2 * self._half, broad)
        window = np.sin(np.pi * (np.arange(2 * self._half) + 0.5) / (2 * self._half))
        window = np.outer(window, window).astype(np.float32)[..., None]
        self._pieces = [window * piece for piece in pieces]

    def rows(self, rows: slice) -> Plane:
        """Some rows (rows, W, 3) around 0, in [-1, 1]; 0 where the ground is too little to tell."""
        half = self._half
        first, last = rows.start // half - 1, (rows.stop - 1) // half
        across = self._width // half + 2
        result = np.zeros(((last - first + 2) * half, (across + 1) * half, 3), np.float32)
        if self._pieces:
            for row in range(first, last + 1):
                drawn = np.random.default_rng(row + 1).integers(len(self._pieces), size=across)
                top = (row - first) * half
                for column, piece in enumerate(drawn):
                    left = column * half
                    result[top : top + 2 * half, left : left + 2 * half] += self._pieces[piece]
        top = rows.start - first * half
        return result[top : top + rows.stop - rows.start, half : half + self._width]


def _calm_pieces(picture: Pixels, hole: Mask, block: int, broad: float) -> list[Plane]:
    height, width = hole.shape
    if height < block or width < block:
        return []
    rng = np.random.default_rng(0)
    holes = cv2.integral(hole.astype(np.uint8))
    scale = np.float32(1 / np.iinfo(picture.dtype).max)
    found: list[Plane] = []
    for _ in range(_TRIES):
        y, x = int(rng.integers(height - block + 1)), int(rng.integers(width - block + 1))
        inside = holes[y + block, x + block] - holes[y, x + block] - holes[y + block, x]
        if inside + holes[y, x] == 0:
            piece = picture[y : y + block, x : x + block] * scale
            found.append(piece - cv2.GaussianBlur(piece, (0, 0), max(broad, 0.5)))
            if len(found) == _ENOUGH:
                break
    found.sort(key=lambda piece: float(np.square(piece).mean()))
    return found[: round(_CALM * len(found)) or 1] if len(found) >= _FEWEST else []
