# SPDX-License-Identifier: GPL-3.0-or-later
"""The neck behind the jaw, which comes into sight as the head turns off it.

In the portrait the jaw hides most of the neck. What shows below it tells the neck's colours and
its width; they are carried up behind the jaw to the nape. The neck stands on the shoulders, and
its upper end follows the skull.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.ears import CHEEKS
from inference.landmarks import OVAL
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose
from inference.remembered import remembered
from inference.warp.warp import GRID

Points = NDArray[np.float32]
Plane = NDArray[np.float32]
Array = NDArray[np.float64]

# The neck's axis in canonical space: its upper end, behind the ears, and where it stands.
_TOP, _BASE = np.array([0.0, 0.75, 1.6]), np.array([0.0, 2.9, 1.5])
# Its half width in eye distances: where nothing shows it, at least, and at most.
_HALF, _LEAST, _MOST = 0.85, 0.62, 1.1
# Below the chin it is looked for between these heights, in eye distances.
_LOOKED_AT = (0.12, 0.9)
_JAW = (58, 172, 136, 150, 288, 397, 365, 379)  # tells the tone beside the cheeks
# Where it comes out below the chin, in eye distances; how far it stays within the person's outline,
# and how narrow half of it may be made by that.
_COMES_OUT, _INSET, _NARROWEST = (0.1, 0.5), 0.03, 0.35
_GAP = 0.08  # between the face's outline and what counts as neck
# Distance from the cheeks' colour (Lab, lightness counting a third) that still is skin.
_SKIN = 22.0
_LIGHTER = 6.0  # than the cheeks (Lab): a collar, not a neck
_FEWEST = 0.02  # cells of skin, as a share of a square eye distance, that tell its colour
_SHADE = 0.85  # of the light on cheeks and jaw, where no neck shows
# How the colours are carried on: reach in eye distances, and its weight.
_SPREADS = ((0.05, 1.0), (0.15, 1e-2), (0.5, 1e-4), (2.0, 1e-6))
_SOFT = 0.05  # of its sides, in eye distances
# By how much it is darker at its sides than in its middle, and under the skull than at its base.
_ROUND, _UNDER = 0.3, 0.22
_FLARE = (0.9, 1.12)  # its width above and below, of what is found


@dataclass(frozen=True)
class Neck:
    """On a grid of GRID cells over the crop. colours: (GRID, GRID, 3) float32, 0 to 255. alpha:
    (GRID, GRID) float32, 0 to 1. top, base: (3,) the ends of its axis in pixels of the crop.
    """

    colours: Plane
    alpha: Plane
    top: Array
    base: Array


@dataclass(frozen=True)
class DrawnNeck:
    """As `Neck` has them, in a frame."""

    colours: Plane
    alpha: Plane


@remembered(8)
def build_neck(
    points: Points, pixels: NDArray[np.uint8], alpha: NDArray[np.uint8], size: tuple[int, int]
) -> Neck:
    """Find a portrait's neck.

    points: (478, 3) of the crop. pixels: (H, W, 3) and alpha: (H, W), 0 to 255, the person's in
    the crop, of any resolution. size: the crop's (width, height).
    """
    pose = fit_pose(canonical_face().mean, points)
    zoom = GRID / np.array(size, np.float64)
    unit = float(pose.scale * zoom[0])
    small = cv2.resize(pixels, (GRID, GRID), interpolation=cv2.INTER_AREA)
    matte = cv2.resize(alpha, (GRID, GRID), interpolation=cv2.INTER_AREA)
    top, base = pose.apply(_TOP), pose.apply(_BASE)
    axis = _axis(top[:2] * zoom, base[:2] * zoom)
    outline = (points[list(OVAL), :2] * zoom).astype(np.float32)
    skin, tone = _skin(small, points[:, :2] * zoom)
    found = skin & (matte > 250) & ~_face(outline, _GAP * unit)
    chin = float(outline[:, 1].max())
    left, right, seen = _sides(found, axis, chin, unit)
    across = np.arange(GRID) + 0.5 - axis[:, None]
    rows = np.arange(GRID)[:, None] + 0.5
    down = np.clip((rows / zoom[1] - top[1]) / max(base[1] - top[1], 1.0), 0, 1)
    flare = _FLARE[0] + (_FLARE[1] - _FLARE[0]) * down**2
    before, after = _silhouette(matte, axis, chin, unit)
    left_side, right_side = np.minimum(left * flare, before), np.minimum(right * flare, after)
    inside = np.minimum(across + left_side, right_side - across) / (_SOFT * unit) + 0.5
    rises = (rows - top[1] * zoom[1]) / (0.2 * unit) + 0.5
    stands = (base[1] * zoom[1] - rows) / (0.2 * unit) + 0.5
    shape = np.clip(inside, 0, 1) * np.clip(rises, 0, 1) * np.clip(stands, 0, 1)
    near = found & (inside > 0.5)
    near = cv2.erode(near.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    edge = np.clip(np.where(across < 0, -across / left_side, across / right_side), 0, 1)
    light = (1 - _ROUND * edge**3) * (1 - _UNDER * (1 - down) ** 2)
    if seen and near.any():
        colours = _carried_on(small, near, unit)
    else:
        colours = np.broadcast_to(tone * _SHADE, (GRID, GRID, 3))
    colours = colours * light[..., None]
    return Neck(colours.astype(np.float32), shape.astype(np.float32), top, base)


def move_neck(neck: Neck, pose: Pose, size: tuple[int, int]) -> DrawnNeck:
    """Bend the neck under a skull that has moved by `pose` from where the portrait has it."""
    zoom = GRID / np.array(size, np.float64)
    moved = pose.apply(neck.top)[:2] * zoom
    top, base = neck.top[:2] * zoom, neck.base[:2] * zoom
    rows = np.arange(GRID) + 0.5
    up = np.clip((base[1] - rows) / max(base[1] - moved[1], 1.0), 0, 2)
    across = np.arange(GRID) + 0.5 - (up * (moved[0] - top[0]))[:, None]
    down = np.broadcast_to((base[1] - up * (base[1] - top[1]))[:, None], across.shape)
    where = np.stack([across - 0.5, down - 0.5], axis=-1).astype(np.float32)
    colours, alpha = (
        cv2.remap(plane, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        for plane in (neck.colours, neck.alpha)
    )
    return DrawnNeck(np.asarray(colours), np.asarray(alpha))


def _axis(top: Array, base: Array) -> Array:
    """The axis' x (GRID,) at every row."""
    rows = np.arange(GRID) + 0.5
    share = (rows - top[1]) / max(base[1] - top[1], 1.0)
    return np.asarray(top[0] + share * (base[0] - top[0]))


def _face(outline: Points, grown: float) -> NDArray[np.bool_]:
    """The face's outline, and a little around it."""
    mask = np.zeros((GRID, GRID), np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    side = 2 * round(grown) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0


def _skin(pixels: NDArray[np.uint8], points: Array) -> tuple[NDArray[np.bool_], Array]:
    """What has the cheeks' colour, in whatever light, (GRID, GRID); and that colour (3,)."""
    lab = cv2.cvtColor(pixels.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    at = np.clip(points[list(CHEEKS)].astype(int), 0, GRID - 1)
    cheeks = np.median(lab[at[:, 1], at[:, 0]], axis=0)
    away = np.linalg.norm((lab - cheeks) * (1 / 3, 1, 1), axis=2)
    dark = lab[..., 0] < cheeks[0] + _LIGHTER
    jaw = np.clip(points[list(_JAW)].astype(int), 0, GRID - 1)
    both = [np.median(pixels[a[:, 1], a[:, 0]].astype(np.float64), axis=0) for a in (at, jaw)]
    return (away < _SKIN) & dark, np.mean(both, axis=0)


def _sides(
    found: NDArray[np.bool_], axis: Array, chin: float, unit: float
) -> tuple[float, float, bool]:
    """How far the neck reaches left and right of its axis, in cells, and whether it shows."""
    low, high = (int(np.clip(chin + at * unit, 0, GRID)) for at in _LOOKED_AT)
    reaches = []
    for row in range(low, high):
        middle = int(np.clip(axis[row], 0, GRID - 1))
        line = found[row]
        if line[max(0, middle - 2) : middle + 3].mean() < 0.5:
            continue
        ends = np.flatnonzero(~line)
        before, after = ends[ends < middle - 2], ends[ends > middle + 2]
        reaches.append((axis[row] - before.max(initial=0), after.min(initial=GRID) - axis[row]))
    seen = len(reaches) * 2 * _LEAST * unit > _FEWEST * unit * unit and len(reaches) >= 2
    if not seen:
        return _HALF * unit, _HALF * unit, False
    left, right = np.percentile(np.array(reaches), 70, axis=0)
    least, most = _LEAST * unit, _MOST * unit
    return float(np.clip(left, least, most)), float(np.clip(right, least, most)), True


def _silhouette(
    matte: NDArray[np.uint8], axis: Array, chin: float, unit: float
) -> tuple[Array, Array]:
    """How far the person goes on left and right of the neck's axis, (GRID, 1) in cells.

    Behind the jaw the neck is no wider than where it comes out below.
    """
    ends = np.zeros((2, GRID))
    for row in range(GRID):
        middle = int(np.clip(axis[row], 0, GRID - 1))
        ground = np.flatnonzero(matte[row] < 128)
        ends[0, row] = axis[row] - ground[ground < middle].max(initial=-GRID)
        ends[1, row] = ground[ground > middle].min(initial=2 * GRID) - axis[row]
    low, high = (int(np.clip(chin + at * unit, 1, GRID)) for at in _COMES_OUT)
    if low < high:
        ends[:, :low] = ends[:, low:high].min(axis=1, keepdims=True)
    ends = np.maximum(ends - _INSET * unit, _NARROWEST * unit)
    return ends[0][:, None], ends[1][:, None]


def _carried_on(pixels: NDArray[np.uint8], known: NDArray[np.bool_], unit: float) -> Plane:
    weight = known.astype(np.float32)
    total = np.zeros((GRID, GRID, 4), np.float32)
    planes = np.dstack([pixels * weight[..., None], weight]).astype(np.float32)
    for reach, share in _SPREADS:
        total += share * cv2.GaussianBlur(planes, (0, 0), max(reach * unit, 0.8))
    return total[..., :3] / np.maximum(total[..., 3:], np.float32(1e-12))
