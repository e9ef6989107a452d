# SPDX-License-Identifier: GPL-3.0-or-later
"""The back of the head, which comes into sight behind an ear or a narrow band of hair.

Where the portrait shows little between the face and the outline, that little is not drawn out over
all that a turn brings to light. It ends, and behind it a second sheet goes on to the outline: its
texture is the hair further up, where there is more of it, edge on edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.shell import Shell
from inference.warp.raster import SHIFT

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# A side's texture comes from this share of its angle from the crown.
_UP = 0.5
# Rings from outside in: beyond the outline, the outline, and inside of it, in eye distances; the
# last lies this much further in than the shell's own end.
_BEYOND, _UNDER = 0.2, 0.5
_RINGS, _RAYS = 5, 36
_WHOLE = (0.0, 0.0, 1.0, 1.0, 1.0)  # by ring: alpha is no less
# Shares that are not seen, and triangles (in grid pixels) that are not drawn.
_LEAST, _THIN = 1e-3, 1e-3
# How much of what the portrait shows between seam and outline may be used.
_USED = 0.85


@dataclass(frozen=True)
class Sheet:
    """vertices: (36, 5, 2) in pixels of the crop; texture: (36, 5, 2), where they come from;
    share: (36,) 0 to 1, how much of it is seen on each ray.
    """

    vertices: Array
    texture: Array
    share: Array


@dataclass(frozen=True)
class DrawnSheet:
    """displacement: (rows, columns, 2) float32, source less target position in pixels of the crop;
    cover: (rows, columns) float32, 0 to 1, soft at its ends; whole: (rows, columns) float32, the
    least that the person's alpha counts before that: 1 but for the outline's own softness.
    """

    displacement: NDArray[np.float32]
    cover: NDArray[np.float32]
    whole: NDArray[np.float32]


def sheet_behind(
    shell: Shell, ends: Array, outline: Array, center: Array, share: Array, scale: float
) -> Sheet:
    """center: (2,), the middle of the skull in the target. ends: (36, 2), where the shell's own
    texture ends there; outline: (36, 2), where the head does. share: (36,) how much of the sheet
    is wanted. scale: target over portrait.
    """
    away = outline - center
    away /= np.maximum(np.linalg.norm(away, axis=1), 1e-3)[:, None]
    length = np.maximum(((outline - ends) * away).sum(axis=1), 0)
    inner = length + _UNDER * shell.unit * scale
    depth = np.linspace(0, 1, _RINGS - 1) * inner[:, None]  # from the outline inwards
    beyond = np.full((len(length), 1), -_BEYOND * shell.unit * scale)
    depth = np.concatenate([beyond, depth], axis=1)
    vertices = outline[:, None] - depth[..., None] * away[:, None]
    crown = -np.pi / 2
    turned = (shell.azimuth - crown + np.pi) % (2 * np.pi) - np.pi
    source = crown + _UP * turned
    texture = _from_outline(shell, source, depth / scale)
    return Sheet(vertices, texture, share)


def _from_outline(shell: Shell, azimuth: Array, depth: Array) -> Array:
    """Positions (N, K, 2) on rays at `azimuth` (N,), `depth` (N, K) pixels inside the outline."""
    order = np.argsort(shell.azimuth)
    known = shell.azimuth[order]

    def at(values: Array) -> Array:
        return np.interp(azimuth, known, values[order], period=2 * np.pi)

    bald = shell.radii[:, shell.radii.shape[1] // 2]
    outline = at(shell.edge())
    seam = at(np.linalg.norm(shell.at(shell.seam[:, None], np.zeros((len(bald), 1)))[:, 0, :2]
                             - shell.center[:2], axis=1))  # fmt: skip
    room = _USED * np.maximum(outline - seam, 1)[:, None]
    inside = np.where(depth > 0, room * (1 - np.exp(-np.maximum(depth, 0) / room)), depth)
    radius = outline[:, None] - inside
    ray = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    return np.asarray(shell.center[:2] + radius[..., None] * ray[:, None])


def draw_sheet(
    sheet: Sheet, crop_size: tuple[int, int], grid: tuple[int, int]
) -> DrawnSheet | None:
    """Draw what is seen of it on a grid (columns, rows), or None when nothing is."""
    triangles = _triangles()
    share = np.repeat(sheet.share, _RINGS)
    used = triangles[(share[triangles] > _LEAST).any(axis=1)]
    zoom = np.array(grid, np.float64) / np.array(crop_size)
    vertices = sheet.vertices.reshape(-1, 2)
    at = vertices[used] * zoom - 0.5  # (T, 3, 2)
    basis = np.concatenate([at, np.ones((len(at), 3, 1))], axis=2)
    firm = np.abs(np.linalg.det(basis)) > _THIN
    if not firm.any():
        return None
    used, at, basis = used[firm], at[firm], basis[firm]
    goes = (sheet.texture.reshape(-1, 2) - vertices)[used]
    whole = np.array(_WHOLE)[used % _RINGS]
    forms = np.linalg.solve(
        basis, np.concatenate([goes, share[used][..., None], whole[..., None]], axis=2)
    )
    columns, rows = grid
    index = np.full((rows, columns), -1, np.int32)
    for i, corners in enumerate(np.round(at * (1 << SHIFT)).astype(np.int32)):
        cv2.fillConvexPoly(index, corners, i, cv2.LINE_8, SHIFT)
    y, x = np.nonzero(index >= 0)
    if not len(y):
        return None
    found = forms[index[y, x]]  # (N, 3, 4): x, y and 1 to displacement, share and whole
    values = found[:, 0] * x[:, None] + found[:, 1] * y[:, None] + found[:, 2]
    moved = np.zeros((rows, columns, 2), np.float32)
    cover, least = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    moved[y, x] = values[:, :2]
    cover[y, x] = np.clip(values[:, 2], 0, 1)
    least[y, x] = np.clip(values[:, 3], 0, 1)
    return DrawnSheet(_carried_on(moved, index >= 0), cover, least)


def _carried_on(moved: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Displacements, and around them their mean, so that they can be interpolated."""
    known = inside.astype(np.float32)
    weight = np.maximum(cv2.blur(known, (5, 5)), np.float32(1e-6))[..., None]
    return np.where(inside[..., None], moved, cv2.blur(moved, (5, 5)) / weight)


@cache
def _triangles() -> NDArray[np.int64]:
    """The sheet's triangles (T, 3) as indices of (ray, ring)."""
    rays, rings = np.meshgrid(np.arange(_RAYS), np.arange(_RINGS - 1), indexing="ij")
    a = (rays * _RINGS + rings).ravel()
    b = ((rays + 1) % _RAYS * _RINGS + rings).ravel()
    return np.concatenate([np.column_stack([a, b, a + 1]), np.column_stack([b, b + 1, a + 1])])
