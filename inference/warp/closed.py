# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait's mouth and eyes closed: what the moved mesh shows where lips or lids meet.

Where it draws the seam of two lips or lids, or their inner edge, it would draw specks of what the
portrait has between them: landmarks know that edge to a few hundredths of the opening's width, and
a map of so many cells jumps from one edge to the other within one. So for another opening than the
portrait's own the mesh takes its pixels from a picture in which the two go on into each other. What
is seen between them is laid over it later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import EYES, MOUTH_LOWER, MOUTH_UPPER
from inference.planes import laid_over
from inference.warp.moved import Origins

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class _Opening:
    """upper, lower: its edges' landmarks, from corner to corner. In units of its width: fringe, how
    far beyond the landmarks an edge begins for certain; differs, by how much another opening is
    another one. seam: the darkness where the edges meet, of the colours' there.
    """

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    fringe: float
    differs: float
    seam: float


# The lids' lashes lie on their edge, and stay.
_OPENINGS = (
    _Opening(MOUTH_UPPER, MOUTH_LOWER, 0.03, 0.05, 0.25),
    *(_Opening(upper, lower, 0.01, 0.08, 0.35) for upper, lower, _ in EYES),
)
_MIXED = 0.02  # of its width: so far colours along an edge are mixed, lest they become streaks
_ROOM = 0.1  # likewise, around a target's opening, and three pixels: where it may be seen
_SHIFT = 4


@dataclass(frozen=True)
class Closed:
    """A window of a picture, one of its openings closed. left, top: its corner. pixels: (h, w, 3)
    of the picture's depth; share: (h, w) uint8, where they stand for the picture's own.
    """

    opening: _Opening
    left: int
    top: int
    pixels: Pixels
    share: NDArray[np.uint8]


def close_openings(pixels: Pixels, points: Points) -> tuple[Closed, ...]:
    """Mouth and eyes of a picture (H, W, 3) with landmarks (478, 2 or 3)."""
    return tuple(_close(pixels, points, opening) for opening in _OPENINGS)


def lay_closed(
    warped: Pixels,
    closed: tuple[Closed, ...],
    origins: Origins,
    source: Points,
    target: Points,
    scale: float,
) -> None:
    """Lay closed openings into a warped picture (H, W, 3), in place, where they differ.

    origins: where its pixels came from. source, target: (478, 2
    or 3), in pixels of the picture and of the output, which are of one size. scale: head size of
    target over source.
    """
    for one in closed:
        share = _differs(one.opening, source, target, scale)
        if share > 0:
            _lay(warped, one, origins, target, share)


def _close(pixels: Pixels, points: Points, opening: _Opening) -> Closed:
    upper, lower = (
        points[list(edge), :2].astype(np.float64) for edge in (opening.upper, opening.lower)
    )
    along = upper[-1] - upper[0]
    width = max(float(np.linalg.norm(along)), 1e-3)
    along = along / width
    down = np.array([-along[1], along[0]])
    upper = upper - opening.fringe * width * down
    lower = lower + opening.fringe * width * down
    outline = np.concatenate([upper, lower[::-1]])
    size = np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 2, 0, size - 1)
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 3, low + 1, size)
    across, deep = (high - low).tolist()
    share = np.zeros((deep, across), np.uint8)
    corners = np.round((outline - low - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(share, [corners], 255, cv2.LINE_AA, _SHIFT)
    # Down each of the opening's own columns the colour goes from the upper edge's to the lower's.
    at = np.stack(np.meshgrid(np.arange(across), np.arange(deep)), axis=-1) + low + 0.5 - upper[0]
    u, v = at @ along, at @ down
    first, last = (
        np.interp(u, np.maximum.accumulate((edge - upper[0]) @ along), (edge - upper[0]) @ down)
        for edge in (upper, lower)
    )
    above, below = (
        _colours(pixels, upper[0] + u[..., None] * along + edge[..., None] * down)
        for edge in (first, last)
    )
    way = np.clip((v - first) / np.maximum(last - first, 1e-3), 0, 1).astype(np.float32)[..., None]
    filled = cv2.GaussianBlur(above + way * (below - above), (0, 0), max(_MIXED * width, 0.3))
    filled *= 1 - np.float32(4 * opening.seam) * way * (1 - way)
    return Closed(opening, int(low[0]), int(low[1]), np.round(filled).astype(pixels.dtype), share)


def _colours(pixels: Pixels, at: NDArray[np.float64]) -> NDArray[np.float32]:
    """At positions (h, w, 2): (h, w, 3)."""
    index = (at - 0.5).astype(np.float32)
    found = cv2.remap(pixels, index, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _differs(opening: _Opening, source: Points, target: Points, scale: float) -> float:
    """How much, 0 to 1, the target's opening is another than the source's."""
    upper, lower = list(opening.upper), list(opening.lower)
    apart = (at[upper, :2] - at[lower, :2] for at in (source, target))
    was, now = (float(np.sqrt((each * each).sum(axis=1)).mean()) for each in apart)
    width = math.dist(source[upper[0], :2].tolist(), source[upper[-1], :2].tolist())
    x = min(abs(now / scale - was) / max(opening.differs * width, 1e-3), 1.0)
    return x * x * (3 - 2 * x)


def _lay(warped: Pixels, closed: Closed, origins: Origins, target: Points, share: float) -> None:
    size = np.array(warped.shape[1::-1])
    outline = target[[*closed.opening.upper, *closed.opening.lower], :2]
    room = _ROOM * np.linalg.norm(outline[len(closed.opening.upper) - 1] - outline[0]) + 3
    left, top = np.clip(np.floor(outline.min(axis=0) - room).astype(int), 0, size).tolist()
    right, bottom = np.clip(np.ceil(outline.max(axis=0) + room).astype(int), 0, size).tolist()
    if right <= left or bottom <= top:
        return
    here = np.s_[top:bottom, left:right]
    at = origins.where(*here) - np.array([closed.left, closed.top], np.float32)
    over = cv2.remap(closed.share, at, None, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, 0)
    filled = cv2.remap(closed.pixels, at, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    weight = over.astype(np.float32) * np.float32(share / 255)
    warped[here] = laid_over(warped[here], filled, weight)
