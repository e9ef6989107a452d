# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait's lips without what lies between them.

Where the moved mesh draws the seam of two lips, or their inner edge, it draws specks of the teeth
or of the dark that the portrait has there: landmarks know that edge to a few hundredths of the
mouth's width, and a map of so many cells jumps from one lip to the other within one. So for another
opening than the portrait's own the mesh takes its lips from a picture in which they go on into each
other. What is seen between them is laid over it later.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIPS_LOWER, LIPS_UPPER, MOUTH_LOWER, MOUTH_UPPER

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# How far from its inner edge on a lip is left out: of the mouth's width, and of the lip at most.
_FRINGE, _OF_LIP = 0.03, 0.35
# Nor are its colours streaks of whatever lies on that line: so far they are mixed.
_MIXED = 0.02
# Darkness of the seam, and by how much of the mouth's width the opening differs where it is seen.
_SEAM, _DIFFERENT = 0.25, 0.05
_SHIFT = 4


@dataclass(frozen=True)
class Lips:
    """A window of a picture, its mouth filled with lip. left, top: its corner. pixels: (h, w, 3) of
    the picture's depth; share: (h, w) uint8, where they stand for the picture's own.
    """

    left: int
    top: int
    pixels: Pixels
    share: NDArray[np.uint8]


def close_lips(pixels: Pixels, points: Points) -> Lips:
    """pixels: (H, W, 3); points: (478, 2 or 3) in them."""
    upper, lower = _edge(points, MOUTH_UPPER, LIPS_UPPER), _edge(points, MOUTH_LOWER, LIPS_LOWER)
    outline = np.concatenate([upper, lower[-2:0:-1]])
    size = np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 2, 0, size - 1)
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 3, low + 1, size)
    width, height = (high - low).tolist()
    share = np.zeros((height, width), np.uint8)
    corners = np.round((outline - low - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(share, [corners], 255, cv2.LINE_AA, _SHIFT)
    # Down each of the mouth's own columns the colour goes from the upper lip's to the lower one's.
    along = upper[-1] - upper[0]
    length = max(float(np.linalg.norm(along)), 1e-3)
    along = along / length
    down = np.array([-along[1], along[0]])
    at = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) + low + 0.5 - upper[0]
    u, v = at @ along, at @ down
    first, last = (_heights(edge - upper[0], along, down, u) for edge in (upper, lower))
    way = np.clip((v - first) / np.maximum(last - first, 1e-3), 0, 1)
    ends = (
        cv2.remap(
            pixels,
            (upper[0] + u[..., None] * along + edge[..., None] * down - 0.5).astype(np.float32),
            None,
            cv2.INTER_LINEAR,
            None,
            cv2.BORDER_REPLICATE,
        ).astype(np.float32)
        for edge in (first, last)
    )
    above, below = ends
    filled = above + way[..., None].astype(np.float32) * (below - above)
    filled = cv2.GaussianBlur(filled, (0, 0), max(_MIXED * length, 0.3))
    filled *= (1 - _SEAM * 4 * way * (1 - way))[..., None].astype(np.float32)
    return Lips(int(low[0]), int(low[1]), np.round(filled).astype(pixels.dtype), share)


def opening_differs(source: Points, target: Points, scale: float) -> float:
    """How much, 0 to 1, the opening of the target's mouth is another than the source's.

    source, target: (478, 2 or 3) in the same pixels. scale: head size of target over source.
    """
    was, now = (
        np.linalg.norm(at[list(MOUTH_UPPER), :2] - at[list(MOUTH_LOWER), :2], axis=1).mean()
        for at in (source, target)
    )
    width = np.linalg.norm(source[MOUTH_UPPER[0], :2] - source[MOUTH_UPPER[-1], :2])
    x = min(abs(float(now) / scale - float(was)) / max(_DIFFERENT * float(width), 1e-3), 1.0)
    return x * x * (3 - 2 * x)


def lay_lips(
    warped: Pixels, lips: Lips, where: NDArray[np.float32], target: Points, share: float
) -> None:
    """Lay closed lips into a warped picture (H, W, 3), in place.

    where: (H, W, 2), which pixel index of the source each pixel came from. target: (478, 2 or 3) in
    pixels of the output. share: 0 to 1.
    """
    size = np.array(warped.shape[1::-1])
    outline = target[[*LIPS_UPPER, *LIPS_LOWER], :2]
    left, top = np.clip(np.floor(outline.min(axis=0)).astype(int) - 1, 0, size)
    right, bottom = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 1, 0, size)
    if right <= left or bottom <= top:
        return
    here = np.s_[top:bottom, left:right]
    at = where[here] - np.array([lips.left, lips.top], np.float32)
    over = cv2.remap(lips.share, at, None, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, 0)
    weight = over.astype(np.float32)[..., None] * np.float32(share / 255)
    closed = cv2.remap(lips.pixels, at, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    mixed = warped[here] + weight * (closed.astype(np.float32) - warped[here])
    warped[here] = np.round(mixed).astype(warped.dtype)


def _edge(points: Points, inner: tuple[int, ...], outer: tuple[int, ...]) -> NDArray[np.float64]:
    """A lip's inner edge (11, 2), by its fringe further out."""
    edge, rim = (points[list(line), :2].astype(np.float64) for line in (inner, outer))
    width = float(np.linalg.norm(edge[-1] - edge[0]))
    thick = np.maximum(np.linalg.norm(rim - edge, axis=1), 1e-3)
    share = np.minimum(_FRINGE * width / thick, _OF_LIP)
    return edge + share[:, None] * (rim - edge)


def _heights(
    edge: NDArray[np.float64],
    along: NDArray[np.float64],
    down: NDArray[np.float64],
    u: NDArray[np.float64],
) -> NDArray[np.float64]:
    return np.interp(u, np.maximum.accumulate(edge @ along), edge @ down)
