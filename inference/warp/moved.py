# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture's pixels moved to where a frame has them, some rows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIPS_LOWER, LIPS_UPPER
from inference.planes import bands
from inference.warp.contour import Contour, find_contour, sample
from inference.warp.raster import Raster

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Map = NDArray[np.float32]

# Cells around the lips in which creases are rounded, and how far.
_LIP_ROOM, _LIP_CREASE = 6, 1.0


@dataclass(frozen=True)
class Origins:
    """Where the pixels of one frame come from at one resolution. index: (H, W, 2) float32, of the
    source's pixel that each one is. contour: the face's, or None where nothing is hidden. further:
    (H, W, 2) what the generator adds to the index, or None.
    """

    index: Map
    contour: Contour | None
    further: Map | None = None

    def with_residual(self, residual: Map | None, crop_size: tuple[int, int]) -> Origins:
        """The same, moved further by (h, w, 2) in pixels of the crop, which is (width, height)."""
        size = (self.index.shape[1], self.index.shape[0])
        return replace(
            self, further=None if residual is None else enlarged(residual, size, crop_size)
        )

    def where(self, rows: slice, columns: slice) -> Map:
        """Which pixel index each pixel of some rows and columns comes from: (h, w, 2)."""
        if self.further is None:
            return self.index[rows, columns]
        return self.index[rows, columns] + self.further[rows, columns]


def find_origins(
    raster: Raster, points: Points, size: tuple[int, int], crop_size: tuple[int, int]
) -> Origins:
    """points: the frame's landmarks (478, 2 or 3) in pixels of the crop. size: the output's (width,
    height); crop_size: the crop's.
    """
    zoom = np.array(size, np.float32) / np.array(crop_size, np.float32)
    motion = cv2.multiply(raster.displacement, (*zoom.tolist(), 0, 0))
    if size[0] > motion.shape[1]:
        _smooth_lips(motion, points[:, :2] / np.array(crop_size, np.float32))
    index = cv2.resize(motion, size, interpolation=cv2.INTER_LINEAR)
    for rows in bands(size):
        cv2.add(index[rows], _cells_of(rows, size[0]), dst=index[rows])
    return Origins(index, find_contour(raster, size, zoom))


def moved(pixels: Pixels, origins: Origins, interpolation: int) -> Pixels:
    """A picture (H, W, ...), moved; face and background meet at a soft edge."""
    found = np.empty_like(pixels)
    for rows, columns, part in _moved(pixels, origins, interpolation, None):
        found[rows, columns] = part
    if mixed := _at_contour(pixels, origins, interpolation):
        row, column, values = mixed
        found[row, column] = values.reshape(-1, *pixels.shape[2:]).astype(pixels.dtype)
    return found


def moved_with_plane(
    four: Pixels, origins: Origins, interpolation: int, near: NDArray[np.uint8] | None
) -> tuple[Pixels, Map]:
    """Colours (H, W, 3) and a plane (H, W) from 0 to 1 of a picture (H, W, 4), moved.

    near: (G, G) 1 where in the frame the plane may be more than 0; elsewhere colours are as they
    lie in the picture. None: everywhere.
    """
    height, width = four.shape[:2]
    top = np.float32(np.iinfo(four.dtype).max)
    colours: Pixels = np.empty((height, width, 3), four.dtype)  # type: ignore[assignment]
    share = np.zeros((height, width), np.float32)
    for rows, columns, part in _moved(four, origins, interpolation, near):
        for beside in (slice(0, columns.start), slice(columns.stop, width)):
            if beside.stop > beside.start:
                colours[rows, beside] = cv2.cvtColor(four[rows, beside], cv2.COLOR_RGBA2RGB)
        if columns.stop > columns.start:
            colours[rows, columns] = cv2.cvtColor(part, cv2.COLOR_RGBA2RGB)
            np.divide(cv2.extractChannel(part, 3), top, out=share[rows, columns], dtype=np.float32)
    if mixed := _at_contour(four, origins, interpolation):
        row, column, values = mixed
        colours[row, column] = values[:, :3].astype(four.dtype)
        share[row, column] = values[:, 3] / top
    return colours, share


def enlarged(residual: Map, size: tuple[int, int], crop_size: tuple[int, int]) -> Map:
    """The generator's displacement for an output of `size`, in its pixels: (height, width, 2)."""
    zoom = np.array(size, np.float32) / np.array(crop_size, np.float32)
    return cv2.resize(residual * zoom, size, interpolation=cv2.INTER_LINEAR)


@lru_cache(16)
def cells(width: int, height: int) -> Map:
    """Column and row of each pixel, (height, width, 2)."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def _cells_of(rows: slice, width: int) -> Map:
    return cv2.add(cells(width, rows.stop - rows.start), (0, rows.start, 0, 0))


def _moved(
    pixels: Pixels, origins: Origins, interpolation: int, near: NDArray[np.uint8] | None
) -> Iterator[tuple[slice, slice, Any]]:
    """Rows, columns of these, and what is there."""
    size = (pixels.shape[1], pixels.shape[0])
    columns_of = None if near is None else _columns(near, size)
    for rows in bands(size):
        columns = columns_of(rows) if columns_of else slice(0, size[0])
        part = None
        if columns.stop > columns.start:
            where = origins.where(rows, columns)
            part = cv2.remap(pixels, where, None, interpolation, None, cv2.BORDER_REPLICATE)
        yield rows, columns, part


def _columns(near: NDArray[np.uint8], size: tuple[int, int]) -> Callable[[slice], slice]:
    """The columns of a picture of `size` that are near in any of some rows."""
    high, wide = near.shape[0] / size[1], near.shape[1] / size[0]
    is_there = near.any(axis=1)
    first = np.where(is_there, near.argmax(axis=1), near.shape[1])
    last = np.where(is_there, near.shape[1] - near[:, ::-1].argmax(axis=1), 0)

    def of(rows: slice) -> slice:
        part = slice(int(rows.start * high), math.ceil(rows.stop * high))
        left, right = int(first[part].min()), int(last[part].max())
        if not right:
            return slice(0, 0)
        return slice(int(left / wide), min(math.ceil(right / wide), size[0]))

    return of


def _at_contour(
    pixels: Pixels, origins: Origins, interpolation: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Map] | None:
    """Rows and columns (N,) near the contour, and the values (N, C) there."""
    contour = origins.contour
    if contour is None:
        return None
    column, row = contour.at.T
    here = contour.at.astype(np.float32)
    if origins.further is not None:
        here += origins.further[row, column]
    front, back = (
        sample(pixels, here + layer, interpolation).astype(np.float32).reshape(len(here), -1)
        for layer in (contour.front, contour.back)
    )
    mixed = np.round(back + contour.share * (front - back))
    return row, column, mixed.astype(np.float32, copy=False)


def _smooth_lips(motion: NDArray[np.float32], points: NDArray[np.float32]) -> None:
    """Round the mesh's creases along the lips by a cell, in place.

    Between two cells a crease lies now here, now there: enlarged, a lip's edge is a zigzag. motion:
    (G, G, 2); points: (478, 2) in units of its sides.
    """
    side = motion.shape[0]
    lips = points[[*LIPS_UPPER, *LIPS_LOWER]] * side
    low, high = lips.min(axis=0) - _LIP_ROOM, lips.max(axis=0) + _LIP_ROOM
    left, top = np.clip(np.floor(low).astype(int), 0, side)
    right, bottom = np.clip(np.ceil(high).astype(int), 0, side)
    here = motion[top:bottom, left:right]
    if min(here.shape[:2]) <= 2 * _LIP_ROOM:
        return
    outline = np.round((lips - (left, top) - 0.5) * 16).astype(np.int32)
    share = np.zeros(here.shape[:2], np.uint8)
    cv2.fillConvexPoly(share, cv2.convexHull(outline), 255, cv2.LINE_8, 4)
    share = cv2.dilate(share, None, iterations=_LIP_ROOM // 2)
    soft = cv2.GaussianBlur(share, (0, 0), _LIP_ROOM / 6).astype(np.float32)[..., None] / 255
    here += soft * (cv2.GaussianBlur(here, (0, 0), _LIP_CREASE) - here)
