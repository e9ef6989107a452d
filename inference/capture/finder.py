# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces of consecutive frames of any size: a small one is followed in a window around it.

The mesh's own detector sees faces from a quarter of the picture on. Where it finds none, a
long-range one says where to look; then only that window is looked at, as long as the face stays.
"""

from __future__ import annotations

from types import TracebackType

import cv2
import numpy as np

from inference.capture.detector import FaceDetector, Points
from inference.capture.faces import face_width
from inference.capture.movie import Picture
from inference.capture.small_faces import face_boxes
from inference.capture.upright import face_turns, turned_back

# The mesh looks at 256 pixels of a face: larger footage costs time and gains nothing.
_LONGEST = 1280
_LONGEST_CLOSE = 1920
# Frames between two closer looks while no face is seen. The first one comes at once, more of them
# soon after a loss.
_PATIENCE, _SOON = 12, (2, 4, 8)
# A window is worth its while if its shorter side is at most this share of the picture's.
_WORTHWHILE = 0.9
# A face whose middle comes nearer to the window's edge than this share of it moves the window.
_EDGE = 0.3

Window = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class FaceFinder:
    """Finds the faces of frame after frame. Use it as a context: it holds the models."""

    def __init__(self, max_faces: int = 4) -> None:
        self._detector = FaceDetector(max_faces)
        self._window: Window | None = None
        self._turns = 0  # quarters, counterclockwise, that set this shot's faces upright
        self._checked = False
        self._missed = 0

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._detector.__exit__(kind, error, traceback)

    def find(self, picture: Picture) -> list[Points]:
        """The landmarks of every face in an RGB picture: each (478, 3) in its pixels."""
        faces = self._look(picture)
        if not faces and self._window is not None:
            self._enter(None)
            faces = self._look(picture)
        if not faces and (self._missed in _SOON or self._missed % _PATIENCE == 0):
            faces = self._look_closely(picture) or self._look_turned(picture, None)
        if faces and not self._checked:
            self._checked = True
            faces = self._look_turned(picture, max(faces, key=face_width)) or faces
        self._missed = 0 if faces else self._missed + 1
        if faces and self._window is not None and _leaves(faces, self._window, picture):
            self._enter(_around(faces, picture))
        return faces

    def forget(self) -> None:
        """Begin again: the next frame belongs to another shot."""
        self._enter(None)
        self._turns, self._checked, self._missed = 0, False, 0

    def _enter(self, window: Window | None) -> None:
        self._window = window
        self._detector.forget()

    def _look(self, picture: Picture) -> list[Points]:
        left, top, right, bottom = self._window or (0, 0, picture.shape[1], picture.shape[0])
        small, factor = shrink_for_detection(picture[top:bottom, left:right], _LONGEST)
        size, corner = (small.shape[1], small.shape[0]), np.array([left, top, 0], np.float32)
        found = self._detector.find(np.rot90(small, self._turns))
        return [
            turned_back(points, self._turns, size) * np.float32(factor) + corner for points in found
        ]

    def _look_turned(self, picture: Picture, face: Points | None) -> list[Points]:
        """Look at the picture turned, if that sets the face (None: any) upright."""
        small, factor = shrink_for_detection(picture, _LONGEST_CLOSE)
        turns = face_turns(small, None if face is None else face / np.float32(factor))
        if not turns or self._turns:
            return []
        self._turns = turns
        self._enter(None)
        faces = self._look(picture)
        if not faces:
            self._turns = 0
            self._enter(None)
        return faces

    def _look_closely(self, picture: Picture) -> list[Points]:
        small, factor = shrink_for_detection(picture, _LONGEST_CLOSE)
        boxes = np.array(face_boxes(small), np.float32) * factor
        if not len(boxes):
            return []
        window = _within(
            (boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)), picture
        )
        if not _is_worthwhile(window, picture):
            largest = boxes[np.argmax(boxes[:, 2])]
            window = _within((largest[:2], largest[:2] + largest[2]), picture)
        self._enter(window)
        faces = self._look(picture)
        if not faces:
            self._enter(None)
        return faces


def shrink_for_detection(picture: Picture, longest: int = _LONGEST) -> tuple[Picture, float]:
    """A picture no longer than `longest` and the factor that leads back to the full one."""
    factor = max(picture.shape[:2]) / longest
    if factor <= 1:
        return picture, 1.0
    size = (round(picture.shape[1] / factor), round(picture.shape[0] / factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), factor


def _leaves(faces: list[Points], window: Window, picture: Picture) -> bool:
    """Does a face come near to an edge of the window that is not the picture's own?"""
    left, top, right, bottom = window
    for face in faces:
        x, y = face[:, :2].mean(axis=0)
        across, down = _EDGE * (right - left), _EDGE * (bottom - top)
        if (
            (left > 0 and x < left + across)
            or (top > 0 and y < top + down)
            or (right < picture.shape[1] and x > right - across)
            or (bottom < picture.shape[0] and y > bottom - down)
        ):
            return len(faces) == 1
    return False


def _around(faces: list[Points], picture: Picture) -> Window:
    """A window in which the largest face has the middle."""
    face = max(faces, key=face_width)
    middle = face[:, :2].mean(axis=0)
    half = 1.2 * face_width(face)
    return _within((middle - half, middle + half), picture)


def _within(corners: tuple[np.ndarray, np.ndarray], picture: Picture) -> Window:
    (left, top), (right, bottom) = corners
    height, width = picture.shape[:2]
    return max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom))


def _is_worthwhile(window: Window, picture: Picture) -> bool:
    left, top, right, bottom = window
    return min(right - left, bottom - top) <= _WORTHWHILE * min(picture.shape[:2])
