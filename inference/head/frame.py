# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of a head in depth: the person's colours, alpha, and what was never seen.

The face is the mesh warp's, to the last pixel, and so are eyes and mouth; around it the mesh's
anchors lie on the shell. The sheet at the back of the head is drawn by itself, and only those
pixels are looked up in it that the mesh leaves open.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.anchors import move_head
from inference.head.behind import DrawnSheet, draw_sheet
from inference.head.far_ear import FarEar, draw_far_ear
from inference.head.neck import DrawnNeck, move_neck
from inference.head.source import HeadSource
from inference.performance.face.pose import Pose
from inference.portrait import Portrait
from inference.warp.contour import sample
from inference.warp.moved import Origins, cells, enlarged
from inference.warp.openings import Patch
from inference.warp.raster import Raster, rasterise
from inference.warp.warp import (
    GRID,
    Pixels,
    TargetPose,
    origins_of,
    warp_with_plane,
)

Points = NDArray[np.float32]
Plane = NDArray[np.float32]

# What `HeadFrame.layer` holds, far to near.
NOTHING, BODY, BACK, SHELL, FACE = 0, 1, 2, 3, 4
# Alpha below which there is nothing, and above which nothing shines through.
_NONE, _WHOLE = 1 / 255, 254 / 255
# Skin that is drawn out along a line so many times shows the portrait's rows as streaks; from the
# first on they are blurred across the line, at the second by all of this share of the crop. It
# reaches so far (in cells of the raster) beyond the face's outline, over cheek and ear.
_STREAKS, _SOFTENED, _AROUND, _SEEN = (1.7, 3.0), 0.008, 12, 0.05
_NEAR = 5  # cells that are around the person, and themselves
# Skin and hair that are drawn out to so many times their area (as log2) begin to be made up; at
# the second they are wholly.
_MADE_UP = (0.6, 1.0)


@dataclass(frozen=True)
class HeadPose:
    """One frame's geometry, for any resolution. target: the drawn mesh, and the landmarks.

    sheet: the back of the head, or None. neck: what comes into sight behind the jaw, or None. deep:
    how much of the motion is the head's in depth, 0 (small turns: the flat rings') to 1. still: 1
    while the head is where the portrait has it, else down to 0. streaks: where skin is drawn out
    across and down, (GRID, GRID) 0 to 1, or None. moved: the skull, from where the portrait has it.
    near: (GRID, GRID) 1 where the person is, and around.
    """

    target: TargetPose
    sheet: DrawnSheet | None
    neck: DrawnNeck | None
    streaks: list[Plane | None]
    deep: float
    still: float
    moved: Pose
    near: NDArray[np.uint8]


@dataclass(frozen=True)
class Known:
    """What a frame's pixels are. unseen: (H, W) float32, 1 where the portrait shows nothing of what
    is drawn here. layer: (H, W) uint8, NOTHING to FACE.
    """

    unseen: Plane
    layer: NDArray[np.uint8]


@dataclass(frozen=True)
class HeadFrame:
    """The person alone. pixels: (H, W, 3) of the source's depth, not multiplied with alpha.

    alpha: (H, W) float32, 0 to 1. known: what it is made of, if that was asked for. patches: the
    openings laid in. still: as the pose's. origins: as they were looked up, for the same pose at
    the same resolution.
    """

    pixels: Pixels
    alpha: Plane
    known: Known | None
    patches: list[Patch]
    still: float
    origins: Origins

    @property
    def unseen(self) -> Plane:
        """As of `Known`."""
        assert self.known is not None, "was not asked for"
        return self.known.unseen

    @property
    def layer(self) -> NDArray[np.uint8]:
        """As of `Known`."""
        assert self.known is not None, "was not asked for"
        return self.known.layer


def pose_head(source: HeadSource, target: Points, *, soften: bool = True) -> HeadPose:
    """Move the head to target landmarks (478, 3), in pixels of the crop.

    soften: find where skin is drawn out into streaks.
    """
    moved = move_head(source.mesh, target)
    raster = rasterise(source.mesh.flat, moved.mesh, source.size, (GRID, GRID))
    sheet = draw_sheet(moved.behind, source.size, (GRID, GRID)) if moved.behind else None
    neck = move_neck(source.neck, moved.pose, source.size) if moved.deep else None
    streaks = _streaks(raster, source.size, moved.deep if soften else 0)
    drawn = TargetPose(raster, target, moved.scale, moved.face)
    near = _origin_on(source.covered, raster, source.size)
    near = cv2.dilate(near, np.ones((_NEAR,) * 2, np.uint8))
    return HeadPose(drawn, sheet, neck, streaks, moved.deep, moved.still, moved.pose, near)


def draw_head(
    source: HeadSource,
    pose: HeadPose,
    residual: NDArray[np.float32] | None = None,
    interpolation: int = cv2.INTER_CUBIC,
    patches: list[Patch] | None = None,
    origins: Origins | None = None,
    *,
    know: bool = True,
    counts: NDArray[np.uint8] | None = None,
) -> HeadFrame:
    """Draw a frame at the source's resolution.

    residual: (h, w, 2) further displacement from the generator in pixels of the crop; it moves
    everything but the openings. patches, origins: the openings, and where pixels come from, where
    this pose was drawn at this resolution before. know: also find out what the pixels are. counts:
    (GRID, GRID) 1 where in the frame, and around, they are wanted; None: everywhere.
    """
    origins = origins or origins_of(pose.target, source.person.size, source.size)
    pixels, alpha, patches = warp_with_plane(
        source.person,
        source.with_matte(pose.deep),
        pose.target,
        source.size,
        residual,
        interpolation,
        patches,
        origins,
        pose.near if counts is None else cv2.min(pose.near, counts),
    )
    _soften(pose.streaks, pixels, patches)
    known = _known(source, pose, alpha) if know else None
    if pose.sheet:
        face = pose.target.raster.face
        _lay_behind(source, pose.sheet, face, residual, interpolation, pixels, alpha, known)
    if pose.neck:
        _lay_neck(pose.neck, pose.deep, pixels, alpha, known)
    if source.far_ear and pose.deep > 0:
        _lay_far_ear(source.far_ear, source.size, pose, pixels, alpha, known)
    return HeadFrame(pixels, alpha, known, patches, pose.still, origins)


def lay_head_over(
    portrait: Portrait, plate: Pixels, source: HeadSource, frame: HeadFrame
) -> Pixels:
    """The whole picture (H, W, 3): inside the crop the frame over the plate, else the portrait.

    plate: (H, W, 3) of the portrait's size and depth. source, frame: of the crop's own size. Where
    alpha is 0 the pixels are the plate's, to the last bit; a head that is where it was shows the
    portrait, whatever matte and plate miss of it.
    """
    left, top, right, bottom = portrait.visible()
    box = portrait.box
    whole = portrait.picture.rgb.copy()
    here = np.s_[box.y + top : box.y + bottom, box.x + left : box.x + right]
    part = np.s_[top:bottom, left:right]
    laid = plate[here].astype(np.float32)
    laid += frame.alpha[part][..., None] * (frame.pixels[part] - laid)
    if frame.still > 0:
        laid += np.float32(frame.still) * source.missed[part]
    whole[here] = np.clip(np.round(laid), 0, np.iinfo(whole.dtype).max).astype(whole.dtype)
    return whole


def _known(source: HeadSource, pose: HeadPose, alpha: Plane) -> Known:
    """Of what the mesh draws."""
    raster = pose.target.raster
    size = (alpha.shape[1], alpha.shape[0])
    low, high = _MADE_UP
    drawn_out = np.clip((raster.stretch - low) / (high - low), 0, 1) * np.float32(pose.deep)
    skull = _origin_on(source.skull, raster, source.size)
    made_up = np.where(raster.face > 0, 1 - raster.seen, drawn_out * skull).astype(np.float32)
    kind = np.where(raster.face > 0, FACE, np.where(skull > 0, SHELL, BODY)).astype(np.uint8)
    unseen = cv2.resize(made_up, size, interpolation=cv2.INTER_LINEAR)
    layer = cv2.resize(kind, size, interpolation=cv2.INTER_NEAREST)
    there = alpha > _NONE
    return Known(unseen * there, layer * there.view(np.uint8))


def _streaks(raster: Raster, size: tuple[int, int], deep: float) -> list[Plane | None]:
    """As `HeadPose.streaks`. size: of the crop, (width, height)."""
    if deep == 0:
        return [None, None]
    low, high = _STREAKS
    near = cv2.dilate(raster.face, np.ones((2 * _AROUND + 1,) * 2, np.uint8)).astype(np.float32)
    near = cv2.blur(near, (_AROUND, _AROUND)) * np.float32(deep)
    found: list[Plane | None] = []
    for axis, along in enumerate(((1, 0), (0, 1))):
        kernel = np.array([[-0.5, 0, 0.5]], np.float32) * np.float32(GRID / size[axis])
        sloping = kernel if axis == 0 else kernel.T
        slope = cv2.filter2D(raster.displacement, -1, sloping, borderType=cv2.BORDER_REPLICATE)
        slope = cv2.add(slope, along)
        drawn_out = 1 / np.maximum(cv2.magnitude(*cv2.split(slope)), np.float32(1e-3))
        share = np.clip((drawn_out - low) / (high - low), 0, 1).astype(np.float32) * near
        share = cv2.blur(share, (5, 5))
        found.append(share if (share > _SEEN).any() else None)
    return found


def _soften(streaks: list[Plane | None], pixels: Pixels, patches: list[Patch]) -> None:
    """Take the streaks out of skin that is drawn out, in place; eyes and mouth are no skin."""
    if all(share is None for share in streaks):
        return
    height, width = pixels.shape[:2]
    openings = [(patch, _under(patch, pixels).copy()) for patch in patches]
    for axis, share in enumerate(streaks):
        if share is None:
            continue
        zoom = np.array([width, height]) / share.shape[1]
        left, top, across, down = cv2.boundingRect((share > _SEEN / 4).view(np.uint8))
        first = np.floor(np.array([left, top]) * zoom).astype(int)
        last = np.ceil(np.array([left + across, top + down]) * zoom).astype(int)
        here = np.s_[first[1] : last[1], first[0] : last[0]]
        part = share[top : top + down, left : left + across]
        weight = cv2.resize(part, tuple((last - first).tolist()), interpolation=cv2.INTER_LINEAR)
        sigma = _SOFTENED * (height if axis == 0 else width)
        sigmas = (0.01, sigma) if axis == 0 else (sigma, 0.01)
        soft = cv2.GaussianBlur(pixels[here], (0, 0), sigmas[0], sigmaY=sigmas[1])
        mixed = pixels[here].astype(np.float32)
        mixed += weight[..., None] * (soft - mixed)
        pixels[here] = np.round(mixed).astype(pixels.dtype)
    for patch, sharp in openings:
        under = _under(patch, pixels)
        laid = under + patch.mask[..., None] * (sharp.astype(np.float32) - under)
        under[:] = np.round(laid).astype(pixels.dtype)


def _under(patch: Patch, pixels: Pixels) -> Pixels:
    height, width = patch.mask.shape
    return pixels[patch.top : patch.top + height, patch.left : patch.left + width]


def _origin_on(
    plane: NDArray[np.uint8], raster: Raster, crop_size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A plane of the raster's grid over the crop, moved as the mesh is."""
    rows, columns = plane.shape
    zoom = np.array([columns, rows], np.float32) / np.array(crop_size, np.float32)
    where = cv2.multiply(raster.displacement, (*zoom.tolist(), 0, 0))
    where += cells(columns, rows)
    return np.asarray(cv2.remap(plane, where, None, cv2.INTER_NEAREST, None, cv2.BORDER_REPLICATE))


def _lay_behind(
    source: HeadSource,
    sheet: DrawnSheet,
    face: NDArray[np.uint8],
    residual: NDArray[np.float32] | None,
    interpolation: int,
    pixels: Pixels,
    alpha: Plane,
    known: Known | None,
) -> None:
    """Lay the sheet behind what is drawn, in place. face: of the raster."""
    height, width = alpha.shape
    rows, columns = sheet.cover.shape
    cover = cv2.resize(sheet.cover, (width, height), interpolation=cv2.INTER_LINEAR)
    front = cv2.resize(sheet.front, (width, height), interpolation=cv2.INTER_LINEAR)
    left, top, across, down = cv2.boundingRect((cover > _NONE).view(np.uint8))
    if not across:
        return
    here = np.s_[top : top + down, left : left + across]
    face = cv2.resize(face, (width, height), interpolation=cv2.INTER_NEAREST)[here]
    face = cv2.dilate(face * (alpha[here] > _NONE).view(np.uint8), np.ones((3, 3), np.uint8))
    # What is of one matter with the sheet dissolves into it; the face stays.
    stays = alpha[here] * np.maximum(face, 1 - cover[here] * (1 - front[here]))
    found = cv2.findNonZero(((cover[here] > _NONE) & (stays < _WHOLE)).view(np.uint8))
    if found is None:
        return
    at = found[:, 0]
    remains = stays[at[:, 1], at[:, 0]]
    at = at + np.array([left, top], np.int32)
    column, row = at.T
    zoom = np.array([width, height], np.float32) / np.array(source.size, np.float32)
    cell = (at + np.float32(0.5)) * np.array([columns / width, rows / height], np.float32) - 0.5
    where = at + sample(sheet.displacement, cell.astype(np.float32), cv2.INTER_LINEAR) * zoom
    if residual is not None:
        where += enlarged(residual, (width, height), source.size)[row, column]
    where = where.astype(np.float32)
    colours = sample(source.person.pixels, where, interpolation).astype(np.float32)
    gain = sample(sheet.gain, cell.astype(np.float32), cv2.INTER_LINEAR)[:, None]
    colours = np.clip(colours * gain, 0, np.iinfo(pixels.dtype).max)
    behind = sample(source.alpha, where, cv2.INTER_LINEAR) * np.float32(1 / 255)
    least = sample(sheet.whole, cell.astype(np.float32), cv2.INTER_LINEAR)
    behind = np.maximum(behind, least) * cover[row, column]
    total = np.maximum(alpha[row, column], behind)
    # Both edges are the same hair's: what is behind adds to it, and is not seen through it.
    share = remains / np.maximum(total, np.float32(1e-6))
    mixed = colours + share[:, None] * (pixels[row, column] - colours)
    pixels[row, column] = np.round(mixed).astype(pixels.dtype)
    alpha[row, column] = total
    if known:
        there = total > _NONE
        known.unseen[row, column] = share * known.unseen[row, column] + (1 - share) * there
        before = known.layer[row, column]
        known.layer[row, column] = np.where((share < 0.5) & there, BACK, before)


def _lay_far_ear(
    ear: FarEar,
    crop_size: tuple[int, int],
    pose: HeadPose,
    pixels: Pixels,
    alpha: Plane,
    known: Known | None,
) -> None:
    """Lay the far ear over hair and ground, behind the face, in place."""
    drawn = draw_far_ear(ear, pose.moved, crop_size, alpha.shape)
    if drawn is None:
        return
    tall, wide = drawn.alpha.shape
    here = np.s_[drawn.top : drawn.top + tall, drawn.left : drawn.left + wide]
    row, column = (
        np.arange(first, first + count) * GRID // side
        for first, count, side in zip(
            (drawn.top, drawn.left), (tall, wide), alpha.shape, strict=True
        )
    )
    face = cv2.blur(pose.target.raster.face[np.ix_(row, column)].astype(np.float32), (3, 3))
    share = drawn.alpha * np.float32(pose.deep) * (1 - face)
    mixed = pixels[here] + share[..., None] * (drawn.pixels.astype(np.float32) - pixels[here])
    pixels[here] = np.round(mixed).astype(pixels.dtype)
    alpha[here] = np.maximum(alpha[here], share)
    if known:
        known.unseen[here] += share * (1 - known.unseen[here])
        known.layer[here] = np.where(share > 0.5, SHELL, known.layer[here])


def _lay_neck(
    neck: DrawnNeck,
    deep: float,
    pixels: Pixels,
    alpha: Plane,
    known: Known | None,
) -> None:
    """Lay the neck behind what is drawn, in place."""
    size = (alpha.shape[1], alpha.shape[0])
    share = cv2.resize(neck.alpha * np.float32(deep), size, interpolation=cv2.INTER_LINEAR)
    found = cv2.findNonZero(((share > _NONE) & (alpha < _WHOLE)).view(np.uint8))
    if found is None:
        return
    column, row = found[:, 0].T
    zoom = np.array(neck.alpha.shape[::-1], np.float32) / np.array(size, np.float32)
    cell = (found[:, 0] + np.float32(0.5)) * zoom - 0.5
    colours = sample(neck.colours, cell.astype(np.float32), cv2.INTER_LINEAR)
    if pixels.dtype != np.uint8:
        colours = colours * np.float32(257)
    own = alpha[row, column]
    behind = (1 - own) * share[row, column]
    total = np.maximum(own + behind, np.float32(1e-6))
    mixed = pixels[row, column] + (behind / total)[:, None] * (colours - pixels[row, column])
    pixels[row, column] = np.round(mixed).astype(pixels.dtype)
    alpha[row, column] = own + behind
    if known:
        known.unseen[row, column] += (behind / total) * (1 - known.unseen[row, column])
        known.layer[row, column] = np.where(behind > own, BODY, known.layer[row, column])
