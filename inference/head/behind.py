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

from inference.forms import linear_forms
from inference.head.shell import Shell
from inference.pictures import rescaled
from inference.warp.contour import sample
from inference.warp.raster import SHIFT

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# A side's texture comes from one of these shares of its angle from the crown: where it looks as the
# temple does (rays between these sines), and is wide. Colours count in Lab, and so much is what a
# strip costs that is narrow, by its part of a wide one's width in eye distances.
_UPS = (0.3, 0.45, 0.6, 0.75, 0.9)
_TEMPLE = (-0.75, 0.0)
_NARROW, _ROOM = 20.0, 0.4
_UNSEEN = 60.0  # of a strip beyond the picture's edge
# Rings from outside in: beyond the outline, the outline, and inside of it, in eye distances; the
# last lies this much further in than the shell's own end.
_BEYOND, _UNDER = 0.2, 0.5
_RINGS, _RAYS = 5, 36
# Light is compared so far inside of the outline (eye distances), blurred by so much; tints (Lab)
# nearer than the first are of one matter, farther than the second are not; and its bounds.
_MATCHED, _MATCH_BLUR = (0.06, 0.12, 0.18), 0.06
_LARGEST = 160.0  # pixels of an eye distance; in a larger picture nothing more is seen of it
_ALIKE, _GAIN = (8.0, 18.0), (0.55, 1.5)
# What is of one matter dissolves over this width, in eye distances; an ear, which stands out by
# this ratio, does not.
_DISSOLVE, _STANDS_OUT = 0.25, 0.06
_WHOLE = (0.0, 0.0, 1.0, 1.0, 1.0)  # by ring: alpha is no less
# Shares that are not seen, and triangles (in grid pixels) that are not drawn.
_LEAST, _THIN = 1e-3, 1e-3
_MARGIN = 3  # cells around what is drawn
# Where nothing is: from x, y and 1 to displacement, share, whole, gain and front.
_NOTHING = [[0.0] * 6, [0.0] * 6, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]]
# How much of what the portrait shows between seam and outline may be used.
_USED = 0.85


@dataclass(frozen=True)
class BackLook:
    """Of each ray (36,). source: radians, the direction from which the texture is taken; gain: what
    its light is multiplied with; alike: 0 to 1, whether it passes into what lies before it.
    """

    source: Array
    gain: Array
    alike: Array


@dataclass(frozen=True)
class Sheet:
    """vertices: (36, 5, 2) in pixels of the crop; texture: (36, 5, 2), where they come from;
    share: (36,) 0 to 1, how much of it is seen on each ray; gain: (36,) what its light is
    multiplied with; front: (36, 5) how much stays of what is drawn before it.
    """

    vertices: Array
    texture: Array
    share: Array
    gain: Array
    front: Array


@dataclass(frozen=True)
class DrawnSheet:
    """displacement: (rows, columns, 2) float32, source less target position in pixels of the crop;
    cover: (rows, columns) float32, 0 to 1, soft at its ends; whole: (rows, columns) float32, the
    least that the person's alpha counts before that: 1 but for the outline's own softness; gain:
    (rows, columns) float32, of its colours; front: (rows, columns) float32, how much stays of
    what is drawn before it.
    """

    displacement: NDArray[np.float32]
    cover: NDArray[np.float32]
    whole: NDArray[np.float32]
    gain: NDArray[np.float32]
    front: NDArray[np.float32]


def sheet_behind(
    shell: Shell,
    look: BackLook,
    ends: Array,
    outline: Array,
    center: Array,
    share: Array,
    scale: float,
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
    texture = _from_outline(shell, look.source, depth / scale)
    over = (depth - length[:, None]) / (_DISSOLVE * shell.unit * scale)
    front = np.maximum(np.clip(over, 0, 1), 1 - look.alike[:, None])
    return Sheet(vertices, texture, share, look.gain, front)


def find_look(shell: Shell, pixels: NDArray[np.uint8], ears: Array, skull: Array) -> BackLook:
    """Choose what the back of the head looks like.

    pixels: (H, W, 3) of the crop. ears: (36,) as `find_ears` tells; skull: (36,) the outline's
    ratio without them.
    """
    zoom = min(1.0, _LARGEST / shell.unit)
    if zoom < 1:
        pixels = rescaled(pixels, zoom)
    blurred = cv2.GaussianBlur(pixels, (0, 0), max(1.0, _MATCH_BLUR * shell.unit * zoom))
    lab = cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB)
    own = _strip(shell, lab, shell.azimuth, zoom)
    down, across = np.sin(shell.azimuth), np.cos(shell.azimuth)
    source = shell.azimuth.copy()
    for side in (across < 0, across >= 0):
        temple = side & (down > _TEMPLE[0]) & (down < _TEMPLE[1])
        if not temple.any():
            continue
        weight = np.maximum(1 - ears[temple], 0.05)[:, None]
        wanted = (weight * own[temple]).sum(axis=0) / weight.sum()
        costs = []
        for up in _UPS:
            taken = _further_up(shell.azimuth[side], up)
            gap = np.linalg.norm(
                (_strip(shell, lab, taken, zoom) - wanted) * (0.5, 1, 1), axis=1
            ).mean()
            room = _room(shell, taken).mean() / shell.unit
            unseen = _between(shell, taken, shell.cut).mean()
            costs.append(gap + _NARROW * max(0.0, 1 - room / _ROOM) + _UNSEEN * unseen)
        source[side] = _further_up(shell.azimuth[side], _UPS[int(np.argmin(costs))])
    there = _strip(shell, lab, source, zoom)
    hue = np.linalg.norm((own - there)[:, 1:], axis=1)
    alike = np.clip((_ALIKE[1] - hue) / (_ALIKE[1] - _ALIKE[0]), 0, 1)
    gain = alike * np.log(np.clip((own[:, 0] + 8) / (there[:, 0] + 8), *_GAIN))
    stands_out = np.clip((shell.ratio_outline - skull) / _STANDS_OUT, 0, 1)
    alike = alike * (1 - stands_out)
    for _ in range(2):
        gain = (np.roll(gain, 1) + 2 * gain + np.roll(gain, -1)) / 4
        alike = np.minimum(alike, (np.roll(alike, 1) + 2 * alike + np.roll(alike, -1)) / 4)
    return BackLook(source, np.exp(gain), alike)


def _further_up(azimuth: Array, share: float) -> Array:
    crown = -np.pi / 2
    turned = (azimuth - crown + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(crown + share * turned)


def _strip(shell: Shell, lab: NDArray[np.uint8], azimuth: Array, zoom: float) -> Array:
    """The mean colour (N, 3) just inside of the outline; lab: `zoom` times as large as the crop."""
    depth = np.broadcast_to(np.array(_MATCHED) * shell.unit, (len(azimuth), len(_MATCHED)))
    where = zoom * _from_outline(shell, azimuth, depth) - 0.5
    where = where.reshape(-1, 2).astype(np.float32)
    found = sample(lab, where, cv2.INTER_LINEAR).reshape(-1, len(_MATCHED), 3)
    return np.asarray(found.mean(axis=1), np.float64)


def _between(shell: Shell, azimuth: Array, values: Array) -> Array:
    """Values (36,) of the shell's rays at directions (N,)."""
    order = np.argsort(shell.azimuth)
    return np.interp(azimuth, shell.azimuth[order], values[order], period=2 * np.pi)


def _room(shell: Shell, azimuth: Array) -> Array:
    """How far (N,) it is from the seam to the outline, in pixels."""
    begins = shell.at(shell.seam[:, None], np.zeros((len(shell.seam), 1)))[:, 0, :2]
    width = shell.edge() - np.linalg.norm(begins - shell.center[:2], axis=1)
    return np.maximum(_between(shell, azimuth, width), 1)


def _from_outline(shell: Shell, azimuth: Array, depth: Array) -> Array:
    """Positions (N, K, 2) on rays at `azimuth` (N,), `depth` (N, K) pixels inside the outline."""
    outline = _between(shell, azimuth, shell.edge())
    room = _USED * _room(shell, azimuth)[:, None]
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
    first, second = at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]
    firm = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) > _THIN
    if not firm.any():
        return None
    used, at = used[firm], at[firm]
    low = np.clip(np.floor(at.min(axis=(0, 1))) - _MARGIN, 0, grid).astype(int)
    high = np.clip(np.ceil(at.max(axis=(0, 1))) + _MARGIN, 0, grid).astype(int)
    if (high <= low).any():
        return None
    columns, rows = (high - low).tolist()
    goes = (sheet.texture.reshape(-1, 2) - vertices)[used]
    values = np.column_stack(
        [share, np.tile(_WHOLE, _RAYS), np.repeat(sheet.gain, _RINGS), sheet.front.reshape(-1)]
    )
    forms = linear_forms(at, np.concatenate([goes, values[used]], axis=2))
    forms = np.concatenate([forms, np.array([_NOTHING])]).astype(np.float32)
    index = np.full((rows, columns), len(used), np.int32)
    for i, corners in enumerate(np.round((at - low) * (1 << SHIFT)).astype(np.int32)):
        cv2.fillConvexPoly(index, corners, i, cv2.LINE_8, SHIFT)
    x = np.arange(low[0], high[0], dtype=np.float32)[None, :, None]
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None, None]
    drawn = forms[index, 0] * x + forms[index, 1] * y + forms[index, 2]
    carried = _carried_on(drawn, index < len(used))
    planes = np.zeros((grid[1], grid[0], 6), np.float32)
    planes[..., 5] = 1
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    planes[window] = np.clip(drawn, (-np.inf, -np.inf, 0, 0, 0, 0), (np.inf, np.inf, 1, 1, 9, 1))
    planes[window][..., [0, 1, 4]] = carried[..., [0, 1, 4]]
    moved, cover, whole, gain, front = np.split(planes, [2, 3, 4, 5], axis=2)
    return DrawnSheet(moved.copy(), *(p[..., 0].copy() for p in (cover, whole, gain, front)))


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
