# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's person, moved with a head in depth and cut from the ground: colours and alpha."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.anchors import HeadMesh, build_head_mesh, move_head
from inference.head.form import head_form
from inference.head.shell import fit_shell
from inference.performance.pose import fit_pose
from inference.portrait import Portrait
from inference.warp.mesh import build_mesh
from inference.warp.mouths import OpenMouth
from inference.warp.openings import Patch
from inference.warp.raster import rasterise
from inference.warp.warp import GRID, Pixels, TargetPose, WarpSource, warp, warp_plane, warp_source

Points = NDArray[np.float32]


@dataclass(frozen=True)
class HeadSource:
    mesh: HeadMesh
    person: WarpSource
    alpha: NDArray[np.uint8]
    size: tuple[int, int]
    corner: tuple[int, int]


@dataclass(frozen=True)
class HeadFrame:
    pixels: Pixels
    alpha: NDArray[np.float32]
    unseen: NDArray[np.float32]
    layer: NDArray[np.uint8]


def build_head(portrait: Portrait, alpha, person, plate, mouth=None) -> HeadSource:
    """"""
    box = portrait.box
    size = (box.width, box.height)
    points = portrait.crop_points()
    h, w = portrait.picture.rgb.shape[:2]
    pad = max(0, -box.x, -box.y, box.x + box.width - w, box.y + box.height - h)

    def crop(x):
        x = cv2.copyMakeBorder(x, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(x[box.y + pad : box.y + pad + box.height, box.x + pad : box.x + pad + box.width])

    a = crop(np.round(alpha * 255).astype(np.uint8))
    share = a.astype(np.float32)[..., None] / 255
    own, back = portrait.crop().astype(np.float32), crop(plate).astype(np.float32)
    exact = (own - (1 - share) * back) / np.maximum(share, 1 / 255)
    p = crop(person).astype(np.float32)
    trust = np.clip((share - 0.15) / 0.15, 0, 1)
    p = np.clip(np.round(p + trust * (exact - p)), 0, 255).astype(np.uint8)
    shell = fit_shell(build_mesh(points, size), a, head_form())
    mesh = build_head_mesh(build_mesh(points, size), shell, size)
    return HeadSource(mesh, warp_source(p, points, mouth=mouth), a, size, (box.x, box.y))


def draw_head(source: HeadSource, target: Points, residual=None, size=None, interpolation=cv2.INTER_CUBIC) -> HeadFrame:
    target = target - np.array([*source.corner, 0], np.float32)
    moved, deep = move_head(source.mesh, target)
    raster = rasterise(source.mesh.flat, moved, source.size, (GRID, GRID))
    pose = TargetPose(raster, target, fit_pose(source.mesh.flat.points, target).scale)
    pixels, patches = warp(source.person, pose, source.size, residual, interpolation)
    a = warp_plane(source.alpha, pose, source.size, residual).astype(np.float32) / 255
    return HeadFrame(pixels, a, None, None)
