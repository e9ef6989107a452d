# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the overlay's points and lines lie on the screen, and in which colours. No bpy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..storage.canonical import Face, to_blender
from ..storage.recordings import Performance

Points = NDArray[np.float64]

# Confidence 0, 1/2 and 1: red, amber, green; each tells apart for those who see no red.
_RAMP = np.array([(0.95, 0.25, 0.20), (1.00, 0.75, 0.15), (0.35, 0.95, 0.55)])
PLAIN = (0.45, 0.85, 1.00)


@dataclass(frozen=True)
class StripPlace:
    """How the sequencer shows a strip's picture.

    size: of the picture; out: of the frame, both in pixels. offset in pixels, y up; origin in
    shares of the picture, y up; rotation in radians; flip: whether the frame is mirrored.
    percentage: of the frame's size at which Blender puts it together, to show it at full size.
    pivot_share: how much of the pivot's distance from the picture's centre is kept at that.
    """

    size: tuple[int, int]
    out: tuple[int, int]
    offset: tuple[float, float] = (0, 0)
    scale: tuple[float, float] = (1, 1)
    rotation: float = 0
    origin: tuple[float, float] = (0.5, 0.5)
    flip: tuple[bool, bool] = (False, False)
    percentage: int = 100
    pivot_share: float = 1


def on_frame(points: NDArray[np.floating], place: StripPlace) -> Points:
    """Pixels of a strip's picture (..., 2), y down -> the preview, from its centre, y up.

    In pixels of the whole frame. `strips` says how Blender places a strip.
    """
    share = place.percentage / 100
    size, out = np.array(place.size, np.float64), np.trunc(np.array(place.out) * share)
    upright = np.stack([points[..., 0], size[1] - points[..., 1]], axis=-1)
    pivot = np.array(place.origin) * size
    cos, sin = math.cos(place.rotation), math.sin(place.rotation)
    arm = (upright - pivot) * place.scale
    turned = np.stack(
        [cos * arm[..., 0] - sin * arm[..., 1], sin * arm[..., 0] + cos * arm[..., 1]], axis=-1
    )
    # Blender halves the difference in whole numbers.
    moved = np.array(place.offset) + turned
    held = size / 2 + place.pivot_share * (pivot - size / 2)
    placed = held + np.trunc((out - size) / 2) + share * moved
    return np.asarray((placed - out / 2) / share * np.where(place.flip, -1, 1))


def mirrored(
    points: NDArray[np.floating], size: tuple[int, int], mirror: tuple[bool, bool]
) -> Points:
    """Pixels (..., 2) of a picture of `size` that was mirrored across or down, in the picture."""
    return np.asarray(np.where(mirror, np.array(size) - points, points), np.float64)


def on_clip(points: NDArray[np.floating], size: tuple[int, int]) -> Points:
    """Pixels of a clip's picture (..., 2), y down -> shares of the picture, y up."""
    share = points[..., :2].astype(np.float64) / size
    return np.stack([share[..., 0], 1 - share[..., 1]], axis=-1)


def affine(corner: tuple[float, float], other: tuple[float, float], at: float) -> Points:
    """Scale and shift of a view, (2, 2), from where it shows (-at, -at) and (at, at)."""
    low, high = np.array(corner, np.float64), np.array(other, np.float64)
    return np.stack([(high - low) / (2 * at), (high + low) / 2])


def on_screen(points: Points, view: Points) -> Points:
    """A view's units (..., 2) -> pixels of its region, by `affine`."""
    return np.asarray(points * view[0] + view[1])


def from_world(points: Points, matrix: Points, region: tuple[int, int]) -> Points | None:
    """World points (N, 3) -> pixels of a 3D view's region; None where one is behind the view.

    matrix: the view's perspective matrix (4, 4).
    """
    clip = points @ matrix[:3, :3].T + matrix[:3, 3]
    depth = points @ matrix[3, :3] + matrix[3, 3]
    if depth.min() <= 0:
        return None
    return np.asarray((clip[:, :2] / depth[:, None] + 1) / 2 * region)


def face_in_world(
    performance: Performance,
    face: Face,
    index: int,
    controls: NDArray[np.floating],
    matrix: Points,
) -> Points:
    """The performer's face of one frame with these controls, under an Empty's matrix (4, 4)."""
    shape = performance.neutral + np.tensordot(controls, face.basis, axes=1)
    shape = shape + performance.residual[index]
    return np.asarray(to_blender(shape) @ matrix[:3, :3].T + matrix[:3, 3])


def index_at(frame: float, start: float, pace: float, count: int) -> int | None:
    """The zero-based frame that is due; None before the first and after the last.

    pace: frames of the scene in one frame of the recording. A single picture is always due.
    """
    if count == 1:
        return 0
    index = math.floor((frame - start) / pace + 1e-4)
    return index if 0 <= index < count else None


def edges(triangles: NDArray[np.integer]) -> NDArray[np.int64]:
    """The edges of triangles (T, 3), each once, (E, 2)."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0).astype(np.int64)


def contour_edges(face: Face) -> NDArray[np.int64]:
    """The lines of eyes, lips, brows and outline, (E, 2)."""
    rows: list[tuple[int, int]] = []
    for name, points in face.regions.items():
        if name.startswith("contour_"):
            line = points.tolist()
            around = [] if name.endswith("brow") else [(line[-1], line[0])]
            rows += [*zip(line, line[1:], strict=False), *around]
    return np.array(rows, np.int64)


def corners(box: tuple[int, int, int, int]) -> Points:
    """The corners (4, 2) of a box: left, top, width and height in pixels, y down."""
    left, top, width, height = box
    across, down = np.array([0, width, width, 0]), np.array([0, 0, height, height])
    return np.column_stack([left + across, top + down]).astype(np.float64)


def share_inside(points: Points, corners: Points) -> float:
    """Share, 0 to 1, of points (N, 2) in a convex quadrangle (4, 2); points that are NaN are not.

    A quadrangle without an area holds nothing.
    """
    sides = np.roll(corners, -1, axis=0) - corners
    away = points[:, None] - corners
    turns = sides[:, 0] * away[..., 1] - sides[:, 1] * away[..., 0]
    inside = (turns > 0).all(axis=1) | (turns < 0).all(axis=1)  # mirrored, they go the other way
    return float(inside.mean())


def frame(points: Points, half: float) -> NDArray[np.float32]:
    """Triangles, (24, 2), of a line along the sides of a quadrangle (4, 2), 2 * `half` wide."""
    sides = np.roll(points, -1, axis=0) - points
    along = sides / np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-6) * half
    across = np.column_stack([-along[:, 1], along[:, 0]])
    begin, end = points - along, points + sides + along  # over the corners, so that they close
    quads = np.stack([begin - across, end - across, end + across, begin + across], axis=1)
    return quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 2).astype(np.float32)


def squares(centres: Points, half: float) -> NDArray[np.float32]:
    """Two triangles around each centre (N, 2) -> corners (6 N, 2)."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)]) * half
    return (centres[:, None] + corners).reshape(-1, 2).astype(np.float32)


def segments(points: Points, pairs: NDArray[np.integer]) -> NDArray[np.float32]:
    """The ends of lines between points, (2 E, 2)."""
    return points[pairs.ravel()].astype(np.float32)


def colour_of(confidence: float | None) -> tuple[float, float, float]:
    """Red, green and blue for a confidence of 0 to 1; None: the plain colour."""
    if confidence is None or not math.isfinite(confidence):
        return PLAIN
    at = min(max(confidence, 0.0), 1.0) * (len(_RAMP) - 1)
    channels: Iterable[float] = (
        float(np.interp(at, range(len(_RAMP)), _RAMP[:, channel])) for channel in range(3)
    )
    red, green, blue = channels
    return red, green, blue
