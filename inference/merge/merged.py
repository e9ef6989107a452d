# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay the further pictures' heads into a frame of the leading one, pixel by pixel as they count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.frame import HeadFrame, HeadPose, Known, draw_head, pose_head
from inference.head.source import HeadSource
from inference.merge.further import Further, zoomed
from inference.merge.look import Look, apart, look_of
from inference.merge.weights import Shown, candidates, find_weights, head_region, mixed_raster
from inference.planes import bands, rounded, times
from inference.warp.openings import Patch
from inference.warp.raster import Raster
from inference.warp.warp import GRID, find_patches

Points = NDArray[np.float32]
Plane = NDArray[np.float32]

_LEAST = 1e-4  # a weight below it is not seen
_MARGIN = 9  # cells: a picture is drawn four cells further than it counts


@dataclass(frozen=True)
class Pictures:
    """All pictures of a person. leading: the portrait's head; further: the others. looks: of the
    leading picture, then of the further ones.
    """

    leading: HeadSource
    further: tuple[Further, ...]
    looks: list[Look]


@dataclass(frozen=True)
class Part:
    """One further picture's part in a frame: where it goes, and its weight (GRID, GRID)."""

    picture: Further
    pose: HeadPose
    weight: Plane


@dataclass(frozen=True)
class Merge:
    """What a frame is made of beside the leading picture. raster: the leading picture's, its
    stretch and visibility as in the pictures of which each pixel is made.
    """

    parts: list[Part]
    raster: Raster

    def leading(self) -> NDArray[np.uint8] | None:
        """Where the leading picture counts, and around: (GRID, GRID); None: everywhere."""
        if not self.parts:
            return None
        others = np.sum([part.weight for part in self.parts], axis=0)
        return _around(others < 1 - _LEAST)


def gather(leading: HeadSource, further: Sequence[Further]) -> Pictures:
    """The leading head, in the crop's own size, and the further pictures laid beside it."""
    reference = leading.mesh.flat.points
    faces = (reference, *(each.points for each in further))
    return Pictures(leading, tuple(further), [look_of(face, reference) for face in faces])


def plan(pictures: Pictures, leading: HeadPose) -> Merge:
    """Which pictures a frame is made of, and where. leading: the pose of the leading head."""
    reference, target = pictures.leading.mesh.flat.points, leading.target
    look = look_of(target.points, reference)
    distances = [apart(look, other) for other in pictures.looks]
    shares = candidates(distances)
    shown, used = [Shown(distances[0], shares[0], target.raster)], []
    for each, distance, share in zip(pictures.further, distances[1:], shares[1:], strict=True):
        if share > 0:
            # Skin that is drawn out counts for little: its streaks need no softening.
            there = zoomed(target.points, pictures.leading.size, each.full.size)
            pose = pose_head(each.full, there, soften=False)
            shown.append(Shown(distance, share, pose.target.raster, each.same_hair))
            used.append((each, pose))
    zoom = np.float32(GRID) / np.array(pictures.leading.size, np.float32)
    points = target.points[:, :2] * zoom
    center = pictures.leading.mesh.shell.center
    region = head_region(points, leading.moved, center, zoom, GRID)
    weights = find_weights(shown, points, region)
    parts = [
        Part(each, pose, weight)
        for (each, pose), weight in zip(used, weights[1:], strict=True)
        if weight.any()
    ]
    return Merge(parts, mixed_raster(weights, shown))


def lay_parts(
    merge: Merge,
    frame: HeadFrame,
    *,
    small: bool = False,
    residual: Plane | None = None,
    interpolation: int = cv2.INTER_CUBIC,
) -> HeadFrame:
    """The frame with the parts laid in.

    frame: the leading head, drawn at the crop's own size, or with `small` at the network's.
    residual, interpolation: as it was drawn with.
    """
    if not merge.parts:
        return frame
    size = (frame.alpha.shape[1], frame.alpha.shape[0])
    weights = [cv2.resize(part.weight, size) for part in merge.parts]
    others = np.sum(weights, axis=0, dtype=np.float32)
    left, top, width, height = cv2.boundingRect((others > 0).view(np.uint8))
    here = np.s_[top : top + height, left : left + width]
    own = 1 - others
    patches = weighted(frame.patches, own)
    know = frame.known is not None
    drawn = []
    for part, weight in zip(merge.parts, weights, strict=True):
        source = part.picture.small if small else part.picture.full
        openings = _openings(part, source, weight, frame.patches)
        moved = None
        if residual is not None:
            moved = residual * (np.array(source.size, np.float32) / np.array(size, np.float32))
        head = draw_head(
            source,
            part.pose,
            moved,
            interpolation,
            openings,
            know=know,
            counts=_around(part.weight > 0),
        )
        head = _fitted(head, size)
        patches += weighted(head.patches, weight)
        drawn.append(head)
    heads = (frame, *drawn)
    planes = frame.pixels.copy(), frame.alpha.copy()
    unseen = frame.known.unseen.copy() if frame.known else None
    for band in bands((width, height)):
        rows = slice(top + band.start, top + band.stop), here[1]
        shares = [
            plane[rows] * head.alpha[rows]
            for plane, head in zip((own, *weights), heads, strict=True)
        ]
        alpha = np.sum(shares, axis=0, dtype=np.float32)
        # Where nothing is drawn the leading picture's colours stand, as they do without others.
        there = alpha > np.float32(1e-4)
        divisor = 1 / np.where(there, alpha, np.float32(1))
        colours = times(frame.pixels[rows], shares[0])
        for share, head in zip(shares[1:], drawn, strict=True):
            colours += times(head.pixels[rows], share)
        mixed = rounded(times(colours, divisor), frame.pixels.dtype)
        cv2.copyTo(mixed, there.view(np.uint8), planes[0][rows])
        np.minimum(alpha, 1, out=planes[1][rows])
        if unseen is not None:
            summed = sum(
                share * head.unseen[rows] for share, head in zip(shares, heads, strict=True)
            )
            unseen[rows] = summed * divisor
    known = frame.known
    if known and unseen is not None:
        known = replace(known, unseen=unseen)
    return replace(frame, pixels=planes[0], alpha=planes[1], known=known, patches=patches)


def _around(cells: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return cv2.dilate(cells.view(np.uint8), np.ones((_MARGIN, _MARGIN), np.uint8))


def _openings(
    part: Part, source: HeadSource, weight: Plane, leading: Sequence[Patch]
) -> list[Patch]:
    """The part's openings at the source's size, if they are seen.

    leading: those of the leading head, which are where these are: teeth are drawn once for all.
    """
    if not weighted(leading, weight):
        return []
    same = source.person.size == (weight.shape[1], weight.shape[0])
    drawn = next((patch for patch in leading if same and patch.paint is not None), None)
    return find_patches(source.person, part.pose.target, source.size, drawn)


def weighted(patches: Sequence[Patch], weight: Plane) -> list[Patch]:
    """The openings, each as far as its picture counts; none of those that are not seen."""
    found = []
    for patch in patches:
        height, width = patch.mask.shape
        mask = patch.mask * weight[patch.top : patch.top + height, patch.left : patch.left + width]
        if mask.any():
            found.append(replace(patch, mask=mask))
    return found


def _fitted(frame: HeadFrame, size: tuple[int, int]) -> HeadFrame:
    if (frame.alpha.shape[1], frame.alpha.shape[0]) == size:
        return frame
    known = frame.known
    if known:
        layer = cv2.resize(known.layer, size, interpolation=cv2.INTER_NEAREST)
        known = Known(cv2.resize(known.unseen, size), layer)
    pixels = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_CUBIC)
    alpha = cv2.resize(frame.alpha, size)
    return replace(frame, pixels=pixels, alpha=alpha, known=known, patches=[])
