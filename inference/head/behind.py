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
from inference.warp.contour import sample
from inference.warp.raster import SHIFT

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# A side's texture comes from this share of its angle from the crown.
_UP = 0.5
# Rings from outside in: beyond the outline, the outline, and inside of it, in eye distances; the
# last lies this much further in than the shell's own end.
_BEYOND, _UNDER = 0.2, 0.5
_RINGS, _RAYS = 5, 36
# Light is compared so far inside of the outline (eye distances), blurred by so much; tints (Lab)
# nearer than the first are of one matter, farther than the second are not; and its bounds.
_MATCHED, _MATCH_BLUR = (0.06, 0.12, 0.18), 0.06
_ALIKE, _GAIN = (8.0, 18.0), (0.55, 1.5)
_WHOLE = (0.0, 0.0, 1.0, 1.0, 1.0)  # by ring: alpha is no less
# Shares that are not seen, and triangles (in grid pixels) that are not drawn.
_LEAST, _THIN = 1e-3, 1e-3
# How much of what the portrait shows between seam and outline may be used.
_USED = 0.85


@dataclass(frozen=True)
class Sheet:
    """vertices: (36, 5, 2) in pixels of the crop; texture: (36, 5, 2), where they come from;
    share: (36,) 0 to 1, how much of it is seen on each ray; gain: (36,) what its light is
    multiplied with.
    """

    vertices: Array
    texture: Array
    share: Array
    gain: Array


@dataclass(frozen=True)
class DrawnSheet:
    """displacement: (rows, columns, 2) float32, source less target position in pixels of the crop;
    cover: (rows, columns) float32, 0 to 1, soft at its ends; whole: (rows, columns) float32, the
    least that the person's alpha counts before that: 1 but for the outline's own softness; gain:
    (rows, columns) float32, of its colours.
    """

    displacement: NDArray[np.float32]
    cover: NDArray[np.float32]
    whole: NDArray[np.float32]
    gain: NDArray[np.float32]


def sheet_behind(
    shell: Shell, ends: Array, outline: Array, center: Array, share: Array, gain: Array,
    scale: float,
) -> Sheet:  # fmt: skip
    """center: (2,), the middle of the skull in the target. ends: (36, 2), where the shell's own
    texture ends there; outline: (36, 2), where the head does. share: (36,) how much of the sheet
    is wanted; gain: (36,) of its light. scale: target over portrait.
    """
    away = outline - center
    away /= np.maximum(np.linalg.norm(away, axis=1), 1e-3)[:, None]
    length = np.maximum(((outline - ends) * away).sum(axis=1), 0)
    inner = length + _UNDER * shell.unit * scale
    depth = np.linspace(0, 1, _RINGS - 1) * inner[:, None]  # from the outline inwards
    beyond = np.full((len(length), 1), -_BEYOND * shell.unit * scale)
    depth = np.concatenate([beyond, depth], axis=1)
    vertices = outline[:, None] - depth[..., None] * away[:, None]
    texture = _from_outline(shell, further_up(shell.azimuth), depth / scale)
    return Sheet(vertices, texture, share, gain)


def further_up(azimuth: Array) -> Array:
    """The directions (36,) from which the sheet's texture comes."""
    crown = -np.pi / 2
    turned = (azimuth - crown + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(crown + _UP * turned)


def match_light(shell: Shell, pixels: NDArray[np.uint8]) -> Array:
    """What the sheet's light is multiplied with on each ray (36,), to pass into the shell's own.

    Only where both are of one matter, hair or skin. pixels: (H, W, 3) of the crop.
    """
    near = np.array(_MATCHED)[None] * shell.unit
    depth = np.broadcast_to(near, (len(shell.azimuth), len(_MATCHED)))
    sigma = max(1.0, _MATCH_BLUR * shell.unit)
    lab = cv2.cvtColor(cv2.GaussianBlur(pixels, (0, 0), sigma), cv2.COLOR_RGB2LAB)
    own, there = (
        sample(lab, (_from_outline(shell, azimuth, depth) - 0.5).reshape(-1, 2).astype(np.float32),
               cv2.INTER_LINEAR).reshape(-1, len(_MATCHED), 3).mean(axis=1)
        for azimuth in (shell.azimuth, further_up(shell.azimuth))
    )  # fmt: skip
    hue = np.linalg.norm(own[:, 1:] - there[:, 1:], axis=1)
    alike = np.clip((_ALIKE[1] - hue) / (_ALIKE[1] - _ALIKE[0]), 0, 1)
    low, high = _GAIN
    gain = alike * np.log(np.clip((own[:, 0] + 8) / (there[:, 0] + 8), low, high))
    for _ in range(2):
        gain = (np.roll(gain, 1) + 2 * gain + np.roll(gain, -1)) / 4
    return np.asarray(np.exp(gain))


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
    gain = np.repeat(sheet.gain, _RINGS)
    planes = np.stack([share[used], np.array(_WHOLE)[used % _RINGS], gain[used]], axis=2)
    forms = np.linalg.solve(basis, np.concatenate([goes, planes], axis=2))
    columns, rows = grid
    index = np.full((rows, columns), -1, np.int32)
    for i, corners in enumerate(np.round(at * (1 << SHIFT)).astype(np.int32)):
        cv2.fillConvexPoly(index, corners, i, cv2.LINE_8, SHIFT)
    y, x = np.nonzero(index >= 0)
    if not len(y):
        return None
    found = forms[index[y, x]]  # (N, 3, 5): from x, y and 1
    values = found[:, 0] * x[:, None] + found[:, 1] * y[:, None] + found[:, 2]
    drawn = np.zeros((rows, columns, 5), np.float32)
    drawn[y, x] = values
    cover, whole = np.clip(drawn[..., 2], 0, 1), np.clip(drawn[..., 3], 0, 1)
    carried = _carried_on(drawn[..., [0, 1, 4]], index >= 0)
    return DrawnSheet(carried[..., :2].copy(), cover, whole, carried[..., 2].copy())


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
