# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's newer API, answering as the older one's FaceMesh does.

MediaPipe 1.x has one wheel for every Python, so an extension can carry it; the older one, with
models of its own, is what environments have. `task_file` makes the model. At one look both answer
alike, to 0.14 pixels at most on 38 portraits; following a face they lay their search windows a
little otherwise, and differ by half a percent to one of the eyes' distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.capture.without_matplotlib import without_matplotlib
from inference.errors import InputError

MODEL = Path(__file__).with_name("face_landmarker.task")
# Frames are distinguished by milliseconds; how many does not matter.
_STEP_MS = 33
# With a single face this API smooths over time; FaceMesh never does.
_LEAST_FACES = 2
# What its library asks of a Linux system, beside what Blender itself needs.
_DEBIAN_PACKAGE = {"libGLESv2.so.2": "libgles2", "libEGL.so.1": "libegl1"}
# Sides of the tiles in which small faces are looked for, in units of the shorter side.
_TILES = (1 / 2, 1 / 4)


@dataclass(frozen=True)
class _Face:
    landmark: Sequence[Any]


@dataclass(frozen=True)
class _Answer:
    multi_face_landmarks: list[_Face]


class TaskMesh:
    """FaceMesh's process, reset and close on a FaceLandmarker that follows faces over frames."""

    def __init__(self, max_faces: int) -> None:
        self._max_faces = max_faces
        self._vision = _vision()
        self._time = 0
        self._landmarker = self._open()

    def process(self, picture: NDArray[np.uint8]) -> _Answer:
        """The landmarks of an RGB picture's faces, in units of its width and height."""
        from mediapipe import Image, ImageFormat

        image = Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        self._time += _STEP_MS
        found = self._landmarker.detect_for_video(image, self._time).face_landmarks
        return _Answer([_Face(marks) for marks in found[: self._max_faces]])

    def reset(self) -> None:
        """Forget the faces of the frames before."""
        self.close()
        self._landmarker = self._open()

    def close(self) -> None:
        """Let the models go."""
        self._landmarker.close()

    def _open(self) -> Any:
        from mediapipe.tasks.python.core.base_options import BaseOptions

        options = self._vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=MODEL.read_bytes()),
            num_faces=max(self._max_faces, _LEAST_FACES),
            running_mode=self._vision.RunningMode.VIDEO,
        )
        try:
            return self._vision.FaceLandmarker.create_from_options(options)
        except OSError as error:  # its library is loaded here
            raise InputError(_missing_library(str(error))) from None


def small_face_boxes(picture: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    """Generous square boxes (x, y, side) around faces that are small in the picture."""
    height, width = picture.shape[:2]
    boxes: list[tuple[int, int, int]] = []
    for share in _TILES:
        tile = round(share * min(width, height))
        mesh = TaskMesh(1)
        for top in steps(height, tile):
            for left in steps(width, tile):
                mesh.reset()
                part = picture[top : top + tile, left : left + tile]
                for face in mesh.process(part).multi_face_landmarks:
                    marks = np.array([(mark.x, mark.y) for mark in face.landmark])
                    low, high = marks.min(axis=0) * tile, marks.max(axis=0) * tile
                    side = int(2.4 * max(high - low))
                    x, y = (low + high) / 2 - side / 2 + (left, top)
                    boxes.append((int(x), int(y), side))
        mesh.close()
        if boxes:
            break
    return apart(boxes)


def steps(length: int, tile: int) -> list[int]:
    """Where tiles begin that overlap by half and reach both ends."""
    count = max(1, int(np.ceil(2 * (length - tile) / tile)) + 1)
    return [round(at) for at in np.linspace(0, length - tile, count)]


def apart(boxes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """One box for each face: tiles overlap."""
    kept: list[tuple[int, int, int]] = []
    for x, y, side in boxes:
        middle = np.array([x + side / 2, y + side / 2])
        if all(
            np.linalg.norm(middle - (kx + ks / 2, ky + ks / 2)) > 0.2 * max(side, ks)
            for kx, ky, ks in kept
        ):
            kept.append((x, y, side))
    return kept


def _missing_library(said: str) -> str:
    """The line for a shared library that is missing on this system."""
    library = said.partition(":")[0].strip()
    line = f"MediaPipe cannot be loaded, {library} is missing on this system"
    package = _DEBIAN_PACKAGE.get(library)
    if package is None:
        return f"{line}: {said.splitlines()[0][:150]}"
    return f"{line}: install it, on Debian and Ubuntu with: sudo apt-get install {package}"


def _vision() -> Any:
    """The API's module. Raises InputError where its model is missing."""
    if not MODEL.is_file():
        raise InputError(
            f"{MODEL}: the face model of this MediaPipe is missing; use the environment that "
            "build.py makes, or install the extension again"
        )
    with without_matplotlib():
        from mediapipe.tasks.python import vision
    return vision
