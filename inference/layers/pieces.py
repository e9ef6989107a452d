# SPDX-License-Identifier: GPL-3.0-or-later
"""A hole filled at the picture's own size, by offsets that were found in a small one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.layers.enlarge import enlarged
from inference.layers.patches import Offsets
from inference.layers.trimap import Mask, distance

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_EDGE = 0.1  # of the face's side: how far into the hole colours are made to meet the edge's


class Pieces:
    """The pixels of a hole, taken from elsewhere in the picture."""

    def __init__(
        self, picture: Pixels, colours: Plane, offsets: Offsets, unknown: Mask, side: float
    ) -> None:
        """picture: (H, W, 3). Of a smaller one: colours (h, w, 3) in [0, 1], offsets (h, w, 2) as
        from `match_patches`, unknown (h, w), and side: the face's, in its pixels.
        """
        self._picture, self._factor = picture, colours.shape[1] / picture.shape[1]
        # Beside the hole the nearest pixel's offset goes on, so that neighbours can be mixed.
        _, nearest = cv2.distanceTransformWithLabels(
            (~unknown).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        at = np.zeros((nearest.max() + 1, 2), np.float32)
        at[nearest[unknown]] = offsets[unknown]
        self._offsets = at[nearest] * np.float32(1 / self._factor)
        self._shift = _edge_shift(colours, at[nearest].astype(int), unknown, side)

    def rows(self, rows: slice) -> Plane:
        """Some rows (rows, W, 3) in the picture's unit; right within the hole."""
        height, width = self._picture.shape[:2]
        x = np.arange(width, dtype=np.float32)
        y = np.arange(rows.start, rows.stop, dtype=np.float32)
        small_x, small_y = (np.maximum((k + 0.5) * self._factor - 0.5, 0) for k in (x, y))
        top = np.float32(np.iinfo(self._picture.dtype).max)
        result = enlarged(self._shift, (width, height), rows) * top
        for down in (0, 1):
            for right in (0, 1):
                row = np.minimum(small_y.astype(int) + down, self._offsets.shape[0] - 1)
                column = np.minimum(small_x.astype(int) + right, self._offsets.shape[1] - 1)
                offset = self._offsets[row[:, None], column]
                copied = cv2.remap(
                    self._picture,
                    np.clip(x + offset[..., 0], 0, width - 1),
                    np.clip(y[:, None] + offset[..., 1], 0, height - 1),
                    cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE,
                )
                weight = np.outer(_share(small_y, down), _share(small_x, right))
                result += weight[..., None].astype(np.float32) * copied
        return result


def _edge_shift(colours: Plane, offsets: Offsets, unknown: Mask, side: float) -> Plane:
    """What to add to the copied colours, (h, w, 3), so that they meet the ground at the edge.

    Just beyond the edge both are known; the difference goes on into the hole and fades there.
    """
    height, width = unknown.shape
    rows = np.clip(np.arange(height)[:, None] + offsets[..., 1], 0, height - 1)
    columns = np.clip(np.arange(width) + offsets[..., 0], 0, width - 1)
    ring = (~unknown & (distance(~unknown) <= 2)).astype(np.float32)[..., None]
    sigma = max(_EDGE * side, 1.0)
    total = cv2.GaussianBlur(ring, (0, 0), sigma)[..., None]
    shift = cv2.GaussianBlur(ring * (colours - colours[rows, columns]), (0, 0), sigma)
    fade = np.clip(1 - distance(unknown) / (3 * sigma), 0, 1)[..., None]
    return (shift / np.maximum(total, 1e-4) * fade).astype(np.float32)


def _share(at: NDArray[np.floating], upper: int) -> NDArray[np.floating]:
    """Weight of the pixel below or above a position; steeper than linear, so less is mixed."""
    rest: NDArray[np.floating] = np.clip(2 * (at % 1) - 0.5, 0, 1)
    return rest if upper else np.subtract(1, rest)
