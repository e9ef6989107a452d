# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp a portrait's crop to target landmarks, at any resolution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.landmarks import LIPS_LOWER, LIPS_UPPER
from inference.mouth.inside import MouthPlace, find_place
from inference.mouth.own import OwnTeeth, find_own_teeth
from inference.mouth.paint import TEETH, find_palette
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose
from inference.pictures import rescaled
from inference.planes import bands
from inference.warp.closed import Closed, close_openings, lay_closed
from inference.warp.contour import Contour, find_contour, sample
from inference.warp.mesh import WarpMesh, move_mesh
from inference.warp.mouths import OpenMouth
from inference.warp.openings import Patch, eye_patches, mouth_patch
from inference.warp.raster import Raster, rasterise

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# The grid on which the mesh is drawn; finer ones cost time and show no difference, since what
# must be sharp (lids, lips) lies in patches of the output's own resolution.
GRID = 256
# Cells around the lips in which creases are rounded, and how far.
_LIP_ROOM, _LIP_CREASE = 6, 1.0


@dataclass(frozen=True)
class WarpSource:
    """A portrait's crop at one resolution.

    pixels: (H, W, 3) uint8 or uint16. points: (478, 3) in pixels of it. palette: (4, 3) the mouth's
    colours in the pixels' range. place: of its teeth. closed: its mouth and eyes. mouth: another
    picture to take the mouth's inside from. grain: (S, S, 3) around 0, of which what is drawn gets
    its share, or None.
    """

    pixels: Pixels
    points: Points
    palette: NDArray[np.float32]
    place: MouthPlace
    closed: tuple[Closed, ...]
    mouth: OpenMouth | None = None
    grain: NDArray[np.float32] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def coloured(self, pixels: Pixels) -> WarpSource:
        """The same face in other colours (H, W, 3); what is drawn into its mouth keeps its own."""
        return replace(self, pixels=pixels, closed=close_openings(pixels, self.points))

    @cached_property
    def own_teeth(self) -> OwnTeeth:
        """What is seen of teeth where the mouth's inside is taken from."""
        shown = self.mouth or self
        return find_own_teeth(shown.pixels, shown.points, self.palette[TEETH])


@dataclass(frozen=True)
class TargetPose:
    """Where everything goes in one frame: the drawn mesh, and the landmarks in crop pixels.

    scale: the head's size over the portrait's.
    """

    raster: Raster
    points: Points
    scale: float

    @cached_property
    def pose(self) -> Pose:
        """Of the landmarks, from canonical space."""
        return fit_pose(canonical_face().mean, self.points.astype(np.float32))


@dataclass(frozen=True)
class Origins:
    """Where the pixels of one frame come from at one resolution, before the generator moves them.

    motion: (H, W, 2) float32, source less target position in pixels of the output. contour: the
    face's, or None where nothing is hidden.
    """

    motion: NDArray[np.float32]
    contour: Contour | None


def warp_source(
    pixels: Pixels,
    points: Points,
    size: tuple[int, int] | None = None,
    mouth: OpenMouth | None = None,
) -> WarpSource:
    """The crop (H, W, 3) with its landmarks (478, 3), resized to `size` (width, height).

    mouth: another picture to take the mouth's inside from.
    """
    if size and size != (pixels.shape[1], pixels.shape[0]):
        if mouth:
            mouth = mouth.resized(size[0] / pixels.shape[1])
        zoom = np.array([size[0] / pixels.shape[1], size[1] / pixels.shape[0], 1], np.float32)
        pixels, points = rescaled(pixels, float(zoom[0]), size), points * zoom
    palette, place = find_palette(pixels, points), find_place(points)
    return WarpSource(pixels, points, palette, place, close_openings(pixels, points), mouth)


def pose_target(mesh: WarpMesh, target: Points, crop_size: tuple[int, int]) -> TargetPose:
    """Move the mesh to target landmarks (478, 3), in pixels of the crop of `crop_size`."""
    raster = rasterise(mesh, move_mesh(mesh, target), crop_size, (GRID, GRID))
    return TargetPose(raster, target, fit_pose(mesh.points, target).scale)


def warp(
    source: WarpSource,
    target: TargetPose,
    crop_size: tuple[int, int],
    residual: NDArray[np.float32] | None = None,
    interpolation: int = cv2.INTER_CUBIC,
) -> tuple[Pixels, list[Patch]]:
    """The warped crop (H, W, 3) at the source's resolution, and the patches laid into it.

    residual: (h, w, 2) further displacement from the generator in pixels of the crop; it moves
    everything but the patches.
    """
    extra = None if residual is None else enlarged(residual, source.size, crop_size)
    origins = find_origins(target, source.size, crop_size)
    warped, where = _moved(source.pixels, origins, extra, interpolation)
    _lay_closed(warped, source, target, crop_size, where)
    patches = find_patches(source, target, crop_size)
    _lay_openings(warped, source, patches, interpolation)
    return warped, patches


def warp_with_plane(
    source: WarpSource,
    plane: NDArray[np.uint8],
    target: TargetPose,
    crop_size: tuple[int, int],
    residual: NDArray[np.float32] | None = None,
    interpolation: int = cv2.INTER_CUBIC,
    patches: list[Patch] | None = None,
    origins: Origins | None = None,
) -> tuple[Pixels, NDArray[np.float32], list[Patch]]:
    """As `warp`, with a channel (H, W) of 8 bits that goes the same way, such as a matte: then
    (H, W) from 0 to 1; openings play no part in it. One lookup for both. patches, origins: of the
    same source and target, where they were found before.
    """
    extra = None if residual is None else enlarged(residual, source.size, crop_size)
    deep = source.pixels.dtype == np.uint16
    fourth = plane.astype(np.uint16) * np.uint16(257) if deep else plane
    four = cv2.insertChannel(fourth, cv2.cvtColor(source.pixels, cv2.COLOR_RGB2RGBA), 3)
    origins = origins or find_origins(target, source.size, crop_size)
    moved, where = _moved(four, origins, extra, interpolation)
    warped = cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB)
    _lay_closed(warped, source, target, crop_size, where)
    share = cv2.extractChannel(moved, 3).astype(np.float32)
    share /= np.float32(np.iinfo(moved.dtype).max)
    found = find_patches(source, target, crop_size) if patches is None else patches
    _lay_openings(warped, source, found, interpolation)
    return warped, share, found


def find_patches(
    source: WarpSource,
    target: TargetPose,
    crop_size: tuple[int, int],
    drawn: Patch | None = None,
) -> list[Patch]:
    """The openings of a frame at the source's resolution: eyes, and the mouth where it is open.

    drawn: the mouth of the same target and resolution, as found for another picture of the person.
    """
    size = source.size
    zoom = np.array(size, np.float32) / np.array(crop_size, np.float32)
    points = target.points * np.append(zoom, zoom[0])
    patches = eye_patches(source.points, points, target.scale, size)
    inside = source.mouth or OpenMouth(source.pixels, source.points)
    pose = target.pose.zoomed(np.append(zoom, zoom[0]))
    mouth = mouth_patch(inside.points, points, target.scale, size, source.place, drawn, pose)
    if mouth:
        patches.append(mouth)
    return patches


def _lay_closed(
    warped: Pixels,
    source: WarpSource,
    target: TargetPose,
    crop_size: tuple[int, int],
    where: NDArray[np.float32],
) -> None:
    points = target.points[:, :2] * (np.array(source.size, np.float32) / np.array(crop_size))
    lay_closed(warped, source.closed, where, source.points, points, target.scale)


def _lay_openings(
    warped: Pixels, source: WarpSource, patches: list[Patch], interpolation: int
) -> None:
    """Lay eyes and mouth into the warped crop, in place."""
    for patch in patches:
        is_mouth = patch.paint is not None
        pixels = source.mouth.pixels if is_mouth and source.mouth else source.pixels
        _lay(warped, pixels, source, patch, interpolation)


def warp_plane(
    plane: NDArray[np.uint8] | NDArray[np.uint16],
    target: TargetPose,
    crop_size: tuple[int, int],
    residual: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Warp a single channel (H, W) of the crop, such as its alpha; openings play no part."""
    size = (plane.shape[1], plane.shape[0])
    extra = None if residual is None else enlarged(residual, size, crop_size)
    origins = find_origins(target, size, crop_size)
    return _moved(plane, origins, extra, cv2.INTER_LINEAR)[0]


def _moved(
    pixels: Pixels,
    origins: Origins,
    extra: NDArray[np.float32] | None,
    interpolation: int,
) -> tuple[Pixels, NDArray[np.float32]]:
    """A picture (H, W, ...) of the crop, warped; face and background meet at a soft edge. And
    which pixel index each pixel came from, (H, W, 2).
    """
    where = np.empty_like(origins.motion)
    warped = np.empty_like(pixels)
    for rows in bands((where.shape[1], where.shape[0])):
        here = where[rows]
        cells = cv2.add(_cells(where.shape[1], rows.stop - rows.start), (0, rows.start, 0, 0))
        if extra is None:
            np.add(origins.motion[rows], cells, out=here)
        else:
            np.add(origins.motion[rows], extra[rows], out=here)
            here += cells
        cv2.remap(pixels, here, None, interpolation, warped[rows], cv2.BORDER_REPLICATE)
    contour = origins.contour
    if contour is None:
        return warped, where
    column, row = contour.at.T
    here = contour.at.astype(np.float32)
    if extra is not None:
        here += extra[row, column]
    front, back = (
        sample(pixels, here + layer, interpolation).astype(np.float32).reshape(len(here), -1)
        for layer in (contour.front, contour.back)
    )
    mixed = np.round(back + contour.share * (front - back))
    warped[row, column] = mixed.reshape(-1, *pixels.shape[2:]).astype(pixels.dtype)
    return warped, where


@lru_cache(8)
def _cells(width: int, height: int) -> NDArray[np.float32]:
    """Column and row of each pixel, (height, width, 2)."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def enlarged(
    residual: NDArray[np.float32], size: tuple[int, int], crop_size: tuple[int, int]
) -> NDArray[np.float32]:
    """The generator's displacement for an output of `size`, in its pixels: (height, width, 2)."""
    zoom = np.array(size, np.float32) / np.array(crop_size, np.float32)
    return cv2.resize(residual * zoom, size, interpolation=cv2.INTER_LINEAR)


def find_origins(target: TargetPose, size: tuple[int, int], crop_size: tuple[int, int]) -> Origins:
    """size: the output's (width, height), crop_size: the crop's."""
    zoom = np.array(size, np.float32) / np.array(crop_size, np.float32)
    motion = target.raster.displacement * zoom
    if size[0] > motion.shape[1]:
        _smooth_lips(motion, target.points[:, :2] / np.array(crop_size, np.float32))
    motion = cv2.resize(motion, size, interpolation=cv2.INTER_LINEAR)
    return Origins(motion, find_contour(target.raster, size, zoom))


def _smooth_lips(motion: NDArray[np.float32], points: NDArray[np.float32]) -> None:
    """Round the mesh's creases along the lips by a cell, in place.

    Between two cells a crease lies now here, now there: enlarged, a lip's edge is a zigzag. motion:
    (G, G, 2); points: (478, 2) in units of its sides.
    """
    side = motion.shape[0]
    lips = points[[*LIPS_UPPER, *LIPS_LOWER]] * side
    low, high = lips.min(axis=0) - _LIP_ROOM, lips.max(axis=0) + _LIP_ROOM
    left, top = np.clip(np.floor(low).astype(int), 0, side)
    right, bottom = np.clip(np.ceil(high).astype(int), 0, side)
    here = motion[top:bottom, left:right]
    if min(here.shape[:2]) <= 2 * _LIP_ROOM:
        return
    outline = np.round((lips - (left, top) - 0.5) * 16).astype(np.int32)
    share = np.zeros(here.shape[:2], np.uint8)
    cv2.fillConvexPoly(share, cv2.convexHull(outline), 255, cv2.LINE_8, 4)
    share = cv2.dilate(share, None, iterations=_LIP_ROOM // 2)
    soft = cv2.GaussianBlur(share, (0, 0), _LIP_ROOM / 6).astype(np.float32)[..., None] / 255
    here += soft * (cv2.GaussianBlur(here, (0, 0), _LIP_CREASE) - here)


def _lay(
    warped: Pixels,
    pixels: Pixels,
    source: WarpSource,
    patch: Patch,
    interpolation: int,
) -> None:
    """Blend a patch of `pixels` into the warped crop, in place."""
    height, width = patch.mask.shape
    here = np.s_[patch.top : patch.top + height, patch.left : patch.left + width]
    content = cv2.remap(pixels, patch.source, None, interpolation, None, cv2.BORDER_REPLICATE)
    mixed = content.astype(np.float32)
    if patch.light is not None:
        mixed *= patch.light[..., None]
    if patch.made_up is not None and patch.paint is not None:
        drawn = patch.paint @ source.palette
        if patch.painted is not None:
            drawn += patch.painted * np.float32(np.iinfo(warped.dtype).max)
        if source.grain is not None and patch.texture is not None:
            at = patch.texture + np.float32(source.grain.shape[0] / 2)
            drawn *= 1 + cv2.remap(
                source.grain, at, None, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT
            )
        mixed += patch.made_up[..., None] * (drawn - mixed)
    below = warped[here]
    below[:] = np.round(below + patch.mask[..., None] * (mixed - below)).astype(warped.dtype)
