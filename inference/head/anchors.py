# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the mesh's anchors lie on the shell, and where they go when the head turns.

A flat ring moves as the skull does at the depth of its rest place, so hair that turns out of sight
is squeezed, and what comes into sight is the background dragged along. Here the anchors between
face and outline slide along the shell as the head turns: the outermost is at the outline for every
view, so the matte's own edge stays the edge of the hair, and the skull's far side is filled with
what the portrait shows near its outline.

Small turns are the flat rings', and over a few degrees the one motion gives way to the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.head.behind import BackLook, Sheet, find_look, sheet_behind
from inference.head.ears import find_ears
from inference.head.shell import Shell, camera_of, seam_of
from inference.landmarks import OVAL, SKIN_COUNT
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_both
from inference.warp.mesh import MovedMesh, WarpMesh, move_mesh, with_anchors

Points = NDArray[np.float32]
Array = NDArray[np.float64]

# Where the anchors lie: by angle between the seam (0) and the outline (1), ...
_INSIDE = (0.0, 0.22, 0.45, 0.68, 0.88, 1.0)
# ... then outside of it, in eye distances, where hair's fringe is carried along as it is; the last
# ring is the border, towards which it takes at most this share of the way.
_OUTSIDE = (0.2, 0.7)
_TOWARDS_BORDER = 0.6
# Over these turns (degrees) the flat rings' motion gives way to the head's.
_TURN = (3.0, 8.0)
# Motion of the outline, in eye distances, over which the portrait's own edge gives way.
_STILL = (0.02, 0.12)
# The angle between seam and outline never shrinks below this share of the portrait's.
_LEAST = 0.04
# The seam's own motion fades over this many eye distances.
_SEAM_REACH = 0.6
# A band of hair is drawn out to so many times its width at most; then the sheet behind goes on.
_DRAWN_OUT = 1.7
# Degrees of the skull that must have come into sight before the sheet is all there.
_SHEET_TURN = 12.0
# The back of the head ends in the nape, between rays whose outline points down by these sines.
_NAPE = (0.2, 0.66)


@dataclass(frozen=True)
class HeadMesh:
    """flat: the mesh with its anchors on the shell, moved as flat rings are. shell: as fitted.

    share: (36, 6), how far between seam and outline each anchor of the shell lies, by angle.
    seam: (36, 9) how much of the seam's own motion each anchor takes. ears: (36,) 0 to 1, on
    which rays the outline is an ear's. skull: (36,) the outline's ratio without ears. look: of
    the back of the head.
    """

    flat: WarpMesh
    shell: Shell
    share: Array
    seam: Array
    ears: Array
    skull: Array
    look: BackLook

    def fringe(self) -> Array:
        """Where hair's fringe begins, and where it is carried along no more: two rings around the
        head (2, 36, 2) in pixels of the crop.
        """
        rings = self.flat.vertices[SKIN_COUNT:].reshape(-1, len(OVAL), 3)
        first = len(_INSIDE)
        return np.asarray(rings[[first, first + len(_OUTSIDE) - 1], :, :2], np.float64)

    def border(self) -> Array:
        """The ring that never moves, (36, 2) in pixels of the crop."""
        return np.asarray(self.flat.vertices[-len(OVAL) :, :2], np.float64)


@dataclass(frozen=True)
class MovedHead:
    """mesh: as drawn. deep: how much of the head's own motion is in it, 0 (a small turn) to 1.
    behind: the back of the head, or None. scale: the head's size over the portrait's.
    still: 1 while the head's outline is where the portrait has it, 0 once it has moved.
    pose: of the skull, from where the portrait has it. face: from canonical space.
    """

    mesh: MovedMesh
    deep: float
    behind: Sheet | None
    scale: float
    still: float
    pose: Pose
    face: Pose


def build_head_mesh(
    mesh: WarpMesh, shell: Shell, pixels: NDArray[np.uint8], size: tuple[int, int]
) -> HeadMesh:
    """Lay the anchors of a portrait's mesh on its shell.

    pixels: (H, W, 3) of the crop. size: its (width, height).
    """
    count = len(OVAL)
    rest = mesh.vertices[SKIN_COUNT:].reshape(-1, count, 3).swapaxes(0, 1).astype(np.float64)
    share = np.broadcast_to(np.array(_INSIDE), (count, len(_INSIDE)))
    angle = shell.seam[:, None] + share * (np.pi / 2 - shell.seam)[:, None]
    on_shell = shell.at(angle, share)
    ray = np.stack([np.cos(shell.azimuth), np.sin(shell.azimuth)], axis=1)
    outline = on_shell[:, -1, :2]
    border = rest[:, -1, :2]
    room = np.maximum(((border - outline) * ray).sum(axis=1), 1.0)
    wanted = rest.copy()
    wanted[:, : len(_INSIDE), :2] = on_shell[..., :2]
    for ring, distance in enumerate(_OUTSIDE, len(_INSIDE)):
        out = np.minimum(distance * shell.unit, room * distance / (2 * max(_OUTSIDE)))
        wanted[:, ring, :2] = outline + out[:, None] * ray
    skull = shell.skull[:, None, None]
    placed = rest.copy()
    placed[..., :2] += skull * (wanted - rest)[..., :2]
    placed[:, 0] = rest[:, 0]
    flat = with_anchors(mesh, placed.swapaxes(0, 1).astype(np.float32), size)
    from_seam = np.linalg.norm(placed[..., :2] - placed[:, :1, :2], axis=-1)
    fade = np.clip(1 - from_seam / (_SEAM_REACH * shell.unit), 0, 1)
    ears = find_ears(shell, pixels, mesh.points)
    bare = _without_ears(shell, ears)
    look = find_look(shell, pixels, ears, bare)
    return HeadMesh(flat, shell, share, _smoothstep(fade), ears, bare, look)


def move_head(mesh: HeadMesh, target: Points) -> MovedHead:
    """Lay the mesh over target landmarks (478, 3)."""
    pose, face = fit_both((mesh.flat.points, canonical_face().mean), target)
    flat = move_mesh(mesh.flat, target, pose)
    view = camera_of(pose)
    turn = float(np.degrees(np.arccos(np.clip(-view[2], -1, 1))))
    deep = float(_smoothstep((turn - _TURN[0]) / (_TURN[1] - _TURN[0])))
    if deep == 0:
        return MovedHead(flat, 0.0, None, pose.scale, _still(mesh, flat.vertices), pose, face)
    count, rings = len(OVAL), len(mesh.seam[0])
    anchors = flat.vertices[SKIN_COUNT:].reshape(rings, count, 3).swapaxes(0, 1)
    moved, behind = _on_head(mesh, anchors, pose, view, deep)
    share = deep * mesh.shell.skull[:, None, None]
    mixed = anchors + share * (moved - anchors)
    vertices = flat.vertices.copy()
    vertices[SKIN_COUNT:] = mixed.swapaxes(0, 1).reshape(-1, 3)
    still = _still(mesh, vertices)
    return MovedHead(replace(flat, vertices=vertices), deep, behind, pose.scale, still, pose, face)


def _still(mesh: HeadMesh, vertices: Points) -> float:
    """As `MovedHead.still`, by the ring at the outline."""
    first = SKIN_COUNT + (len(_INSIDE) - 1) * len(OVAL)
    motion = (vertices - mesh.flat.vertices)[first : first + len(OVAL), :2]
    moved = np.linalg.norm(motion, axis=1) / mesh.shell.unit
    return float(1 - _smoothstep((moved.mean() - _STILL[0]) / (_STILL[1] - _STILL[0])))


def _on_head(
    mesh: HeadMesh, anchors: Points, pose: Pose, view: Array, deep: float
) -> tuple[Array, Sheet]:
    """Where the anchors (36, 9, 3) are when they slide on the shell, and the sheet behind them.

    anchors: the flat rings'.
    """
    shell = mesh.shell
    inner = len(_INSIDE)
    # At the seam the shell follows the skin, whatever its expression.
    own = seam_of(mesh.flat.vertices).astype(np.float64)
    gap = (anchors[:, 0] - pose.apply(own))[:, None]

    def placed(opened: Array) -> Array:
        angle = shell.seam[:, None] + mesh.share * opened[:, None]
        return pose.apply(shell.at(angle, mesh.share)) + mesh.seam[:, :inner, None] * gap

    width = np.pi / 2 - shell.seam
    full = np.maximum(shell.outline_angle(view) - shell.seam, _LEAST * width)
    wide = placed(full)
    still = placed(np.minimum(full, width))
    rest = mesh.flat.vertices[SKIN_COUNT:].reshape(-1, len(shell.seam), 3).swapaxes(0, 1)
    slide = _slide(rest[:, :inner], still, wide, pose.scale) * (1 - mesh.ears)
    slide = (np.roll(slide, 1) + 2 * slide + np.roll(slide, -1)) / 4
    seen = np.degrees(full - width)  # by how much the outline has gone round the head
    slide = 1 - (1 - slide) * _smoothstep(seen / _SHEET_TURN)
    short = np.minimum(full, width) + slide * np.maximum(full - width, 0)
    moved = anchors.astype(np.float64)
    moved[:, :inner] = placed(short)
    turned = pose.rotation[:2, :2] @ np.stack([np.cos(shell.azimuth), np.sin(shell.azimuth)])
    turned = (turned / np.maximum(np.linalg.norm(turned, axis=0), 1e-6)).T
    outwards = np.stack([np.cos(shell.azimuth), np.sin(shell.azimuth)], axis=1)
    for ring in range(inner, inner + len(_OUTSIDE)):
        out = np.linalg.norm(rest[:, ring, :2] - rest[:, inner - 1, :2], axis=1)
        motion = moved[:, inner - 1, :2] + pose.scale * out[:, None] * turned - rest[:, ring, :2]
        room = np.linalg.norm(rest[:, -1, :2] - rest[:, ring, :2], axis=1) * _TOWARDS_BORDER
        too_far = np.maximum((motion * outwards).sum(axis=1) - room, 0)
        moved[:, ring, :2] = rest[:, ring, :2] + motion - too_far[:, None] * outwards
        moved[:, ring, 2] = moved[:, inner - 1, 2]
    skull = replace(shell, ratio_outline=mesh.skull)
    angle = (shell.seam + full)[:, None]
    outline = pose.apply(skull.at(angle, np.ones_like(angle)))[:, 0, :2]
    share = np.minimum(4 * (1 - slide), 1) * deep
    center = pose.apply(shell.center)[:2]
    ends = moved[:, inner - 1, :2]
    nape = _smoothstep((_NAPE[1] - np.sin(shell.azimuth)) / (_NAPE[1] - _NAPE[0]))
    outline = ends + nape[:, None] * (outline - ends)
    share = share * np.clip(4 * nape, 0, 1)
    behind = sheet_behind(skull, mesh.look, ends, outline, center, share, pose.scale)
    return moved, behind


def _slide(rest: Points, still: Array, wide: Array, scale: float) -> Array:
    """How far (36,) the outer anchor may slide, 0 to 1, before its band is drawn out too much."""
    own = np.maximum(np.linalg.norm(rest[:, -1, :2] - rest[:, 0, :2], axis=1) * scale, 1.0)
    least = np.linalg.norm(still[:, -1, :2] - still[:, 0, :2], axis=1) / own
    most = np.linalg.norm(wide[:, -1, :2] - wide[:, 0, :2], axis=1) / own
    return np.asarray(np.clip((_DRAWN_OUT - least) / np.maximum(most - least, 1e-3), 0, 1))


def _without_ears(shell: Shell, ears: Array) -> Array:
    """The outline's ratio (36,) on the skull: on an ear's rays that of the hair above."""
    ratio = shell.ratio_outline
    clear = np.where(ears < 0.3, 1.0, 0.0) * (np.sin(shell.azimuth) < 0.5)
    if not clear.any():
        return ratio
    order = np.argsort(shell.azimuth)
    order = order[clear[order] > 0]
    above = np.interp(shell.azimuth, shell.azimuth[order], ratio[order], period=2 * np.pi)
    return np.asarray(ratio + np.clip(ears / 0.3, 0, 1) * (np.minimum(above, ratio) - ratio))


def _smoothstep(x: float | Array) -> Array:
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))
