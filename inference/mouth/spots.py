# SPDX-License-Identifier: GPL-3.0-or-later
"""The spots at which a mouth's inside is drawn: some in each pixel in which it is seen.

Between the lips there are half of a window's pixels at most, so what is drawn is kept as a list of
spots, not as a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.forms import linear_forms
from inference.mouth.paint import DARK, GUMS, TEETH, TONGUE

Array = NDArray[np.float64]
Plane = NDArray[np.float32]

_SHIFT = 4
_ROWS = len((DARK, TEETH, GUMS, TONGUE))


@dataclass(frozen=True)
class Spots:
    """seen: (h, w) the window's pixels that are seen. factor: so many rows and columns of spots a
    pixel. row, column: (M,) of the window as drawn, `factor` times as large; the first spot of
    each pixel, then the second of each. shares: (4, M) of the palette's rows. teeth: (M,), where of
    that are teeth. painted: (3, M) in [0, 1], or None.
    """

    seen: NDArray[np.bool_]
    factor: int
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    shares: Plane
    teeth: Plane
    painted: Plane | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the window as drawn."""
        return self.seen.shape[1] * self.factor, self.seen.shape[0] * self.factor

    def lay(
        self, at: NDArray[np.intp], cover: Plane, laid: dict[int, Plane], teeth: Plane | None = None
    ) -> None:
        """Lay something over what is drawn at some spots (N,), in place.

        cover: (N,) how much of them it hides. laid: what it is, by rows of the palette. teeth:
        where of that are teeth; None: nowhere.
        """
        bare = 1 - cover
        for row, plane in enumerate(self.shares):
            share = plane[at] * bare
            plane[at] = share + laid[row] if row in laid else share
        if teeth is not None:
            self.teeth[at] = np.maximum(self.teeth[at] * bare, teeth)

    def window(self, planes: Plane) -> Plane:
        """Planes (C, M) of the spots as means of the window's pixels: (h, w, C)."""
        found = np.zeros((*self.seen.shape, len(planes)), np.float32)
        found[self.seen] = planes.reshape(len(planes), self.factor**2, -1).mean(axis=1).T
        return found


def spots_in(seen: NDArray[np.bool_], factor: int, is_painted: bool) -> Spots:
    """Spots where nothing but the dark is drawn yet."""
    row, column = np.nonzero(seen)
    inside = np.arange(factor)
    rows = (row * factor + np.repeat(inside, factor)[:, None]).ravel()
    columns = (column * factor + np.tile(inside, factor)[:, None]).ravel()
    shares = np.zeros((_ROWS, len(rows)), np.float32)
    shares[DARK] = 1
    painted = np.zeros((3, len(rows)), np.float32) if is_painted else None
    return Spots(seen, factor, rows, columns, shares, np.zeros(len(rows), np.float32), painted)


def fill_arch(spots: Spots, vertices: Array, values: Array) -> tuple[NDArray[np.intp], Plane]:
    """The spots (N,) that an arch covers, and values (V, N) there.

    vertices: (C, 3, 3), x and y in pixels of the window as drawn, and depth; values: (C, 3, V)
    theirs. Far columns first; what faces away is not drawn.
    """
    columns = len(vertices)
    a = (np.arange(columns - 1)[:, None] * 3 + np.arange(2)).ravel()
    triangles = np.concatenate(
        [np.column_stack([a, a + 3, a + 1]), np.column_stack([a + 3, a + 4, a + 1])]
    )
    flat, carried = vertices.reshape(-1, 3), values.reshape(-1, values.shape[-1])
    corners = flat[triangles]
    ahead, aside = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    area = ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0]
    # The upper arch's rows run upwards, the lower one's downwards.
    front = area * np.sign(np.median(area[np.abs(area) > 1e-9])) > 1e-6
    low, high = corners[..., :2].min(axis=1), corners[..., :2].max(axis=1)
    if not len(spots.row):
        return spots.row, np.empty((values.shape[-1], 0), np.float32)
    first = spots.column.min() - 1, spots.row.min() - 1
    last = spots.column.max() + 2, spots.row.max() + 2
    front &= ((high >= first) & (low <= last)).all(axis=1)
    order = np.argsort(-corners[..., 2].mean(axis=1), kind="stable")
    order = order[front[order]]
    index = np.full(spots.size[::-1], -1, np.int32)
    drawn = np.round((corners[order, :, :2] - 0.5) * (1 << _SHIFT)).astype(np.int32)
    for i, triangle in enumerate(drawn):
        cv2.fillConvexPoly(index, triangle, i, cv2.LINE_8, _SHIFT)
    hit = index[spots.row, spots.column]
    at = np.flatnonzero(hit >= 0)
    chosen = hit[at].astype(np.intp)
    by_x, by_y, base = linear_forms(corners[order, :, :2], carried[triangles[order]]).T.swapaxes(
        0, 1
    )
    x, y = spots.column[at] + 0.5, spots.row[at] + 0.5
    found = np.empty((values.shape[-1], len(at)), np.float32)
    for value, form in zip(found, zip(by_x, by_y, base, strict=True), strict=True):
        value[:] = form[0].take(chosen) * x + form[1].take(chosen) * y + form[2].take(chosen)
    return at, found
