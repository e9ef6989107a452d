# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait: a person's picture with its landmarks and its frozen crop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.capture.detector import find_faces
from inference.capture.finder import shrink_for_detection
from inference.errors import InputError
from inference.landmarks import OVAL
from inference.pictures import StillPicture, read_picture
from inference.remembered import remembered

# The crop's side in units of the face outline's larger side, and how far its centre lies above
# the outline's, in the same unit: room for hair above, for the neck below.
_SIDE = 2.1
_RAISE = 0.14
SMALLEST_FACE = 20.0  # pixels; below it the landmarks are guesses


@dataclass(frozen=True)
class Box:
    """The crop in whole pixels of the portrait, y down; it may reach beyond the picture."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Portrait:
    """path, picture: the file and its pixels. points: (478, 3) float32 in pixels of the picture.

    box: the part of the picture that the head layer covers, frozen once and for all.
    """

    path: Path
    picture: StillPicture
    points: NDArray[np.float32]
    box: Box

    def crop(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """The box's pixels (height, width, 3); beyond the picture it is mirrored."""
        return _crop(self.picture.rgb, self.box)

    def crop_alpha(self) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
        """The box's alpha (height, width), or None when the portrait is opaque."""
        return None if self.picture.alpha is None else _crop(self.picture.alpha, self.box)

    def crop_points(self) -> NDArray[np.float32]:
        """The landmarks (478, 3) in pixels of the box."""
        return self.points - np.array([self.box.x, self.box.y, 0], np.float32)

    def visible(self) -> tuple[int, int, int, int]:
        """The part of the box that lies in the picture: left, top, right, bottom in box pixels."""
        width, height = self.picture.size
        return (
            max(0, -self.box.x),
            max(0, -self.box.y),
            min(self.box.width, width - self.box.x),
            min(self.box.height, height - self.box.y),
        )


def open_portrait(path: Path, face: int | None = None) -> Portrait:
    """Read a picture, find its face and lay the crop around it.

    face: its number from left to right, 1 and up; needed only where there are several.
    Raises InputError when the picture cannot be used or the face is not clear.
    """
    picture = read_picture(path)
    small, factor = shrink_for_detection(picture.rgb8(), longest=1920)
    faces = [points * np.float32(factor) for points in _faces_in(small)]
    points = _choose(faces, face, path)
    side = float(np.ptp(points[list(OVAL), :2], axis=0).max())
    if side < SMALLEST_FACE:
        raise InputError(f"{path}: the face is only {side:.0f} pixels high; use a larger picture")
    return Portrait(path, picture, points, crop_box(points, picture.size))


@remembered(8)
def _faces_in(picture: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    return find_faces(picture)


def crop_box(points: NDArray[np.float32], size: tuple[int, int]) -> Box:
    """The crop for landmarks (478, 3) in a picture of `size` (width, height).

    Each side has the parity of the picture's, so that a strip lies on whole pixels.
    """
    oval = points[list(OVAL), :2]
    low, high = oval.min(axis=0), oval.max(axis=0)
    face = float((high - low).max())
    center = (low + high) / 2 - np.array([0, _RAISE * face])
    sides = [int(round(_SIDE * face)) // 2 * 2 + length % 2 for length in size]
    corner = np.round(center - np.array(sides) / 2).astype(int)
    return Box(int(corner[0]), int(corner[1]), sides[0], sides[1])


def _crop(pixels: NDArray, box: Box) -> NDArray:
    height, width = pixels.shape[:2]
    left, top = max(0, -box.x), max(0, -box.y)
    right, bottom = max(0, box.x + box.width - width), max(0, box.y + box.height - height)
    inside = pixels[
        max(0, box.y) : min(height, box.y + box.height),
        max(0, box.x) : min(width, box.x + box.width),
    ]
    return cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REFLECT_101)


def _choose(faces: list[NDArray[np.float32]], face: int | None, path: Path) -> NDArray[np.float32]:
    if not faces:
        raise InputError(
            f"{path}: no face was found; use a picture in which it is seen larger "
            "and from the front"
        )
    if face is None:
        if len(faces) > 1:
            raise InputError(
                f"{path}: {len(faces)} faces were found; name the one that is meant by its "
                f"number from left to right, 1 to {len(faces)}"
            )
        return faces[0]
    if not 1 <= face <= len(faces):
        raise InputError(f"{path}: there is no face {face}; the picture has {len(faces)}")
    return faces[face - 1]
