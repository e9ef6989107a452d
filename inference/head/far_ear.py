# SPDX-License-Identifier: GPL-3.0-or-later
"""The ear that a turned portrait hides behind its far cheek: the near one's mirror image.

A plane through the near ear, in the head's own space, is looked up in the portrait; what has skin's
colours in it is the ear. Its mirror image on the other side comes to light behind the cheek as the
head turns back. Where hair covers the near ear, or the portrait shows both, there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.head.ears import CHEEKS
from inference.landmarks import OVAL
from inference.performance.face.canonical import canonical_face
from inference.performance.face.pose import Pose, fit_pose
from inference.warp.warp import Pixels

Points = NDArray[np.float32]
Plane = NDArray[np.float32]
Array = NDArray[np.float64]

# The left ear's plane in canonical space: above at the face, above behind, below behind, below at
# the face. Its front edge stands where the face's mesh ends.
_PLANE = np.array([[1.1, 0.0, 0.8], [1.42, -0.1, 1.4], [1.42, 1.05, 1.32], [1.06, 1.2, 0.78]])
_CORE = np.array([[1.13, 0.3, 0.9], [1.28, 0.25, 1.15], [1.28, 0.75, 1.12], [1.12, 0.85, 0.9]])
# Portraits whose far ear lies so far (in eye distances) outside of the cheek show it, or nearly;
# and a head that is turned by less (the sine) has no far side.
_SHOWS, _TURNED = 0.1, 0.2
# Distances in Lab, lightness counting half, from the cheek beside it: the ear for certain, and not.
_SKIN = (16.0, 30.0)
# So much of the core must be an ear, and no more of all around it: that is hair in skin's colour.
_EAR, _ALL = 0.55, 0.93
_SOFT = 0.04  # of the plane's edges and of the ear's, in eye distances
# The far side's light against the near one's, at most and at least.
_GAIN = (0.55, 1.6)
_LARGEST = 400  # pixels of the texture's longer side
# How squarely the plane must face the camera, of its most, to be seen a little, and wholly.
_FACES = (0.02, 0.12)


@dataclass(frozen=True)
class FarEar:
    """pixels: (h, w, 3) of the portrait's depth, alpha: (h, w) float32, 0 to 1: the ear as seen
    from its own side. corners: (4, 3), where the texture's corners lie, clockwise from the upper
    left, in pixels of the crop. side: 1 right in the picture of an upright head, -1 left.
    """

    pixels: Pixels
    alpha: Plane
    corners: Array
    side: float


@dataclass(frozen=True)
class DrawnEar:
    """A window of the output; left, top: its corner. pixels: (h, w, 3),
    alpha: (h, w) float32, 0 to 1.
    """

    left: int
    top: int
    pixels: Pixels
    alpha: Plane


def find_far_ear(points: Points, pixels: Pixels, alpha: NDArray[np.uint8]) -> FarEar | None:
    """points: (478, 3) of the crop. pixels: (H, W, 3), alpha: (H, W), 0 to 255, the person's."""
    pose = fit_pose(canonical_face().mean, points)
    view = pose.rotation.T @ np.array([0.0, 0.0, -1.0])
    if abs(view[0]) < _TURNED or _shows_far_ear(points, pose, view[0]):
        return None
    near = np.array([np.sign(view[0]), 1, 1])
    plane, core = pose.apply(_PLANE * near), pose.apply(_CORE * near)
    sides = np.linalg.norm(plane[[3, 1], :2] - plane[0, :2], axis=1)
    tall, wide = np.clip(sides, 8, _LARGEST).astype(int).tolist()
    at = (plane[:, :2] - 0.5).astype(np.float32)
    unrolled = cv2.getPerspectiveTransform(at, _square(wide, tall))
    ear, matte = (cv2.warpPerspective(p, unrolled, (wide, tall)) for p in (pixels, alpha))
    top = np.float32(np.iinfo(pixels.dtype).max)
    right, left = (_colour(pixels, points, CHEEKS[side::2]) / top for side in (0, 1))
    here, there = (left, right) if view[0] > 0 else (right, left)
    away = np.linalg.norm(_lab(ear / top) - _lab(here[None, None]), axis=2)
    share = np.clip((_SKIN[1] - away) / (_SKIN[1] - _SKIN[0]), 0, 1) * (matte / 255)
    at = cv2.perspectiveTransform(core[None, :, :2] - 0.5, unrolled)[0]
    middle = np.zeros((tall, wide), np.uint8)
    cv2.fillConvexPoly(middle, np.round(at).astype(np.int32), 1)
    if not middle.any() or share[middle > 0].mean() < _EAR:
        return None
    soft = max(_SOFT * pose.scale * tall / max(float(sides[0]), 1.0), 0.7)
    gain = np.clip(there.mean() / max(float(here.mean()), 1e-3), *_GAIN)
    made = np.clip(np.round(ear * gain), 0, top).astype(pixels.dtype)
    corners = pose.apply(_PLANE * near * (-1, 1, 1))
    piece = _one_piece(share, middle)
    if piece.mean() > _ALL * _ellipse(piece.shape).mean():
        return None
    piece = np.clip(2 * cv2.GaussianBlur(piece, (0, 0), soft) - 1, 0, 1)
    return FarEar(made, piece, corners, -float(near[0]))


def draw_far_ear(
    ear: FarEar, moved: Pose, crop_size: tuple[int, int], shape: tuple[int, ...]
) -> DrawnEar | None:
    """Where it is seen in a frame, or None.

    moved: the skull, from where the portrait has it. crop_size: (width, height) of the crop; shape:
    (height, width) of the output, which shows all of it.
    """
    at = moved.apply(ear.corners)
    ahead, down = at[1] - at[0], at[3] - at[0]
    normal = np.cross(ahead, down)
    squarely = abs(float(normal[2])) / max(float(np.linalg.norm(normal)), 1e-6)
    low, high = _FACES
    # Seen from its own side, the texture's columns run from the cheek outwards.
    seen = float(np.clip((squarely - low) / (high - low), 0, 1)) if ear.side * ahead[0] > 0 else 0.0
    corners = at[:, :2] * (np.array(shape[::-1]) / np.array(crop_size))
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, shape[::-1])
    if seen == 0 or right <= left or bottom <= top:
        return None
    tall, wide = ear.alpha.shape
    here = (corners - (left, top) - 0.5).astype(np.float32)
    laid = cv2.getPerspectiveTransform(_square(wide, tall), here)
    size = (int(right - left), int(bottom - top))
    how = cv2.INTER_LINEAR
    pixels = cv2.warpPerspective(ear.pixels, laid, size, None, how, cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(ear.alpha, laid, size, None, how, cv2.BORDER_CONSTANT, 0)
    return DrawnEar(int(left), int(top), pixels, alpha * np.float32(seen))


def _square(wide: int, tall: int) -> Points:
    """The corners (4, 2) of a texture, as pixel indices."""
    corners = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32)
    return corners - np.float32(0.5)


def _shows_far_ear(points: Points, pose: Pose, towards: float) -> bool:
    """Whether it lies outside of the cheek, by so much that the portrait has it, or its place."""
    far = pose.apply(_CORE * (-np.sign(towards), 1, 1))[:, :2].mean(axis=0)
    outside = -cv2.pointPolygonTest(points[list(OVAL), :2], tuple(far.tolist()), True)
    return outside > _SHOWS * pose.scale


def _one_piece(share: Plane, middle: NDArray[np.uint8]) -> Plane:
    """What of the skin (h, w) hangs together with the ear's middle, and its shadows, 0 or 1."""
    _, labels = cv2.connectedComponents((share > 0.5).astype(np.uint8))
    kept = np.unique(labels[(middle > 0) & (labels > 0)])
    piece = cv2.morphologyEx(
        np.isin(labels, kept).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
    )
    around, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(piece, around, -1, 1, cv2.FILLED)
    return np.asarray(piece * _ellipse(share.shape))


def _ellipse(shape: tuple[int, ...]) -> Plane:
    """The half of an ellipse on the cheek: skin above and below, of temple or neck, is no ear."""
    y, x = np.indices(shape) / (np.array(shape)[:, None, None] - 1)
    return np.asarray(x**2 + (2 * y - 1) ** 2 < 0.98, np.float32)


def _colour(pixels: Pixels, points: Points, which: tuple[int, ...]) -> Array:
    x, y = np.clip(
        points[list(which), :2].astype(int).T, 0, np.array(pixels.shape[1::-1])[:, None] - 1
    )
    return np.asarray(np.median(pixels[y, x].astype(np.float64), axis=0))


def _lab(colours: NDArray[np.floating]) -> Plane:
    """Lab of colours (h, w, 3) in [0, 1], lightness halved."""
    lab = cv2.cvtColor(colours.astype(np.float32), cv2.COLOR_RGB2LAB)
    return np.asarray(lab * np.array((0.5, 1, 1), np.float32))
