# SPDX-License-Identifier: GPL-3.0-or-later
"""The back of the head, which comes into sight behind an ear or a narrow band of hair.

Where the portrait shows little between the face and the outline, that little is not drawn out over
all that a turn brings to light. It ends, and behind it a second sheet goes on to the outline: its
texture is the hair further up, where there is more of it, edge on edge.
"""

from __future__ import annotations

from dataclasses import dataclass

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
_RINGS = 5
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
    cover: (rows, columns) float32, 0 to 1, soft at its ends.
    """

    displacement: NDArray[np.float32]
    cover: NDArray[np.float32]


def sheet_behind(
    shell: Shell, ends: Array, outline: Array, center: Array, share: Array, scale: float
) -> Sheet:
    """center: (2,), the middle of the skull in the target. ends: (36, 2), where the shell's own texture ends in the target. outline: (36, 2), where the
    head does. share: (36,) how much of the sheet is wanted. scale: target over portrait.
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
    count = len(sheet.share)
    following = np.roll(np.arange(count), -1)
    wanted = np.flatnonzero((sheet.share > 1e-3) | (sheet.share[following] > 1e-3))
    if not len(wanted):
        return None
    zoom = np.array(grid, np.float64) / np.array(crop_size)
    columns, rows = grid
    moved = np.zeros((rows, columns, 2), np.float32)
    cover = np.zeros((rows, columns), np.float32)
    low = np.floor(sheet.vertices[wanted].reshape(-1, 2).min(axis=0) * zoom).astype(int) - 2
    high = np.ceil(sheet.vertices[wanted].reshape(-1, 2).max(axis=0) * zoom).astype(int) + 2
    del low, high
    table, corners = [], []
    for a in wanted.tolist():
        b = int(following[a])
        for ring in range(_RINGS - 1):
            for triangle in (
                ((a, ring), (b, ring), (a, ring + 1)), ((b, ring), (b, ring + 1), (a, ring + 1)),
            ):  # fmt: skip
                rays, rings = [t[0] for t in triangle], [t[1] for t in triangle]
                at = sheet.vertices[rays, rings] * zoom - 0.5
                goes = sheet.texture[rays, rings] - sheet.vertices[rays, rings]
                values = np.column_stack([goes, sheet.share[rays]])
                basis = np.column_stack([at, np.ones(3)])
                if abs(np.linalg.det(basis)) < 1e-3:
                    continue
                table.append(np.linalg.solve(basis, values))
                corners.append(np.round(at * (1 << SHIFT)).astype(np.int32))
    if not table:
        return None
    index = np.full((rows, columns), -1, np.int32)
    for i, corner in enumerate(corners):
        cv2.fillConvexPoly(index, corner, i, cv2.LINE_8, SHIFT)
    y, x = np.nonzero(index >= 0)
    if not len(y):
        return None
    forms = np.array(table)[index[y, x]]  # (N, 3, 3)
    values = np.einsum("nk,nkc->nc", np.column_stack([x, y, np.ones(len(x))]), forms)
    moved[y, x] = values[:, :2]
    cover[y, x] = np.clip(values[:, 2], 0, 1)
    return DrawnSheet(moved, cover)
