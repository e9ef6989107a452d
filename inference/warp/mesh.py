# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait's warp mesh: its face, and rings of anchors around it for hair, neck and border.

The mesh is a disc: 852 triangles of skin, 46 that close eyes and mouth, and rings of anchors
that lead from the face's outline to a border that never moves. A map of a disc that leaves the
border where it is covers every point with at least one triangle that was not turned over; so
triangles that turn over can be hidden, and there is never a hole.

A portrait that is turned hides a part of itself behind its far cheek: there the outline lies inside
the silhouette. The rings begin at the silhouette, with a hidden band between it and the outline;
what comes to light when the head turns back, `inference.warp.hidden` knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.landmarks import OVAL, SKIN_COUNT, face_triangles, hole_triangles
from inference.performance.face.pose import Pose, fit_pose
from inference.warp.hidden import Hidden, find_hidden

Points = NDArray[np.float32]

# Where the rings lie between the silhouette (0) and the border (1).
RINGS = (0.0, 0.07, 0.16, 0.27, 0.4, 0.55, 0.7, 0.85, 1.0)
# How far hair reaches beyond the outline and moves with the skull, in units of the face's height:
# above the head, and at its sides; below the chin there is only the neck, which yields at once.
_HAIR_ABOVE, _HAIR_BESIDE = 0.42, 0.2
# The outline's own motion (the jaw's, above all) fades within this share of the face's height.
_SKIN_REACH = 0.22
# The border lies inside the crop by this share of its side: the feather fades over still pixels.
BORDER = 0.04


@dataclass(frozen=True)
class WarpMesh:
    """points: the portrait's 478 landmarks in pixels of the crop.

    vertices: (V, 3) float32, skin then anchors, ring by ring; z as the landmarks'.
    rigid: (A,) share with which each anchor follows the skull; skin: (A,) share of what is then
    taken from the nearest outline point's own motion instead.
    hidden: what lies between outline and silhouette.
    """

    points: Points
    vertices: Points
    rigid: NDArray[np.float32]
    skin: NDArray[np.float32]
    hidden: Hidden


@dataclass(frozen=True)
class MovedMesh:
    """vertices: (V, 3) float32, where the mesh goes. texture: (V, 2) float32, where in the crop
    the pixels at each vertex come from: its own place, but for parts that the portrait hides.
    """

    vertices: Points
    texture: Points


def build_mesh(points: Points, size: tuple[int, int]) -> WarpMesh:
    """Lay the mesh over a portrait.

    points: (478, 3) landmarks in pixels of the crop. size: the crop's (width, height). Where the
    crop reaches beyond the picture the mesh does too: a head may move out of the picture, and
    what moves in is the picture mirrored at its edge.
    """
    oval = points[list(OVAL)]
    hidden = find_hidden(points)
    rays = hidden.rays.astype(np.float32)
    start = oval[:, :2] + rays * hidden.width[:, None].astype(np.float32)
    reach = _distance_to_border(start, rays, size)
    rings = np.stack([start + rays * (ring * reach)[:, None] for ring in RINGS])
    mix = np.minimum(1.0, np.array(RINGS, np.float32) * 4)[:, None]
    # Hair is seen where the skull's outline is, about as deep as the ears.
    z = (1 - mix) * oval[:, 2] + mix * np.quantile(oval[:, 2], 0.8)
    return _mesh(points, hidden, np.concatenate([rings, z[..., None]], axis=2), size)


def with_anchors(mesh: WarpMesh, anchors: Points, size: tuple[int, int]) -> WarpMesh:
    """The same mesh with its anchors (9, 36, 3) elsewhere, ring by ring; the first stays.

    They move as any anchor so far from the face does. size: the crop's (width, height).
    """
    return _mesh(mesh.points, mesh.hidden, anchors, size)


def _mesh(points: Points, hidden: Hidden, anchors: Points, size: tuple[int, int]) -> WarpMesh:
    height = float(np.ptp(points[list(OVAL), 1]))
    rays = hidden.rays.astype(np.float32)
    start = anchors[0, :, :2]
    reach = _distance_to_border(start, rays, size)
    # up: 1 straight above the face, 0 at its sides, -1 below.
    up = -rays[:, 1]
    hair = np.interp(up, [-0.35, 0.1, 0.8], [0.0, _HAIR_BESIDE, _HAIR_ABOVE]) * height
    still = np.minimum(hair, 0.6 * reach)  # where the fading begins
    distance = np.linalg.norm(anchors[..., :2] - start, axis=2)
    rigid = _fade((distance - still) / np.maximum(reach - still, 1e-3))
    rigid[-1] = 0  # the border never moves
    skin = 1 - _smoothstep(distance / np.minimum(_SKIN_REACH * height, reach))
    return WarpMesh(
        points,
        np.concatenate([points[:SKIN_COUNT], anchors.reshape(-1, 3)]).astype(np.float32),
        rigid.reshape(-1).astype(np.float32),
        skin.reshape(-1).astype(np.float32),
        hidden,
    )


def move_mesh(mesh: WarpMesh, target: Points, pose: Pose | None = None) -> MovedMesh:
    """Lay the mesh over target landmarks (478, 3); all in pixels of the crop.

    pose: from the portrait's landmarks to the target's, where it is known already.
    """
    anchors = mesh.vertices[SKIN_COUNT:]
    pose = pose or fit_pose(mesh.points, target)
    skull = pose.apply(anchors) - anchors
    outline = np.tile((target - mesh.points)[list(OVAL)], (len(RINGS), 1))
    own = mesh.skin[:, None]
    motion = own * outline + (1 - own) * skull
    motion[:, :2] += np.tile(mesh.hidden.shift(target, pose), (len(RINGS), 1))
    motion *= mesh.rigid[:, None]
    texture = mesh.vertices[:, :2].copy()
    texture[:SKIN_COUNT] = mesh.hidden.texture(mesh.vertices[:SKIN_COUNT], pose)
    return MovedMesh(
        np.concatenate([target[:SKIN_COUNT], (anchors + motion).astype(np.float32)]), texture
    )


@cache
def mesh_triangles() -> NDArray[np.int32]:
    """All triangles (T, 3): the band behind the cheek, the rings from the border inwards, then
    skin, eyes and mouth.
    """
    count = len(OVAL)
    loops = [np.array(OVAL)]
    loops += [SKIN_COUNT + ring * count + np.arange(count) for ring in range(len(RINGS))]
    rows = []
    hidden, *rings = zip(loops, loops[1:], strict=False)
    for inner, outer in (hidden, *reversed(rings)):
        following = np.roll(np.arange(count), -1)
        rows.append(np.column_stack([inner, inner[following], outer]))
        rows.append(np.column_stack([inner[following], outer[following], outer]))
    return np.concatenate([*rows, face_triangles(), hole_triangles()]).astype(np.int32)


@cache
def ring_triangle_count() -> int:
    """How many of `mesh_triangles` belong to the rings; they come first."""
    return 2 * len(OVAL) * len(RINGS)


def _distance_to_border(points: Points, rays: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """How far along its ray each point (N, 2) is from the border, at least two pixels."""
    high = np.array(size, np.float32) * (1 - BORDER)
    low = np.array(size, np.float32) * BORDER
    with np.errstate(divide="ignore"):
        steps = np.where(rays > 0, (high - points) / rays, (low - points) / rays)
    return np.maximum(np.nanmin(np.where(rays == 0, np.inf, steps), axis=1), 2.0)


def _fade(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 to 0 over x = 0 to 1, gentler than a smoothstep: straight lines behind bend the less."""
    return 1 - (np.clip(x, 0, 1) + _smoothstep(x)) / 2


def _smoothstep(x: NDArray[np.floating]) -> NDArray[np.floating]:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
