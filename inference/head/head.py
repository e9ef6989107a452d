# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's person, moved with a head in depth and cut from the ground: colours and alpha."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.anchors import HeadMesh, build_head_mesh, move_head
from inference.head.behind import draw_sheet
from inference.head.ears import find_ears
from inference.head.form import head_form
from inference.head.shell import fit_shell
from inference.performance.pose import fit_pose
from inference.portrait import Portrait
from inference.warp.contour import sample
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
    own, back = crop(portrait.picture.rgb).astype(np.float32), crop(plate).astype(np.float32)
    exact = (own - (1 - share) * back) / np.maximum(share, 1 / 255)
    p = crop(person).astype(np.float32)
    trust = np.clip((share - 0.15) / 0.15, 0, 1)
    p = np.clip(np.round(p + trust * (exact - p)), 0, 255).astype(np.uint8)
    shell = fit_shell(build_mesh(points, size), a, head_form(), portrait.visible())
    a = fade_outside(a, shell, portrait.visible())
    mesh = build_head_mesh(build_mesh(points, size), shell, find_ears(shell, p, points), size)
    return HeadSource(mesh, warp_source(p, points, mouth=mouth), a, size, (box.x, box.y))


def draw_head(source: HeadSource, target: Points, residual=None, size=None, interpolation=cv2.INTER_CUBIC) -> HeadFrame:
    target = target - np.array([*source.corner, 0], np.float32)
    moved = move_head(source.mesh, target)
    raster = rasterise(source.mesh.flat, moved.mesh, source.size, (GRID, GRID))
    pose = TargetPose(raster, target, fit_pose(source.mesh.flat.points, target).scale)
    pixels, patches = warp(source.person, pose, source.size, residual, interpolation)
    a = warp_plane(source.alpha, pose, source.size, residual).astype(np.float32) / 255
    sheet = moved.behind and draw_sheet(moved.behind, source.size, (GRID, GRID))
    if sheet:
        out = (pixels.shape[1], pixels.shape[0])
        cover = cv2.resize(sheet.cover, out, interpolation=cv2.INTER_LINEAR)
        y, x = np.nonzero((cover > 0.004) & (a < 0.998))
        if len(y):
            at = np.stack([x, y], axis=1).astype(np.float32)
            zoom = np.array([GRID / out[0], GRID / out[1]], np.float32)
            grid_at = (at + 0.5) * zoom - 0.5
            full = carried_on(sheet)
            where = at + sample(full, grid_at, cv2.INTER_LINEAR)
            c = sample(source.person.pixels, where, interpolation).astype(np.float32)
            b = sample(source.alpha, where, cv2.INTER_LINEAR).astype(np.float32) / 255 * cover[y, x]
            a0 = a[y, x]
            total = np.maximum(a0, b)
            share = (a0 / np.maximum(total, 1e-6))[:, None]
            pixels[y, x] = np.round(c + share * (pixels[y, x] - c)).astype(pixels.dtype)
            a[y, x] = total
    return HeadFrame(pixels, a, None, None)


def fade_outside(alpha, shell, visible):
    """Beyond the picture's edge the person goes on as far as the shell does, softly."""
    left, top, right, bottom = visible
    h, w = alpha.shape
    if (left, top, right, bottom) == (0, 0, w, h):
        return alpha
    order = np.argsort(shell.azimuth)
    y, x = np.indices(alpha.shape, np.float32)
    dx, dy = x + 0.5 - shell.center[0], y + 0.5 - shell.center[1]
    limit = np.interp(np.arctan2(dy, dx).ravel(), shell.azimuth[order], shell.edge()[order], period=2 * np.pi).reshape(alpha.shape)
    soft = np.clip((limit - np.hypot(dx, dy)) / (0.15 * shell.unit) + 0.5, 0, 1)
    body = np.clip((dy / shell.unit - 1.4) / 0.6, 0, 1)
    keep = np.maximum(soft, body)
    keep[max(top, 0):bottom, max(left, 0):right] = 1
    return np.round(alpha * keep).astype(np.uint8)


def carried_on(sheet):
    inside = (sheet.cover > 0).astype(np.float32)
    weight = cv2.blur(inside, (5, 5))
    near = cv2.blur(sheet.displacement * inside[..., None], (5, 5)) / np.maximum(weight, 1e-6)[..., None]
    return np.where(inside[..., None] > 0, sheet.displacement, near)
