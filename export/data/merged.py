# SPDX-License-Identifier: GPL-3.0-or-later
"""Several sources laid together at the target's pose, as inference does with several pictures.

By `inference.merge`'s own weights, at the network's size and with the flat mesh, as all samples are
made. The merged picture then stands for the source that the generator's residual moves: inference,
too, moves what it has merged.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import OVAL
from inference.merge.light import to_light
from inference.merge.look import apart, look_of
from inference.merge.merged import weighted
from inference.merge.weights import Shown, candidates, find_weights, head_region, mixed_raster
from inference.performance.face.pose import fit_pose
from inference.portrait import Portrait
from inference.warp.mesh import build_mesh
from inference.warp.openings import Patch
from inference.warp.raster import Raster
from inference.warp.warp import GRID, pose_target, warp, warp_source

Points = NDArray[np.float32]
Picture = NDArray[np.uint8]

# Two pictures whose surroundings differ by more than this many grey levels, once the head is
# warped, were taken in different places.
ANOTHER_PLACE = 22.0


def merge_sources(
    portraits: Sequence[Portrait], target: Points, *, light: bool
) -> tuple[Picture, Raster, list[Patch]]:
    """The picture (S, S, 3) of sources of one person, the first of which leads; its raster, and the
    openings laid into it.

    portraits: of S x S pixels, with the whole picture for a crop. target: (478, 3) in pixels of S.
    light: bring the others to the first one's light.
    """
    first = portraits[0]
    size = first.picture.size
    reference = first.points
    look = look_of(target, reference)
    distances = [apart(look, look_of(each.points, reference)) for each in portraits]
    shares = candidates(distances)
    zoom = np.float32(GRID) / np.array(size, np.float32)
    points = target[:, :2] * zoom
    outside = ~around_face(points, GRID)
    drawn: list[tuple[Picture, list[Patch]]] = []
    shown: list[Shown] = []
    for portrait, distance, share in zip(portraits, distances, shares, strict=True):
        if share == 0:
            continue
        pixels = portrait.picture.rgb8()
        if light and drawn:
            mesh = build_mesh(reference, size)
            pixels = to_light(
                first.picture.rgb8(), mesh, pixels, portrait.points, one_sitting=True
            ).astype(np.uint8, copy=False)
        pose = pose_target(build_mesh(portrait.points, size), target, size)
        source = warp_source(pixels, portrait.points)
        warped, patches = warp(source, pose, size, interpolation=cv2.INTER_LINEAR)
        drawn.append((warped.astype(np.uint8, copy=False), patches))
        away = np.abs(cv2.subtract(_small(drawn[0][0]), _small(drawn[-1][0]), dtype=cv2.CV_16S))
        whole = not outside.any() or float(away[outside].mean()) <= ANOTHER_PLACE
        shown.append(Shown(distance, share, pose.raster, whole))
    middle = reference[list(OVAL)].mean(axis=0).astype(np.float64)
    region = head_region(points, fit_pose(reference, target), middle, zoom, GRID)
    weights = find_weights(shown, points, region)
    mixed = np.zeros((*size[::-1], 3), np.float32)
    openings: list[Patch] = []
    for weight, (picture, patches) in zip(weights, drawn, strict=True):
        share_of = cv2.resize(weight, size)
        mixed += share_of[..., None] * picture
        openings += weighted(patches, share_of)
    raster = mixed_raster(weights, shown)
    return np.round(mixed).clip(0, 255).astype(np.uint8), raster, openings


def around_face(points: NDArray[np.float32], side: int) -> NDArray[np.bool_]:
    """The face's outline, grown by a twelfth of the picture: (S, S). points: (478, 2 or 3) in S."""
    outline = cv2.convexHull(np.round(points[list(OVAL), :2]).astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros((side, side), np.uint8), outline, 1)
    reach = side // 12 * 2 + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return cv2.dilate(mask, kernel) > 0


def _small(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, (GRID, GRID), interpolation=cv2.INTER_AREA), np.uint8)
