# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp a portrait's crop to target landmarks, at any resolution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.mouth.inside import MouthPlace, find_place
from inference.mouth.own import OwnTeeth, find_own_teeth
from inference.mouth.paint import TEETH, find_palette
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_both
from inference.pictures import rescaled
from inference.warp.closed import Closed, close_openings, lay_closed
from inference.warp.mesh import WarpMesh, move_mesh
from inference.warp.mouths import OpenMouth
from inference.warp.moved import Origins, find_origins, moved, moved_with_plane
from inference.warp.openings import Patch, eye_patches, mouth_patch
from inference.warp.raster import Raster, rasterise

Points = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# The grid on which the mesh is drawn; finer ones cost time and show no difference, since what
# must be sharp (lids, lips) lies in patches of the output's own resolution.
GRID = 256


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

    scale: the head's size over the portrait's. pose: the head's, from canonical space.
    """

    raster: Raster
    points: Points
    scale: float
    pose: Pose


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
    pose, face = fit_both((mesh.points, canonical_face().mean), target)
    raster = rasterise(mesh, move_mesh(mesh, target, pose), crop_size, (GRID, GRID))
    return TargetPose(raster, target, pose.scale, face)


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
    origins = origins_of(target, source.size, crop_size).with_residual(residual, crop_size)
    warped = moved(source.pixels, origins, interpolation)
    _lay_closed(warped, source, target, crop_size, origins)
    patches = find_patches(source, target, crop_size)
    _lay_openings(warped, source, patches, interpolation)
    return warped, patches


def warp_with_plane(
    source: WarpSource,
    four: Pixels,
    target: TargetPose,
    crop_size: tuple[int, int],
    residual: NDArray[np.float32] | None = None,
    interpolation: int = cv2.INTER_CUBIC,
    patches: list[Patch] | None = None,
    origins: Origins | None = None,
    near: NDArray[np.uint8] | None = None,
) -> tuple[Pixels, NDArray[np.float32], list[Patch]]:
    """As `warp`, with a plane (H, W) that goes the same way, such as a matte: then (H, W) from 0 to
    1; openings play no part in it. One lookup for both.

    four: (H, W, 4), the source's colours and the plane. patches, origins: of the same source and
    target, where they were found before. near: as of `moved_with_plane`.
    """
    origins = origins or origins_of(target, source.size, crop_size)
    origins = origins.with_residual(residual, crop_size)
    warped, share = moved_with_plane(four, origins, interpolation, near)
    _lay_closed(warped, source, target, crop_size, origins)
    found = find_patches(source, target, crop_size) if patches is None else patches
    _lay_openings(warped, source, found, interpolation)
    return warped, share, found


def origins_of(target: TargetPose, size: tuple[int, int], crop_size: tuple[int, int]) -> Origins:
    """Where pixels come from in an output of `size` (width, height)."""
    return find_origins(target.raster, target.points, size, crop_size)


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
    origins: Origins,
) -> None:
    points = target.points[:, :2] * (np.array(source.size, np.float32) / np.array(crop_size))
    lay_closed(warped, source.closed, origins, source.points, points, target.scale)


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
    origins = origins_of(target, (plane.shape[1], plane.shape[0]), crop_size)
    return moved(plane, origins.with_residual(residual, crop_size), cv2.INTER_LINEAR)


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
