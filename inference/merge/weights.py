# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of each picture every pixel of a frame's head is made of.

All of it is smooth in the target's landmarks, and of the frame's own alone: nothing leaps when
another picture becomes the best one, and frames may be made in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.composite import face_region
from inference.landmarks import EYES, LIPS_LOWER, LIPS_UPPER, interocular
from inference.merge.look import Apart
from inference.performance.face.pose import Pose
from inference.warp.raster import Raster

Points = NDArray[np.float32]
Plane = NDArray[np.float32]

# The picture that leads is taken as nearer by this many steps of `inference.merge.look`.
_LEADING = 0.25
# A picture from elsewhere, with other hair, is taken as so many steps farther.
_STRANGE = 1.0
# Differences (in steps) within which two pictures share a pixel: of skin, and of the outline. Two
# outlines never meet to the pixel, and both at once are a ghost: there the change is short.
_SKIN, _OUTLINE = 0.3, 0.16
_LEAST = 0.05  # less than this share is none
# A picture that gives the frame no more than the first of these shares is not drawn for it; from
# the second on it counts in full.
_NOT_WORTH = (0.001, 0.003)
# Pictures of which a frame is made at most; a picture fades within so many steps of the next.
CANDIDATES, _FADES = 4, 0.5
# Steps for skin that is drawn out to twice its area, and for what the picture hides; they are
# blurred over so many cells, so that no triangle shows.
_DRAWN_OUT, _HIDDEN, _SOFT = 3.0, 6.0, 9
# How far the mouth's and the eyes' looks count around them, in eye distances.
_AROUND_MOUTH, _AROUND_EYES = 0.28, 0.16
# The sine, downwards, from which on there is no skull but neck; from the second on up all is skull.
_NECK, _SKULL = 0.88, 0.3


@dataclass(frozen=True)
class Shown:
    """A picture that is moved to a frame's pose. apart: its distance from the frame's look.
    share: 0 to 1, how far it is taken into account at all. raster: of its mesh. whole: not its
    skin alone may be shown.
    """

    apart: Apart
    share: float
    raster: Raster
    whole: bool = True


def candidates(apart: Sequence[Apart]) -> list[float]:
    """How far each picture is taken into account, 0 to 1; the first one leads, and always is.

    Those of CANDIDATES pictures that are nearest in turn, mouth or eyes are, and each fades before
    another takes its place.
    """
    by_region = np.array([[a.turn, a.turn + a.mouth, a.turn + a.eyes] for a in apart])
    best = (by_region - by_region.min(axis=0)).min(axis=1)
    best[0] = -np.inf
    if len(best) <= CANDIDATES:
        return [1.0] * len(best)
    limit = np.sort(best)[CANDIDATES]
    return [1.0, *np.clip((limit - best[1:]) / _FADES, 0, 1).tolist()]


def find_weights(shown: Sequence[Shown], points: Points, region: Plane) -> list[Plane]:
    """Each picture's weight (G, G), 0 to 1, together 1; the first one leads.

    points: the target's (478, 2) in cells of the grid. region: (G, G) 0 to 1, of `head_region`.
    """
    side = region.shape[0]
    mouth, eyes = _regions(points, side)
    face = face_region(points, side)
    turns = np.array([each.apart.turn for each in shown])
    turns[0] -= _LEADING
    turns += [0.0 if each.whole else _STRANGE for each in shown]
    costs = []
    for turn, each in zip(turns, shown, strict=True):
        badly = _DRAWN_OUT * np.maximum(each.raster.stretch, 0) + _HIDDEN * (1 - each.raster.seen)
        badly = cv2.blur(badly, (_SOFT, _SOFT))
        costs.append(turn + mouth * each.apart.mouth + eyes * each.apart.eyes + badly)
    share = np.array([each.share for each in shown])
    outlines = share * np.array([float(each.whole) for each in shown])
    outline = _likely(turns, outlines, _OUTLINE)[:, None, None]
    skin = _likely(np.stack(costs), share[:, None, None], _SKIN)
    weights = (region * (outline + face * (skin - outline))).astype(np.float32)
    low, high = _NOT_WORTH
    weights *= _smooth((weights.mean(axis=(1, 2), keepdims=True) - low) / (high - low))
    weights[0] = 1 - weights[1:].sum(axis=0)
    return list(weights)


def mixed_raster(weights: Sequence[Plane], shown: Sequence[Shown]) -> Raster:
    """The first picture's raster, its stretch and visibility as in what each pixel is made of."""
    stretch, seen = (
        np.sum([w * getattr(s.raster, name) for w, s in zip(weights, shown, strict=True)], axis=0)
        for name in ("stretch", "seen")
    )
    return replace(shown[0].raster, stretch=stretch, seen=seen)


def head_region(
    points: Points, pose: Pose, center: NDArray[np.float64], zoom: Plane, side: int
) -> Plane:
    """Where a frame's head is, without neck and body: (G, G) 0 to 1, soft.

    points: the target's (478, 2) in cells of the grid. pose: from the leading picture's to the
    target's; center: (3,) the middle of its skull, in pixels of the crop. zoom: (2,) from there to
    the grid of `side` cells.
    """
    middle = pose.apply(center)[:2] * zoom
    down = (pose.rotation @ np.array([0.0, 1.0, 0.0]))[:2]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    cells = np.arange(side) + 0.5
    x, y = np.meshgrid(cells - middle[0], cells - middle[1])
    sine = (x * down[0] + y * down[1]) / np.maximum(np.hypot(x, y), 1e-3)
    skull = _smooth((_NECK - sine) / (_NECK - _SKULL))
    return np.maximum(skull, face_region(points, side))


def _likely(
    cost: NDArray[np.floating], share: NDArray[np.floating], within: float
) -> NDArray[np.floating]:
    """Shares (P, ...), together 1: the picture of least cost, and those `within` reach of it."""
    likely = np.exp((cost.min(axis=0) - cost) / within) * share
    likely = np.maximum(likely / likely.sum(axis=0) - _LEAST, 0)
    return np.asarray(likely / likely.sum(axis=0))


def _regions(points: Points, side: int) -> tuple[Plane, Plane]:
    """Where the mouth's look counts, and where the eyes' does: (G, G) each, 0 to 1, soft."""
    unit = interocular(points)
    mouth, eyes = (np.zeros((side, side), np.uint8) for _ in range(2))
    _fill(mouth, points[[*LIPS_UPPER, *LIPS_LOWER]])
    for upper, lower, _ in EYES:
        _fill(eyes, points[[*upper, *lower]])
    return _grown(mouth, _AROUND_MOUTH * unit), _grown(eyes, _AROUND_EYES * unit)


def _fill(mask: NDArray[np.uint8], points: Points) -> None:
    corners = np.round((cv2.convexHull(points)[:, 0] - 0.5) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, corners, 1, cv2.LINE_8, 4)


def _grown(mask: NDArray[np.uint8], reach: float) -> Plane:
    """1 on the mask, down to 0 at `reach` cells from it."""
    away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    return _smooth(1 - away / max(reach, 1e-3))


def _smooth(x: NDArray[np.floating]) -> Plane:
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)
